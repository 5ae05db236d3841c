"""Prove what is claimed about the hardware, and refute what is claimed about mutants of it.

    python -m sim.prove                 everything
    python -m sim.prove gate uart-4     some proofs, with their mutants
    python -m sim.prove --list          the claims

For each proof three things happen: the claim is proved about the real component; what the
harness says can happen is seen to happen, so that the assumptions do not contradict one another;
and each mutant, the component with one place changed, is refuted by a run from power-up.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from sim.mutants import mutated
from sim.proofs import (
    cobs,
    collision,
    event_list,
    gate,
    lanes,
    receiver,
    receiver_items,
    streams,
    uart,
)
from sim.proofs.base import Harness, Proof
from sim.proofs.sby import Mode, Outcome, run

PROOFS: tuple[Proof, ...] = (
    *gate.PROOFS,
    *lanes.PROOFS,
    *collision.PROOFS,
    *event_list.PROOFS,
    *uart.PROOFS,
    *cobs.PROOFS,
    *receiver.PROOFS,
    *receiver_items.PROOFS,
    *streams.PROOFS,
)


@dataclass(frozen=True)
class Result:
    """One run and whether it ended as it must.

    Attributes
    ----------
    what : str
        ``"proved"``, ``"seen"`` or the mutant.
    good : bool
    outcome : Outcome
    """

    what: str
    good: bool
    outcome: Outcome


def prove(proof: Proof, mutants: bool = True) -> Iterator[Result]:
    """Run a proof, its cover, and its mutants; yield each result."""
    harness = proof.harness()
    mode: Mode = "prove"
    if proof.from_any_state:
        mode = "bmc"
        harness.any_state = True
    outcome = run(harness, mode, proof.depth, f"{proof.name}/proof", proof.skip)
    yield Result("proved", outcome.status == "PASS", outcome)

    def again() -> Harness:
        made = (proof.for_traces or proof.harness)()
        made.any_state = proof.traces_from_any_state
        return made

    outcome = run(again(), "cover", proof.cover, f"{proof.name}/cover")
    yield Result("seen", outcome.status == "PASS", outcome)
    if not mutants:
        return
    for number, (mutant, depth) in enumerate(proof.mutants.items()):
        with mutated(mutant):
            skip = depth - 1 if proof.from_any_state else 0
            outcome = run(again(), "bmc", depth, f"{proof.name}/mutant-{number}", skip)
        yield Result(f"mutant: {mutant.what}", outcome.status == "FAIL", outcome)


def _chosen(names: list[str]) -> list[Proof]:
    known = {proof.name: proof for proof in PROOFS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no proof is named {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names] or list(PROOFS)


def _describe(proof: Proof) -> str:
    text = f"{proof.claim} [{proof.how}. {proof.method}]"
    return f"{proof.name}\n" + textwrap.indent(textwrap.fill(text, 96), "    ")


def main(arguments: list[str] | None = None) -> int:
    """Run the proofs; return 1 if one fails, or a mutant is not refuted."""
    parser = argparse.ArgumentParser(prog="python -m sim.prove", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", help="proofs to run (default: all)")
    parser.add_argument("--list", action="store_true", help="say what is claimed, and stop")
    parser.add_argument("--no-mutants", action="store_true", help="leave the mutants out")
    options = parser.parse_args(arguments)
    chosen = _chosen(options.names)
    failures = 0
    seconds = 0.0
    for proof in chosen:
        print(_describe(proof), flush=True)
        if options.list:
            continue
        for result in prove(proof, not options.no_mutants):
            outcome = result.outcome
            seconds += outcome.seconds
            if result.what.startswith("mutant"):
                verdict = (
                    f"refuted, {outcome.failed}"
                    if result.good
                    else f"NOT REFUTED ({outcome.status})"
                )
            else:
                verdict = "yes" if result.good else f"NO ({outcome.status}) {outcome.failed}"
            print(f"    {outcome.seconds:6.1f} s  {result.what}: {verdict}", flush=True)
            if not result.good:
                failures += 1
                print(f"    everything is in {outcome.folder}; the log ends:\n{outcome.log}")
    if not options.list:
        print(f"{len(chosen)} proofs, {failures} failures, {seconds:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
