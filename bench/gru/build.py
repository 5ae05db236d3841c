"""`python -m bench.gru.build`: cells, clock and time a step of the GRU core on the iCE40UP5K.

Builds both variants with the flow that builds the engine (same tools, options and checks of
nothing but the figures), with several of nextpnr's seeds, and writes JSON and a Markdown table.
Cycles a step come from the simulated core. A shell of shift registers, and the board's clocking,
take the place of what would be around the core; they are built alone as well, and the table has
the cells of both.

nextpnr knows no more of an SB_MAC16 than that its ports are registered. The core uses all of its
registers, so that this is at least true of the ports; what the multiplier inside does at such a
clock is not in nextpnr's figure.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bench.gru.core import GRUCore
from bench.gru.model import Sizes, random_network
from bench.gru.simulation import simulate
from bench.record import write
from hdl.boards import load_board
from hdl.flow import Flow
from hdl.pll import pll_settings
from hdl.report import Usage
from hdl.toolchain import Toolchain, find_toolchain
from hdl.top import Top

#: Digits by rows: eight pixels a step, ten classes.
DIGITS = Sizes(inputs=8, hidden=64, outputs=10)
TARGET_MHZ = Fraction(60)
#: Variants by name: whether with DSP.
VARIANTS = {"dsp": True, "logic": False}


class Shell(wiring.Component):
    """A core between two pins: inputs come by a shift register, outputs leave as their parity.

    Nothing of the core can be optimised away, and its paths begin and end in registers.

    Parameters
    ----------
    core : wiring.Component
        Has its inputs and outputs registered outside.
    empty : bool
        The shell without the core.
    """

    def __init__(self, core: wiring.Component, empty: bool = False) -> None:
        self._core = core
        self._empty = empty
        super().__init__({"rx": In(1), "reset": In(1), "tx": Out(1), "led": Out(1)})

    def elaborate(self, platform: Any) -> Elaboratable:
        m = Module()
        members = list(self._core.signature.flatten(self._core))
        inputs = [value for _, member, value in members if member.flow is In]
        outputs = [value for _, member, value in members if member.flow is Out]
        shifted = Signal(sum(_bits(value) for value in inputs))
        seen = Signal(sum(_bits(value) for value in outputs))
        m.d.sync += [shifted.eq(Cat(self.rx, shifted)), self.tx.eq(seen.xor())]
        if self._empty:
            self._core._MustUse__silence = True  # not being built is meant
            m.d.sync += seen.eq(shifted[: len(seen)] ^ shifted[len(seen) :])
            return m
        m.submodules.core = self._core
        # As in the engine's system, the reset is the core's alone.
        start = 0
        for value in inputs:
            m.d.comb += value.eq(shifted[start : start + _bits(value)])
            start += _bits(value)
        m.d.sync += seen.eq(Cat(*outputs))
        return m


def _bits(value: Any) -> int:
    return len(Value.cast(value))


def build(shell: Shell, seeds: Sequence[int], tools: Toolchain) -> list[Usage]:
    """Synthesise once, place and route with each seed."""
    board = load_board("icebreaker")
    pll = pll_settings(board.clock.input_mhz, TARGET_MHZ, board.pll)
    usages: list[Usage] = []
    with tempfile.TemporaryDirectory() as folder:
        flow = Flow(board, tools, float(TARGET_MHZ), 1, Path(folder), lambda line: None)
        plan = flow.prepare(Top(board, pll, shell))
        for seed in seeds:
            flow.seed = seed
            usages.append(flow.run(plan, again=bool(usages)))
    return usages


def cycles(dsp: bool) -> dict[str, int]:
    """Cycles of a step without and with the readout, from the simulated core."""
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 127, (2, DIGITS.inputs), endpoint=True)
    trace = simulate(random_network(DIGITS, rng), [x], [False, True], dsp)
    return {"step": trace.cycles[0], "step_with_readout": trace.cycles[1]}


def measure(name: str, seeds: Sequence[int], tools: Toolchain) -> dict[str, Any]:
    """Return everything about one variant."""
    dsp = VARIANTS[name]
    usages = build(Shell(GRUCore(DIGITS, dsp=dsp)), seeds, tools)
    clocks = [usage.clock_mhz for usage in usages]
    count = cycles(dsp)
    median = statistics.median(clocks)
    return {
        "variant": name,
        **usages[0].used,
        "multipliers": usages[0].multipliers_after,
        "seeds": list(seeds),
        "clock_mhz": clocks,
        "cycles": count,
        "products": {
            "step": DIGITS.products(due=False),
            "step_with_readout": DIGITS.products(due=True),
        },
        "us": {key: round(value / median, 2) for key, value in count.items()},
    }


def main() -> int:
    """Build, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.gru.build", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--output", type=Path, default=Path("build/bench/gru.json"))
    options = parser.parse_args()
    tools = find_toolchain()
    empty = build(Shell(GRUCore(DIGITS), empty=True), options.seeds[:1], tools)[0]
    shell = empty.used["logic_cells"]
    print(f"shell and clocking alone: {shell} logic cells, part of the following\n")
    print("| variant | logic cells | EBR | SPRAM | DSP | MHz by seed | cycles | us a step |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name in VARIANTS:
        row = measure(name, options.seeds, tools)
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
