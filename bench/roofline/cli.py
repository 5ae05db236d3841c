"""`python -m bench.roofline`: what the iCE40UP5K allows, and where the engine stands below it.

Ceilings of ternary additions a second from the bandwidth of weights, from the ports of the
accumulators' block RAMs and from logic cells; this engine's peak and what the digits use of it; a
conventional GRU and a generated LSTM beside it, in multiply-accumulates. Nothing is built: clocks,
logic cells and cycles are those that `python -m bench.hardware` wrote to
build/bench/hardware.json or, without that file, those of bench/baseline.json.

Writes JSON and, beside it, the Markdown that it prints and a picture. `--docs` puts tables and
picture into docs/.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.arguments import bench_parser, count, guarded
from bench.document import add_docs_option, refresh
from bench.record import write
from bench.roofline.ceilings import CELLS_A_LANE, ceilings, multiplier_ceiling
from bench.roofline.measured import read, reference, where
from bench.roofline.picture import picture
from bench.roofline.points import as_built, planned
from bench.roofline.tables import markdown
from hdl.boards import load_board
from models.writing import write_whole

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[2]
_WHAT = {
    "ceilings": "derived (board file, plan, and logic cells as measured)",
    "clock_mhz": "measured (nextpnr, median of the seeds)",
    "cells_a_lane": "measured (Yosys; docs/decisions/0003-two-events.md)",
    "engines": "clock and logic cells measured, cycles as the hardware bench says, operations "
    "derived",
}

_EXAMPLES = """\
examples:
  python -m bench.hardware && python -m bench.roofline --docs
      after a change of the engine: refreshes docs/performance.md and docs/roofline.png
  python -m bench.roofline --measured bench/baseline.json
"""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("roofline", __doc__, _EXAMPLES)
    parser.add_argument(
        "--measured",
        type=Path,
        metavar="FILE",
        help="what bench.hardware wrote, or a baseline (the last run if there is one)",
    )
    parser.add_argument(
        "--cells-a-lane",
        type=count,
        default=CELLS_A_LANE,
        metavar="N",
        help=f"logic cells of a lane ({CELLS_A_LANE}, decision 0003)",
    )
    add_docs_option(parser)
    options = parser.parse_args(arguments)
    if options.output.suffix in (".png", ".md"):
        parser.error("--output names the JSON; picture and tables go beside it, as .png and .md")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    path = options.measured or where()
    engines = read(path)
    engine = reference(engines, path)
    board = load_board("icebreaker")
    limits = ceilings(board, engine, engines, options.cells_a_lane)
    multipliers = multiplier_ceiling(board)
    points = as_built(engines) + planned(engine, engines)
    source = os.path.relpath(path, _ROOT) if path.resolve().is_relative_to(_ROOT) else str(path)
    text = markdown(limits, multipliers, points, engine, source) + "\n"
    if not any(e.who == "lstm" for e in engines):
        text += f"\n`{source}` has no figures of the LSTM.\n"
    drawn = picture(limits, multipliers, points, engine)
    print(text, end="")
    write(
        options.output,
        {
            "tags": _WHAT,
            "measured_inputs": source,
            "clock_mhz": engine.clock_mhz,
            "cells_a_lane": options.cells_a_lane,
            "ceilings": [
                *({**vars(limit), "unit": "additions"} for limit in limits),
                {**vars(multipliers), "unit": "multiply-accumulates"},
            ],
            "points": [
                {**vars(point), "lowest": (lowest := point.lowest(limits, multipliers)).name}
                | {"share": point.share(lowest)}
                for point in points
            ],
            "engines": [{**vars(e), "used_a_second": e.used_a_second} for e in engines],
        },
    )
    write_whole(options.output.with_suffix(".md"), text)
    write_whole(options.output.with_suffix(".png"), drawn)
    if options.docs:
        refresh(options.docs, "roofline", text, {"roofline.png": drawn})
    return 0


if __name__ == "__main__":
    sys.exit(main())
