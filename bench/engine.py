"""`python -m bench.engine`: cells and clock of the default engine, over nextpnr's seeds.

Builds the shipped network's engine with either weight store, each with several seeds, and writes
JSON and a Markdown table. The aims: at most 2400 logic cells, 48 MHz with margin.

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

from bench.arguments import bench_parser, count, guarded
from bench.record import write
from hdl.boards import load_board
from hdl.build import BuildError, build
from hdl.plan import WeightChoice, make_plan
from models.file import load

NETWORK = Path(__file__).resolve().parent.parent / "models" / "zoo" / "digits.safetensors"
STORES: tuple[WeightChoice, ...] = ("bram", "spram")
BASELINE = Path(__file__).resolve().parent / "baseline.json"

#: How far the engine may drift from the baseline before somebody must say that it is meant.
MOST_GROWTH, MOST_SLOWDOWN = 0.03, 0.10

Figures = dict[str, Any]


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


def figures(reports: Sequence[Mapping[str, Any]]) -> Figures:
    """What the baseline holds of one weight store's reports, a report a seed."""
    return {
        "logic_cells": reports[0]["logic_cells"],
        "clock_mhz": round(statistics.median(report["clock_mhz"] for report in reports), 2),
        "seeds": [report["seed"] for report in reports],
    }


def drift(found: Mapping[str, Figures], baseline: Mapping[str, Figures]) -> list[str]:
    """Say where measured figures are worse than the baseline's by more than they may."""
    worse = []
    for weights, now in found.items():
        if weights not in baseline:
            worse.append(f"{weights}: the baseline has no figures for it")
            continue
        then = baseline[weights]
        cells = int(then["logic_cells"] * (1 + MOST_GROWTH))
        if now["logic_cells"] > cells:
            worse.append(
                f"{weights}: {now['logic_cells']} logic cells; the baseline's "
                f"{then['logic_cells']} and {MOST_GROWTH:.0%} more allow {cells}"
            )
        clock = then["clock_mhz"] * (1 - MOST_SLOWDOWN)
        if now["clock_mhz"] < clock:
            worse.append(
                f"{weights}: {now['clock_mhz']:.2f} MHz; the baseline's "
                f"{then['clock_mhz']:.2f} MHz less {MOST_SLOWDOWN:.0%} ask for {clock:.2f} MHz"
            )
    return worse


def read_baseline(path: Path) -> dict[str, Figures]:
    """Return the baseline's figures by weight store.

    Raises
    ------
    ValueError
        If the file holds no such record; OSError if it cannot be read.
    """
    try:
        stores: dict[str, Figures] = json.loads(path.read_text())["engine"]
        for held in stores.values():
            float(held["logic_cells"]), float(held["clock_mhz"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected a record written by --update-baseline, found {error!r}"
        ) from error
    return stores


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("engine", __doc__)
    parser.add_argument("--seeds", type=count, default=6, metavar="N", help="seeds 1 to N (6)")
    parser.add_argument("--quick", action="store_true", help="block RAM and seed 1 only")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail if worse than the baseline")
    what.add_argument(
        "--update-baseline", action="store_true", help="make these figures the baseline"
    )
    parser.add_argument("--baseline", type=Path, default=BASELINE, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.quick and options.update_baseline:
        parser.error("a baseline holds all stores: --update-baseline goes without --quick")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    # A baseline that cannot be read is noticed before minutes of building.
    baseline = read_baseline(options.baseline) if options.check else {}
    stores, seeds = (STORES[:1], 1) if options.quick else (STORES, options.seeds)
    rows = []
    print(
        "| weights | logic cells | EBR | SPRAM | DSP | multipliers | MHz, seeds 1 to N | median |"
    )
    print("|---|---|---|---|---|---|---|---|")
    found: dict[str, Figures] = {}
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
    if options.update_baseline:
        write(options.baseline, {"tools": first["tools"], "engine": found})
        print(f"baseline written: {options.baseline}")
    worse = drift(found, baseline) if options.check else []
    for line in worse:
        print(f"error: {line}", file=sys.stderr)
    if worse:
        print(
            f"The engine is worse than {options.baseline}. If that is meant: "
            "python -m bench.engine --update-baseline",
            file=sys.stderr,
        )
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
