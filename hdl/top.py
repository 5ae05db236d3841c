"""The board's top level: clock, reset, pins, and the system between them.

::

    oscillator -- PLL --+-- lock -- reset counter --+
                        |                           |
                        +---- sync clock domain ----+
                                    |
    UART rx pin ------------> system (rx, tx, led) ------------> UART tx pin, LED
    flash's pins <----------------- (flash, alarm) ------------> a second LED

The last line for an engine that starts without a network, on a board with a flash.
"""

from __future__ import annotations

import math
from typing import Any

from amaranth import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from hdl.boards import Board
from hdl.pll import PLLSettings

#: Block RAM of the iCE40 reads as zeroes for about 3 us after configuration (no erratum was
#: published; IceStorm issue 76). Amaranth's own reset waits five times that, and so does this.
BLOCK_RAM_WARM_UP_US = 15


class Clocking(Elaboratable):
    """Clock and reset of the sync domain: PLL output, and a wait for lock and block RAM.

    The reset is released `BLOCK_RAM_WARM_UP_US` after the PLL locks, and returns when lock
    is lost.

    Parameters
    ----------
    board : Board
        The board, for its oscillator and its PLL primitive.
    pll : PLLSettings
        The PLL's dividers.
    """

    def __init__(self, board: Board, pll: PLLSettings) -> None:
        self._board = board
        self._pll = pll
        self.reset = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.startup = startup = ClockDomain("startup", reset_less=True, local=True)

        oscillator = platform.request(self._board.clock.resource, dir="-")
        clock, lock = Signal(), Signal()
        m.submodules.pll = Instance(
            self._board.pll.primitive,
            p_FEEDBACK_PATH="SIMPLE",
            p_PLLOUT_SELECT="GENCLK",
            p_DIVR=Const(self._pll.divr, 4),
            p_DIVF=Const(self._pll.divf, 7),
            p_DIVQ=Const(self._pll.divq, 3),
            p_FILTER_RANGE=Const(self._pll.filter_range, 3),
            i_PACKAGEPIN=oscillator.io,
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=lock,
        )
        m.d.comb += [ClockSignal("sync").eq(clock), startup.clk.eq(clock)]

        locked = Signal()
        m.submodules.lock = FFSynchronizer(lock, locked, o_domain="startup")
        cycles = math.ceil(self._pll.output_mhz * BLOCK_RAM_WARM_UP_US)
        # A power of two, so that the counter's top bit alone says that time is up.
        waited = Signal(range(2 ** math.ceil(math.log2(cycles)) + 1))
        with m.If(~locked):
            m.d.startup += waited.eq(0)
        with m.Elif(~waited[-1]):
            m.d.startup += waited.eq(waited + 1)
        reset = Signal(init=1)
        m.d.startup += reset.eq(~waited[-1])
        m.d.comb += self.reset.eq(reset)
        return m


class Top(Elaboratable):
    """A system on a board's pins.

    Parameters
    ----------
    board : Board
        The board.
    pll : PLLSettings
        Clock settings.
    system : wiring.Component
        With members ``rx`` and ``reset`` (In, 1), ``tx`` and ``led`` (Out, 1), in the sync
        domain, and perhaps ``flash`` (`hdl.link.flash.FLASH_PINS`) and ``alarm`` (Out, 1).
        It synchronizes ``rx`` itself: the pin is asynchronous.
    """

    def __init__(self, board: Board, pll: PLLSettings, system: Any) -> None:
        self._board = board
        self._pll = pll
        self._system = system

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # No reset of its own: the system has one where it needs one (see hdl/system.py).
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.clocking = clocking = Clocking(self._board, self._pll)
        m.submodules.system = system = self._system

        uart = platform.request(self._board.link.resource, dir={"rx": "-", "tx": "-"})
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        # Registered in the pad: no glitch on the line, no path from logic to pad.
        m.submodules.tx = tx = io.FFBuffer("o", uart.tx)
        led_port = platform.request(self._board.led, dir="-")
        m.submodules.led = led = io.Buffer("o", led_port)
        m.d.comb += [
            system.rx.eq(rx.i),
            system.reset.eq(clocking.reset),
            tx.o.eq(system.tx),
            led.o.eq(system.led),
        ]
        if "flash" in system.signature.members:
            self._connect_flash(m, system, platform)
        return m

    def _connect_flash(self, m: Module, system: Any, platform: Any) -> None:
        flash = self._board.flash
        assert flash is not None, "only a board with a flash gets a system that reads one"
        pins = platform.request(flash.resource, dir="-")
        # Registers in the pads, the clock's as well: all are late by the same cycle.
        buffers = {
            "cs": (io.FFBuffer("o", pins.cs), system.flash.selected),
            "clk": (io.FFBuffer("o", pins.clk), system.flash.sck),
            "copi": (io.FFBuffer("o", pins.copi), system.flash.copi),
            "cipo": (io.FFBuffer("i", pins.cipo), system.flash.cipo),
            # Write protection and hold: never. The read command does not use these pins.
            **{
                name: (io.Buffer("o", getattr(pins, name)), Const(0))
                for name in ("wp", "hold")
                if hasattr(pins, name)
            },
            "alarm": (io.Buffer("o", platform.request(flash.alarm, dir="-")), system.alarm),
        }
        for name, (buffer, value) in buffers.items():
            m.submodules[f"flash_{name}"] = buffer
            if name == "cipo":
                m.d.comb += value.eq(buffer.i)
            else:
                m.d.comb += buffer.o.eq(value)
