"""`python -m sim.faults`: steps on a simulated board over a bad line, every answer compared.

Bytes of both directions are flipped, dropped, doubled, swapped, held up, followed by another
program's garbage, or torn from the end of a frame; the host's baud rate is 2.5 % off; the cable is
unplugged; the device is reset, or configured anew, in the middle. Exit status 1 if an answer was
wrong, lost, doubled or out of order, if a call took longer than its time-outs allow, or if at one
fault in 10,000 bytes more than one step in 100 met an error.

    python -m sim.faults                         10,000 steps of each kind; most of an hour
    python -m sim.faults --steps 200             a minute or two
    python -m sim.faults --kinds flip reset --seed 7
    python -m sim.faults --docs                  also put the table into docs/link.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from host.errors import DeviceError
from models.writing import replace_between, write_whole
from sim.faults.campaign import ACCIDENTS, NONE, RATES, Outcome, WrongAnswer, run
from sim.faults.damage import Faults
from sim.lockstep import LockstepBoard

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "link.md"
BEGIN, END = "<!-- sim.faults -->", "<!-- end of sim.faults -->"

#: Of the steps at the lowest rate, those that may meet an error.
MOST_FAILED = 0.01

#: What the kinds do, in the table's order; a baud error is the board's, in percent.
MEANINGS = {
    "flip": "a bit flipped",
    "drop": "a byte dropped",
    "double": "a byte doubled",
    "swap": "two bytes swapped",
    "truncate": "up to 31 bytes cut out",
    "garbage": "another program's bytes",
    Faults.PAUSE: "a pause of up to 2 ms",
    "slow": "baud rate 2.5 % low",
    "fast": "baud rate 2.5 % high",
    "unplug": "unplugged and back",
    "reset": "device reset",
    "reconfigure": "device configured anew",
}
_BAUD_ERRORS = {"slow": -2.5, "fast": 2.5}


@dataclass(frozen=True)
class Case:
    """A kind of fault, with the bytes for each where that has a meaning."""

    kind: str
    every: int | None = None

    @property
    def rate(self) -> str:
        """For the table."""
        return f"1 in {self.every:,} bytes" if self.every else ""


def cases(kinds: Sequence[str]) -> Iterator[Case]:
    """Yield all cases of these kinds."""
    for kind in kinds:
        if kind in ACCIDENTS or kind in _BAUD_ERRORS:
            yield Case(kind)
        else:
            yield from (Case(kind, every) for every in RATES)


def carry_out(case: Case, steps: int, seed: int) -> Outcome:
    """Run a case on a board of its own, which starts at once."""
    error = _BAUD_ERRORS.get(case.kind, 0.0)
    with LockstepBoard("--baud-error", str(error)) as board:
        kind = NONE if case.kind in _BAUD_ERRORS else case.kind
        return run(board, kind, case.every or 1, steps, seed)


HEADER = (
    "| fault | rate | steps | injected | found by host | by device | requests repeated "
    "| errors raised | right without error | longest wait, ms |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def row(case: Case, found: Outcome) -> str:
    """Return the counts as a row of Markdown."""
    injected = "" if case.kind in _BAUD_ERRORS else f"{found.injected:,}"
    return (
        f"| {MEANINGS[case.kind]} | {case.rate} | {found.steps:,} | {injected} "
        f"| {found.host_found:,} | {found.device_found:,} | {found.repeated:,} "
        f"| {found.raised:,} | {found.at_once / found.steps:.1%} "
        f"| {found.longest_wait * 1000:.1f} |"
    )


def too_many_errors(case: Case, found: Outcome) -> bool:
    """Whether the caller saw errors in more steps than a good line may have."""
    return case.every == RATES[-1] and found.at_once < (1 - MOST_FAILED) * found.steps


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sim.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--steps", type=_steps, default=10_000, metavar="N", help="steps of each case (10000)")
    add("--seed", type=int, default=1, metavar="N", help="decides all faults (1)")
    add("--kinds", nargs="+", choices=MEANINGS, default=list(MEANINGS), help="(default: all)")
    add(
        "--docs",
        type=Path,
        nargs="?",
        const=DOCUMENT,
        metavar="FILE",
        help="also refresh the table in this document (without FILE: docs/link.md)",
    )
    return parser.parse_args(arguments)


def _steps(text: str) -> int:
    try:
        steps = int(text)
    except ValueError:
        steps = 0
    if steps < 8 or steps % 8:
        raise argparse.ArgumentTypeError(f"expected a multiple of 8, not {text!r}")
    return steps


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parse(arguments)
    lines = [HEADER]
    print(HEADER, flush=True)
    status = 0
    for case in cases(options.kinds):
        what = f"{MEANINGS[case.kind]} {case.rate}".strip()
        try:
            found = carry_out(case, options.steps, options.seed)
        except (WrongAnswer, DeviceError) as error:
            print(f"error: {what}, seed {options.seed}: {error}", file=sys.stderr, flush=True)
            status = 1
            continue
        lines.append(row(case, found))
        print(lines[-1], flush=True)
        if too_many_errors(case, found):
            print(
                f"error: {what}, seed {options.seed}: {found.steps - found.at_once} of "
                f"{found.steps} steps met an error, at most {MOST_FAILED:.0%} may",
                file=sys.stderr,
            )
            status = 1
    if options.docs is not None and status == 0:
        text = options.docs.read_text(encoding="utf-8")
        write_whole(options.docs, replace_between(text, BEGIN, END, "\n".join(lines)))
    return status


if __name__ == "__main__":
    sys.exit(main())
