"""The system between a board's pins: the link and the engine, in one clock domain."""

from typing import Any

from amaranth.back import verilog
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters, WeightMemory
from hdl.link.flash import FLASH_PINS
from hdl.link.link import Link
from models.image import Image

#: Store words where nobody says otherwise: what an iCE40UP5K has for 16 lanes.
DEFAULT_STORE_WORDS: dict[WeightMemory, int] = {"bram": 512, "spram": 16384}


class System(wiring.Component):
    """UART in, UART out.

    Parameters
    ----------
    parameters : EngineParameters
        The engine.
    clock_hz, baud : int
        The sync domain's clock and the UART's rate.
    flash_offset : int, optional
        Where the board's flash may hold a network, for an engine that starts without one.

    Members
    -------
    rx : In(1)
        Asynchronous.
    tx : Out(1)
    led : Out(1)
        A network is valid.
    reset : In(1)
        High for some cycles after power-up. The clock domain itself needs no reset.
    flash : Out(FLASH_PINS)
        With `flash_offset` only.
    alarm : Out(1)
        With `flash_offset` only: the network in the flash was bad.

    Raises
    ------
    ValueError
        If the rate cannot be made of the clock.
    """

    def __init__(
        self,
        parameters: EngineParameters,
        clock_hz: int,
        baud: int,
        flash_offset: int | None = None,
    ) -> None:
        self.engine = Engine(parameters)
        self.link = Link(parameters, clock_hz, baud, flash_offset)
        self.flash_offset = flash_offset
        members = {"rx": In(1), "tx": Out(1, init=1), "led": Out(1), "reset": In(1)}
        if flash_offset is not None:
            members |= {"flash": Out(FLASH_PINS), "alarm": Out(1)}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = self.engine
        m.submodules.link = self.link
        connect(m, self.link.engine, self.engine)
        m.d.comb += [
            self.link.rx.eq(self.rx),
            self.link.reset.eq(self.reset),
            self.tx.eq(self.link.tx),
            self.led.eq(self.engine.network_valid),
        ]
        if self.flash_offset is not None:
            connect(m, self.link.flash, flipped(self.flash))
            m.d.comb += self.alarm.eq(self.link.flash_failed)
        return m


class _WithPins(Elaboratable):
    """The system with its clock and its reset as ports."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.clk = Signal()
        self.rst = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain(reset_less=True)
        m.submodules.system = self.system
        m.d.comb += [sync.clk.eq(self.clk), self.system.reset.eq(self.rst)]
        return m


def system_verilog(
    lanes: int,
    weights: WeightMemory,
    image: Image | None,
    clock_hz: int,
    baud: int,
    store_words: int | None = None,
    events: int = 2,
    packed: bool = False,
    flash_offset: int | None = None,
) -> str:
    """Return the system as Verilog: module ``system`` with ports clk, rst, rx, tx and led.

    With a flash also ``flash__selected``, ``flash__sck``, ``flash__copi``, ``flash__cipo`` and
    ``alarm``.

    Parameters
    ----------
    lanes, weights, image, store_words, events, packed
        See `EngineParameters`; the default size of the store is the iCE40UP5K's.
    clock_hz, baud, flash_offset
        See `System`.
    """
    parameters = EngineParameters(
        lanes=lanes,
        weights=weights,
        store_words=DEFAULT_STORE_WORDS[weights] if store_words is None else store_words,
        image=image,
        events=events,
        packed=packed,
    )
    top = _WithPins(System(parameters, clock_hz, baud, flash_offset))
    ports = [top.clk, top.rst, top.system.rx, top.system.tx, top.system.led]
    if flash_offset is not None:
        ports += [Value.cast(value) for _, _, value in FLASH_PINS.flatten(top.system.flash)]
        ports.append(top.system.alarm)
    return str(verilog.convert(top, name="system", ports=ports, emit_src=False))
