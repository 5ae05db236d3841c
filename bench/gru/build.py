"""`python -m bench.gru.build`: cells, clock and time a step of the GRU core on the iCE40UP5K.

Builds both variants in the shell of `bench.shell` with the flow that builds the engine, with
several of nextpnr's seeds, and writes JSON and a Markdown table. Cycles a step come from the
simulated core. The shell is built alone as well, and the table has the cells of both.

nextpnr knows no more of an SB_MAC16 than that its ports are registered. The core uses all of its
registers, so that this is at least true of the ports; what the multiplier inside does at such a
clock is not in nextpnr's figure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.arguments import bench_parser, count, guarded
from bench.gru.core import GRUCore
from bench.gru.model import Sizes, random_network
from bench.gru.simulation import simulate
from bench.record import write
from bench.shell import Shell, place
from hdl.boards import load_board
from hdl.toolchain import Toolchain, find_toolchain

__all__ = ["DIGITS", "VARIANTS", "cycles", "measure", "measure_shell"]

#: Digits by rows: eight pixels a step, ten classes.
DIGITS = Sizes(inputs=8, hidden=64, outputs=10)
#: Variants by name: whether with DSP.
VARIANTS = {"dsp": True, "logic": False}

_EXAMPLES = """\
examples:
  python -m bench.gru.build
  python -m bench.gru.build --quick
  python -m bench.gru.build --seeds 6 --output build/gru.json
"""


def cycles(dsp: bool) -> dict[str, int]:
    """Cycles of a step without and with the readout, from the simulated core."""
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 127, (2, DIGITS.inputs), endpoint=True)
    trace = simulate(random_network(DIGITS, rng), [x], [False, True], dsp)
    return {"step": trace.cycles[0], "step_with_readout": trace.cycles[1]}


def measure_shell(tools: Toolchain) -> int:
    """Logic cells of shell and clocking alone."""
    shell = Shell(GRUCore(DIGITS), empty=True)
    return place(shell, load_board("icebreaker"), (1,), tools).used["logic_cells"]


def measure(name: str, seeds: Sequence[int], tools: Toolchain) -> dict[str, Any]:
    """Return everything about one variant.

    Parameters
    ----------
    name : str
        A key of `VARIANTS`.
    seeds : sequence of int
        nextpnr's.
    tools : Toolchain

    Returns
    -------
    dict
        ``variant``; ``logic_cells`` (the shell's included), ``ebr``, ``spram``, ``dsp`` and
        ``multipliers`` after mapping; ``seeds`` and ``clock_mhz`` by seed; and by ``step`` and
        ``step_with_readout``: ``cycles``, ``products`` and, at the median clock, ``us``.

    Raises
    ------
    hdl.toolchain.ToolError, hdl.report.ReportError
        As `bench.shell.place`.
    """
    dsp = VARIANTS[name]
    placed = place(Shell(GRUCore(DIGITS, dsp=dsp)), load_board("icebreaker"), seeds, tools)
    counted = cycles(dsp)
    return {
        "variant": name,
        **placed.used,
        "multipliers": placed.usages[0].multipliers_after,
        "seeds": list(seeds),
        "clock_mhz": placed.clocks,
        "cycles": counted,
        "products": {
            "step": DIGITS.products(due=False),
            "step_with_readout": DIGITS.products(due=True),
        },
        "us": {key: round(value / placed.median_mhz, 2) for key, value in counted.items()},
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("gru.build", __doc__, _EXAMPLES)
    parser.add_argument("--seeds", type=count, default=3, metavar="N", help="seeds 1 to N (3)")
    parser.add_argument("--quick", action="store_true", help="seed 1 only")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    seeds = range(1, 2 if options.quick else options.seeds + 1)
    tools = find_toolchain()
    shell = measure_shell(tools)
    print(f"shell and clocking alone: {shell} logic cells, part of the following\n")
    print("| variant | logic cells | EBR | SPRAM | DSP | MHz by seed | cycles | us a step |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name in VARIANTS:
        row = measure(name, seeds, tools)
        rows.append(row)
        print(
            f"| {name} | {row['logic_cells']} | {row['ebr']} | {row['spram']} | {row['dsp']} "
            f"| {', '.join(f'{clock:.1f}' for clock in row['clock_mhz'])} "
            f"| {row['cycles']['step']}, {row['cycles']['step_with_readout']} with readout "
            f"| {row['us']['step']}, {row['us']['step_with_readout']} |",
            flush=True,
        )
    write(
        options.output,
        {"tools": tools.versions(), "shell_logic_cells": shell, "sizes": vars(DIGITS), "gru": rows},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
