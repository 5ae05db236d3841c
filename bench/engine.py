"""`python -m bench.engine`: cells and clock of the default engine, over nextpnr's seeds.

Builds the shipped network's engine with either weight store, each with several seeds, and writes
JSON and a Markdown table. The aims: at most 2400 logic cells, 48 MHz with margin.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.record import write
from hdl.boards import load_board
from hdl.build import BuildError, build
from hdl.plan import WeightChoice, make_plan
from models.file import load

NETWORK = Path(__file__).resolve().parent.parent / "models" / "zoo" / "digits.safetensors"
STORES: tuple[WeightChoice, ...] = ("bram", "spram")


def measure(weights: WeightChoice, seed: int) -> dict[str, Any]:
    """Build once and return the report, also that of a build which missed its clock."""
    board = load_board("icebreaker")
    plan = make_plan(board, load(NETWORK), weights=weights)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        try:
            return build(board, plan, output=output, seed=seed, progress=lambda line: None)
        except BuildError:
            report: dict[str, Any] = json.loads((output / "failed/report.json").read_text())
            return report


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.engine",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=6, metavar="N", help="seeds 1 to N (6)")
    parser.add_argument("--output", type=Path, default=Path("build/bench/engine.json"))
    options = parser.parse_args()

    rows = []
    print(
        "| weights | logic cells | EBR | SPRAM | DSP | multipliers | MHz, seeds 1 to N | median |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for weights in STORES:
        reports = [measure(weights, seed) for seed in range(1, options.seeds + 1)]
        clocks = [report["clock_mhz"] for report in reports]
        first = reports[0]
        rows.append({"weights": weights, "clock_mhz": clocks, "report": first})
        print(
            f"| {weights} | {first['logic_cells']} | {first['ebr']} | {first['spram']} "
            f"| {first['dsp']} | {first['multiplier_cells']} "
            f"| {', '.join(f'{clock:.1f}' for clock in clocks)} "
            f"| {statistics.median(clocks):.1f} |",
            flush=True,
        )
    write(options.output, {"engine": rows})


if __name__ == "__main__":
    main()
