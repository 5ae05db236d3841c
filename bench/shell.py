"""A core alone on the chip: between two pins, placed with several of nextpnr's seeds.

The flow is that of `hdl.build` (same tools, options and counts); what it builds is not judged. A
shell of shift registers, and the board's clocking, take the place of what would be around the
core; `empty` shells are built as well, so that a table can have the cells of both.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.boards import Board
from hdl.flow import Flow
from hdl.pll import pll_settings
from hdl.report import Usage
from hdl.toolchain import Toolchain
from hdl.top import Top

__all__ = ["TARGET_MHZ", "Placed", "Shell", "place"]

#: What nextpnr is asked for, of every core alike.
TARGET_MHZ = Fraction(60)

#: Bits of a parity that two levels of logic cells give.
_PIECE = 16


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
        inputs = [Value.cast(value) for _, member, value in members if member.flow is In]
        outputs = [Value.cast(value) for _, member, value in members if member.flow is Out]
        shifted = Signal(sum(map(len, inputs)))
        seen = Signal(sum(map(len, outputs)))
        # In two steps: the parity of a hundred bits would be slower than many a core.
        pieces = [seen[at : at + _PIECE] for at in range(0, len(seen), _PIECE)]
        parities = Signal(len(pieces))
        m.d.sync += [
            shifted.eq(Cat(self.rx, shifted)),
            parities.eq(Cat(piece.xor() for piece in pieces)),
            self.tx.eq(parities.xor()),
        ]
        if self._empty:
            self._core._MustUse__silence = True  # not being built is meant
            m.d.sync += seen.eq(shifted[: len(seen)] ^ shifted[len(seen) :])
            return m
        m.submodules.core = self._core
        # As in the engine's system, the reset is the core's alone.
        start = 0
        for value in inputs:
            m.d.comb += value.eq(shifted[start : start + len(value)])
            start += len(value)
        m.d.sync += seen.eq(Cat(*outputs))
        return m


@dataclass(frozen=True)
class Placed:
    """A design synthesised once, and placed and routed with each seed.

    Attributes
    ----------
    usages : tuple of Usage
        By seed; they differ in the clock only.
    seeds : tuple of int
        nextpnr's.
    """

    usages: tuple[Usage, ...]
    seeds: tuple[int, ...]

    @property
    def used(self) -> dict[str, int]:
        """Count by ``logic_cells``, ``ebr``, ``spram`` and ``dsp``."""
        return self.usages[0].used

    @property
    def clocks(self) -> list[float]:
        """MHz by seed."""
        return [usage.clock_mhz for usage in self.usages]

    @property
    def median_mhz(self) -> float:
        """The median clock of the seeds."""
        return statistics.median(self.clocks)


def place(system: Any, board: Board, seeds: Sequence[int], tools: Toolchain) -> Placed:
    """Synthesise once, place and route with each seed, at `TARGET_MHZ`.

    Parameters
    ----------
    system : Shell or hdl.system.System
        What is between the board's pins.
    board : Board
    seeds : sequence of int
        nextpnr's, at least one.
    tools : Toolchain

    Raises
    ------
    ValueError
        If there are no seeds.
    hdl.toolchain.ToolError
        If a tool fails, also because the design does not fit the device.
    hdl.report.ReportError
        If a tool's report lacks something.
    """
    if not seeds:
        raise ValueError("seeds must hold at least one")
    pll = pll_settings(board.clock.input_mhz, TARGET_MHZ, board.pll)
    usages: list[Usage] = []
    with tempfile.TemporaryDirectory() as folder:
        flow = Flow(board, tools, float(TARGET_MHZ), 1, Path(folder), lambda line: None)
        plan = flow.prepare(Top(board, pll, system))
        for seed in seeds:
            flow.seed = seed
            usages.append(flow.run(plan, again=bool(usages)))
    return Placed(tuple(usages), tuple(seeds))
