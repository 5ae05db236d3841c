"""`python -m bench.engine`: cells and clock of the default engine, over nextpnr's seeds.

Builds the shipped network's engine with either weight store, and with packed weights, each with
several seeds, and writes JSON and a Markdown table with the ternary additions that a second can
have at most (lanes, times events a cycle, times the median clock). The aims: at most 2800 logic
cells, 60 MHz; 2.6 billion additions a second with packed weights. `--all` also builds engines that
take one event a cycle.

`--check` compares with what `bench/baseline.json` holds: exit status 1 if logic cells grew by more
than 3 %, or the median clock fell by more than 10 %. Who means to change the engine's size or
speed says so with `--update-baseline`, and commits the new record.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import baseline
from bench.arguments import bench_parser, count, guarded
from bench.record import write
from hdl.boards import load_board
from hdl.build import BuildError, build
from hdl.plan import WeightChoice, make_plan
from models.file import load
from models.word_format import PLAIN, WordFormat

NETWORK = Path(__file__).resolve().parent.parent / "models" / "zoo" / "digits.safetensors"


@dataclass(frozen=True)
class Engine:
    """What is built: the store, its words, and lanes where they are not the plan's."""

    weights: WeightChoice
    word_format: WordFormat = PLAIN
    lanes: int | None = None


#: By the name in the table and in the baseline.
ENGINES = {
    "bram": Engine("bram"),
    "spram": Engine("spram"),
    "packed": Engine("spram", WordFormat(packed=True)),
}
#: Built with `--all`; the baseline does not hold them.
OTHERS = {
    "one event, 16 lanes": Engine("spram", WordFormat(events=1), 16),
    "one event, 24 lanes": Engine("spram", WordFormat(events=1), 24),
}

#: How far the engine may drift from the baseline before somebody must say that it is meant.
BOUNDS = baseline.Bounds(logic_cells=0.03, clock=0.10)


def measure(engine: Engine, seed: int) -> dict[str, Any]:
    """Build once and return the report, also that of a build which missed its clock."""
    board = load_board("icebreaker")
    plan = make_plan(board, load(NETWORK), engine.lanes, engine.weights, engine.word_format)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        try:
            return build(board, plan, output=output, seed=seed, progress=lambda line: None)
        except BuildError:
            failed = output / "failed/report.json"
            if not failed.exists():  # not a missed clock: a tool failed
                raise
            report: dict[str, Any] = json.loads(failed.read_text())
            return report


def figures(reports: Sequence[Mapping[str, Any]]) -> baseline.Figures:
    """What the baseline holds of one engine's reports, a report a seed."""
    return {
        "logic_cells": reports[0]["logic_cells"],
        "clock_mhz": round(statistics.median(report["clock_mhz"] for report in reports), 2),
        "seeds": [report["seed"] for report in reports],
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("engine", __doc__)
    parser.add_argument("--seeds", type=count, default=6, metavar="N", help="seeds 1 to N (6)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="block RAM and seed 1 only")
    which.add_argument("--all", action="store_true", help="engines of one event a cycle, too")
    baseline.add_options(parser)
    options = parser.parse_args(arguments)
    if options.quick and options.update_baseline:
        parser.error("a baseline holds all engines: --update-baseline goes without --quick")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    # A baseline that cannot be read is noticed before minutes of building.
    held = baseline.read(options.baseline, "engine") if options.check else {}
    seeds = 1 if options.quick else options.seeds
    engines = dict(list(ENGINES.items())[:1]) if options.quick else dict(ENGINES)
    if options.all:
        engines |= OTHERS
    rows = []
    print(
        "| engine | lanes | logic cells | EBR | SPRAM | DSP | multipliers | MHz, seeds 1 to N "
        "| median | 10^9 additions a second |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    found: dict[str, baseline.Figures] = {}
    for name, engine in engines.items():
        reports = [measure(engine, seed) for seed in range(1, seeds + 1)]
        clocks = [report["clock_mhz"] for report in reports]
        first = reports[0]
        measured = figures(reports)
        if name in ENGINES:
            found[name] = measured
        peak = first["lanes"] * first["events"] * measured["clock_mhz"] / 1000
        rows.append({"engine": name, "clock_mhz": clocks, "report": first})
        print(
            f"| {name} | {first['lanes']} | {first['logic_cells']} | {first['ebr']} "
            f"| {first['spram']} | {first['dsp']} | {first['multiplier_cells']} "
            f"| {', '.join(f'{clock:.1f}' for clock in clocks)} "
            f"| {measured['clock_mhz']:.1f} | {peak:.2f} |",
            flush=True,
        )
    write(options.output, {"engine": rows})
    return baseline.settle(options, "engine", first["tools"], found, held, BOUNDS)


if __name__ == "__main__":
    sys.exit(main())
