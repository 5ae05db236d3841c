"""`python -m bench.gru.build`: cells, clock and time a step of the GRU core on the iCE40UP5K.

Builds both variants with the flow that builds the engine (same tools, options and target clock),
with several of nextpnr's seeds, and writes JSON and a Markdown table. Cycles a step come from
`cycles` (a test holds it to the simulated core). A shell of shift registers takes the place of
the pins that the core would need; it is built alone too, and its cells are taken off.
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

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bench.gru.core import GRUCore
from bench.gru.model import Sizes
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
