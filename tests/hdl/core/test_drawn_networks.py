"""Networks whose every number is drawn, against golden model and cycle model.

A failure is shrunk to a small network, and printed as Python to be pasted; that this works is
tested with mutants.
"""

import re
from functools import cache

import pytest
from hypothesis import Phase, given, note, settings

from hdl.core.row_pass import RowPass
from hdl.core.sequencer import Sequencer
from sim.mutants import Mutant, mutated
from tests.cases import cases
from tests.hdl.core.play import Bench, script_of

#: Without "explain", which traces the simulator after a failure and takes ten times as long.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
SETTINGS = settings(deadline=None, phases=PHASES)


@cache
def bench(lanes):
    return Bench(lanes)


def check(case, play_on):
    note(case.as_python())
    play_on(case.lanes).play(script_of(case).operations)


@settings(SETTINGS, max_examples=40)
@given(cases())
def test_drawn_network_equals_golden_and_cycle_model(case):
    check(case, bench)


MUTANTS = {
    "a pass is skipped though its inputs have changed": (
        Sequencer,
        "settled_now.eq(~(unsettled | emitted_below | ",
        "settled_now.eq(~(unsettled | (emitted_below & layer.any()) | ",
    ),
    "a c row is shifted as far as its z row": (
        RowPass,
        'shift = parameter[f"{half}_{name}_shift"]',
        'shift = parameter[f"{half}_even_shift"]',
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_failure_shrinks_to_a_small_case_whose_print_reproduces_it(mutant):
    with mutated(Mutant(mutant, *MUTANTS[mutant])):
        wrong = Bench(12, store_words=512)

        @settings(SETTINGS, max_examples=200, derandomize=True, database=None)
        @given(cases(lanes=(12,), units=3, layers=1, planes=1, sequences=1, steps=2))
        def drawn(case):
            check(case, lambda lanes: wrong)

        with pytest.raises(AssertionError) as failure:
            drawn()
        (program,) = [n for n in failure.value.__notes__ if n.startswith("from tests.cases")]
        numbers = [int(n) for n in re.findall(r"-?\d+", program)]
        assert len(numbers) <= 30, program
        assert sum(n != 0 for n in numbers) <= 10, program
        # Pasted while the mutant is there: the same failure, on an engine of its own.
        with pytest.raises(AssertionError) as again:
            exec(program, {})
        assert str(again.value) == str(failure.value)
    exec(program, {})
