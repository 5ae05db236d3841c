"""The UART's two halves, each against the other end of a line."""

import random

import cocotb
from cocotb.triggers import ClockCycles

from sim.benches import data
from sim.benches.wires import Line, put, start, strobes


@cocotb.test()
async def received_and_sent_bytes_agree(dut):
    """Bytes at both ends of the tolerated baud rate come in and go out."""
    divisor = data()["divisor"]
    await start(dut, rx=1, send__valid=0, receive__payload=0)
    line = Line(dut, divisor)
    incoming: list[int] = []
    cocotb.start_soon(strobes(dut, dut.receive__valid, dut.receive__payload, incoming))
    message = bytes([0, 0xFF, 0x55, 0xAA]) + random.randbytes(12)
    for error in data()["errors"]:
        incoming.clear()
        await line.send(message, error)
        await ClockCycles(dut.clk, 2 * divisor)
        assert bytes(incoming) == message, f"at {error:+.1%}"
    for byte in message:
        await put(dut, "send", byte)
    assert bytes([await line.received.get() for _ in message]) == message
