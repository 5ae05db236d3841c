"""`python -m bench.hardware`: this engine, a GRU and a generated LSTM on the same chip.

Builds and simulates, in one run with one toolchain for the iCE40UP5K, this engine, the
conventional 8-bit GRU of `bench.gru` (with eight SB_MAC16 and without) and the LSTM of
elastic-ai.creator (`bench.elastic`, which says how to get what it needs; without it, its rows say
so). All of them without a link; ours with its link is a row more. Writes JSON and, beside it, the
Markdown table that it prints.

`--check` compares this engine and the GRU with what `bench/baseline.json` holds: exit status 1 if
logic cells or cycles a step grew by more than 10 %, or the median clock fell by more than 10 %. Who
means such a change says so with `--update-baseline`, and commits the new record.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench import baseline
from bench.arguments import bench_parser, count, guarded
from bench.hardware import ours, peers
from bench.hardware.goals import goals
from bench.hardware.report import markdown
from bench.hardware.rows import Built, Row
from bench.record import write
from hdl.toolchain import find_toolchain
from models.word_format import PLAIN
from models.writing import write_whole

__all__ = ["BOUNDS", "main"]

#: How far figures may drift from the baseline before somebody must say that it is meant.
BOUNDS = baseline.Bounds(logic_cells=0.10, clock=0.10, cycles=0.10)

QUICK_DIGITS = 2

_EXAMPLES = """\
examples:
  python -m bench.hardware
      everything; five minutes and more
  python -m bench.hardware --quick --without-elastic --check
      what CI asks: seed 1, two digits in RTL, no row with the link (bench.engine builds that),
      none with one event a cycle or packed weights
  python -m bench.hardware --update-baseline
"""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("hardware", __doc__, _EXAMPLES)
    parser.add_argument("--seeds", type=count, default=3, metavar="N", help="seeds 1 to N (3)")
    parser.add_argument(
        "--digits", type=count, default=50, metavar="N", help="test digits in RTL (50)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"seed 1 only, {QUICK_DIGITS} digits in RTL, no link, no other word format",
    )
    parser.add_argument(
        "--without-elastic", action="store_true", help="leave elastic-ai.creator's LSTM out"
    )
    baseline.add_options(parser)
    options = parser.parse_args(arguments)
    if options.quick and options.update_baseline:
        parser.error("a baseline holds all rows: --update-baseline goes without --quick")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    # A baseline that cannot be read is noticed before minutes of building.
    held = baseline.read(options.baseline, "hardware") if options.check else {}
    seeds = range(1, 2 if options.quick else options.seeds + 1)
    simulated = QUICK_DIGITS if options.quick else options.digits
    tools = find_toolchain()
    rows: list[Row] = []
    for variant in ours.VARIANTS:
        if options.quick and (variant.link or variant.word_format != PLAIN):
            continue
        _say(f"{variant.name}, digits by {variant.data} ...")
        rows.append(ours.measure(variant, seeds, tools, simulated))
    _say("GRU ...")
    rows += peers.measure_gru(seeds, tools)
    _say("LSTM ...")
    lstm, versions = peers.measure_lstm(seeds, wanted=not options.without_elastic)
    rows += lstm
    versions = {**tools.versions(), **versions}
    text = markdown(rows, versions)
    print(text, end="")
    write(
        options.output,
        {
            "tools": versions,
            "hardware": [row.record() for row in rows],
            "goals": [vars(goal) for goal in goals(rows)],
        },
    )
    write_whole(options.output.with_suffix(".md"), text)
    # The LSTM is another's, in a pinned version, and not everywhere.
    found = {row.key: row.figures() for row in rows if isinstance(row, Built) and row.who != "lstm"}
    return baseline.settle(options, "hardware", tools.versions(), found, held, BOUNDS)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
