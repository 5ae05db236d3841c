"""`python -m bench.growth`: cycles of a step against hidden units, event rate and layers.

Random inputs and units change; the cycles are those of the emulator's cycle model, which equals the
RTL (`--check-rtl` plays three of the points there and compares). What the lanes do, adding events
and being read for a pass, is told from the rest. Beside it, what a conventional dense GRU with
eight multipliers would need for its products alone.

Writes JSON and, beside it, the Markdown that it prints and the pictures growth-units.png,
growth-events.png and growth-layers.png. `--docs` puts tables and pictures into docs/.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from bench.arguments import bench_parser, count, guarded, seed_value
from bench.document import add_docs_option, refresh
from bench.growth.pictures import pictures
from bench.growth.point import TAGS, Point
from bench.growth.sweeps import Row, layer_points, measure, play
from bench.growth.tables import markdown
from bench.record import write
from hdl.boards import load_board
from models.writing import write_whole

__all__ = ["main"]

HIDDEN = (16, 24, 32, 48, 64, 96, 128, 192, 256)
RATES = (5.0, 20.0, 50.0, 100.0)
#: H and percent of the sweep over the event rate.
WIDE = (64, 128, 256)
FINE = (0.0, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
#: H, most layers and percent of the sweep over layers: as many as the engine's 256 units allow.
STACKED, MOST_LAYERS, STACKED_RATE = 64, 4, 20.0
QUICK_HIDDEN, QUICK_DRAWS = (16, 64), 2

_EXAMPLES = """\
examples:
  python -m bench.growth --check-rtl
      everything; a minute or two, most of it for the RTL
  python -m bench.growth --docs
      after a change of the engine: refreshes docs/performance.md and docs/growth-*.png
  python -m bench.growth --hidden 32 64 128 --rates 10 --inputs 40
"""


def _percent(text: str) -> float:
    """Argument type: a share in percent, more than 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(
            f"expected a percentage above 0 and up to 100, not {text!r}"
        )
    return value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("growth", __doc__, _EXAMPLES)
    add = parser.add_argument
    add("--hidden", type=count, nargs="+", default=HIDDEN, metavar="H", help=_listed(HIDDEN))
    add(
        "--rates",
        type=_percent,
        nargs="+",
        default=RATES,
        metavar="PERCENT",
        help=f"of inputs and units that change {_listed(RATES)}",
    )
    add("--inputs", type=count, default=16, metavar="I", help="features of a step (16)")
    add("--draws", type=count, default=20, metavar="N", help="of a point's events (20)")
    add("--seed", type=seed_value, default=0, help="of the draws (0)")
    add(
        "--check-rtl", action="store_true", help="play three of the points on the RTL, in Verilator"
    )
    add(
        "--quick",
        action="store_true",
        help=f"H = {' and '.join(map(str, QUICK_HIDDEN))}, {QUICK_DRAWS} draws",
    )
    add_docs_option(parser)
    options = parser.parse_args(arguments)
    if options.quick and options.docs:
        parser.error("documents hold all points: --docs goes without --quick")
    if options.quick:
        options.hidden, options.draws = QUICK_HIDDEN, QUICK_DRAWS
    return options


def _listed(values: Sequence[float]) -> str:
    return f"({' '.join(f'{value:g}' for value in values)})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _points(options: argparse.Namespace) -> dict[str, list[Point]]:
    """Return the points by sweep; sizes in order, each once."""
    hidden, rates = sorted(set(options.hidden)), sorted(set(options.rates))
    wide = WIDE[:1] if options.quick else WIDE
    return {
        "units": [Point(h, options.inputs, rate / 100) for h in hidden for rate in rates],
        "events": [Point(h, options.inputs, rate / 100) for h in wide for rate in FINE],
        "layers": layer_points(STACKED, options.inputs, STACKED_RATE / 100, MOST_LAYERS),
    }


def _to_play(sweeps: dict[str, list[Row]]) -> list[Row]:
    """Return three unlike points: a sparse step, a dense one, one that skips passes."""
    units, layers = sweeps["units"], sweeps["layers"]
    skips = [row for row in layers if row.point.moving == 1]
    return [units[len(units) // 2], units[-1], skips[-1]]


def _run(options: argparse.Namespace) -> int:
    lanes = load_board("icebreaker").lanes
    sweeps = {
        name: [measure(point, lanes, options.draws, options.seed) for point in points]
        for name, points in _points(options).items()
    }
    drawn, text = pictures(sweeps), markdown(sweeps, lanes, options.draws) + "\n"
    print(text, end="")
    played: list[dict[str, Any]] = []
    if options.check_rtl:
        print()
        for row in _to_play(sweeps):
            cycles = play(row, lanes)
            played.append({**vars(row.point), "cycles": cycles})
            point = row.point
            print(
                f"RTL: {point.layers} x {point.hidden} units, {row.events.count} of them change: "
                f"{cycles} cycles a step, equal to the cycle model",
                flush=True,
            )
    write(
        options.output,
        {
            "tags": {**TAGS, "rtl": "simulated (Verilator)"},
            "lanes": lanes,
            "draws": options.draws,
            "seed": options.seed,
            **{name: [row.record() for row in rows] for name, rows in sweeps.items()},
            "rtl": played,
        },
    )
    write_whole(options.output.with_suffix(".md"), text)
    for name, picture in drawn.items():
        write_whole(options.output.parent / name, picture)
    if options.docs:
        refresh(options.docs, "growth", text, drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
