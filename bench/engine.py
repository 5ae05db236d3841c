"""`python -m bench.engine`: cells and clock of the default engine, over nextpnr's seeds.

Builds the shipped network's engine with either weight store, each with several seeds, and writes
JSON and a Markdown table. The aims: at most 2800 logic cells, 60 MHz.

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
from pathlib import Path
from typing import Any

from bench import baseline
from bench.arguments import bench_parser, count, guarded
from bench.record import write
from hdl.boards import load_board
from hdl.build import BuildError, build
from hdl.plan import WeightChoice, make_plan
from models.file import load

NETWORK = Path(__file__).resolve().parent.parent / "models" / "zoo" / "digits.safetensors"
STORES: tuple[WeightChoice, ...] = ("bram", "spram")

#: How far the engine may drift from the baseline before somebody must say that it is meant.
BOUNDS = baseline.Bounds(logic_cells=0.03, clock=0.10)


def measure(weights: WeightChoice, seed: int) -> dict[str, Any]:
    """Build once and return the report, also that of a build which missed its clock."""
    board = load_board("icebreaker")
    plan = make_plan(board, load(NETWORK), weights=weights)
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
    """What the baseline holds of one weight store's reports, a report a seed."""
    return {
        "logic_cells": reports[0]["logic_cells"],
        "clock_mhz": round(statistics.median(report["clock_mhz"] for report in reports), 2),
        "seeds": [report["seed"] for report in reports],
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("engine", __doc__)
    parser.add_argument("--seeds", type=count, default=6, metavar="N", help="seeds 1 to N (6)")
    parser.add_argument("--quick", action="store_true", help="block RAM and seed 1 only")
    baseline.add_options(parser)
    options = parser.parse_args(arguments)
    if options.quick and options.update_baseline:
        parser.error("a baseline holds all stores: --update-baseline goes without --quick")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    # A baseline that cannot be read is noticed before minutes of building.
    held = baseline.read(options.baseline, "engine") if options.check else {}
    stores, seeds = (STORES[:1], 1) if options.quick else (STORES, options.seeds)
    rows = []
    print(
        "| weights | logic cells | EBR | SPRAM | DSP | multipliers | MHz, seeds 1 to N | median |"
    )
    print("|---|---|---|---|---|---|---|---|")
    found: dict[str, baseline.Figures] = {}
    for weights in stores:
        reports = [measure(weights, seed) for seed in range(1, seeds + 1)]
        clocks = [report["clock_mhz"] for report in reports]
        first = reports[0]
        found[weights] = figures(reports)
        rows.append({"weights": weights, "clock_mhz": clocks, "report": first})
        print(
            f"| {weights} | {first['logic_cells']} | {first['ebr']} | {first['spram']} "
            f"| {first['dsp']} | {first['multiplier_cells']} "
            f"| {', '.join(f'{clock:.1f}' for clock in clocks)} "
            f"| {found[weights]['clock_mhz']:.1f} |",
            flush=True,
        )
    write(options.output, {"engine": rows})
    return baseline.settle(options, "engine", first["tools"], found, held, BOUNDS)


if __name__ == "__main__":
    sys.exit(main())
