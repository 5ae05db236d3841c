"""What benches share: a clock and a reset, streams, and a UART on a pair of wires."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.queue import Queue
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer

from sim.benches import PERIOD_NS


async def start(dut: Any, **inputs: int) -> None:
    """Start the clock, set inputs, and reset for two cycles."""
    for name, value in inputs.items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    # The first rising edge comes when everything has its value.
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    await ClockCycles(dut.clk, 2)
    await FallingEdge(dut.clk)
    dut.rst.value = 0


async def put(dut: Any, stream: str, payload: int, cycles: int = 10_000) -> None:
    """Offer a payload on an input stream until it is taken."""
    await FallingEdge(dut.clk)
    getattr(dut, f"{stream}__payload").value = payload
    getattr(dut, f"{stream}__valid").value = 1
    ready = getattr(dut, f"{stream}__ready")
    for _ in range(cycles):
        # At the edge, before registers have changed.
        await RisingEdge(dut.clk)
        if ready.value == 1:
            await FallingEdge(dut.clk)
            getattr(dut, f"{stream}__valid").value = 0
            return
    raise AssertionError(f"{stream} is still not ready after {cycles} cycles")


class Line:
    """The host's end of a UART: sends on the design's `rx`, receives from its `tx`."""

    def __init__(self, dut: Any, divisor: float) -> None:
        self.dut = dut
        self.bit_ns = divisor * PERIOD_NS
        self.received: Queue[int] = Queue()
        cocotb.start_soon(self._receive())

    async def send(self, data: bytes, error: float = 0.0) -> None:
        """Send bytes without a pause, at a baud rate that is off by `error`."""
        bit = Timer(round(self.bit_ns * (1 + error) * 1000), unit="ps")
        for byte in data:
            for level in (0, *((byte >> n) & 1 for n in range(8)), 1):
                self.dut.rx.value = level
                await bit

    async def _receive(self) -> None:
        while True:
            await FallingEdge(self.dut.tx)
            await Timer(round(self.bit_ns * 1500), unit="ps")
            byte = 0
            for n in range(8):
                byte |= int(self.dut.tx.value) << n
                await Timer(round(self.bit_ns * 1000), unit="ps")
            assert self.dut.tx.value == 1, "no stop bit"
            self.received.put_nowait(byte)

    async def frame(self) -> bytes:
        """Return the next encoded frame that is not empty, without its delimiter."""
        frame = bytearray()
        while True:
            byte = await self.received.get()
            if byte:
                frame.append(byte)
            elif frame:
                return bytes(frame)


async def strobes(dut: Any, valid: Any, value: Any, into: list[int]) -> None:
    """Append `value` to a list in each cycle in which `valid` is 1."""
    while True:
        await RisingEdge(dut.clk)
        if valid.value == 1:
            into.append(int(value.value))
