"""Every proof holds, sees what it says it sees, and refutes its mutants."""

import pytest

from sim.mutants import Mutant, mutated
from sim.proofs.gate import GateUnit
from sim.prove import PROOFS, main, prove


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_proof(proof):
    assert proof.mutants or proof.name == "uart-16"
    for result in prove(proof):
        assert result.good, (
            f"{result.what}: {result.outcome.status} {result.outcome.failed}\n{result.outcome.log}"
        )


def test_mutant_of_text_that_is_gone_is_an_error():
    with pytest.raises(ValueError, match="occurs 0 times"):
        with mutated(Mutant("nothing", GateUnit, "no such text", "")):
            pass


def test_unknown_name_says_what_there_is():
    with pytest.raises(SystemExit, match="there are: gate"):
        main(["no-such-proof"])
