"""The system at its pins: sends what it is told, and keeps what comes back for the test."""

import json
from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, SimTimeoutError, with_timeout

from sim.benches import PERIOD_NS, data
from sim.benches.wires import Line, start


@cocotb.test()
async def exchanges(dut):
    """Each exchange waits for as many frames as it must; one more, or none, is seen as well."""
    await start(dut, rx=1, reset=1)
    await ClockCycles(dut.clk, 4)
    await FallingEdge(dut.clk)
    dut.reset.value = 0
    line = Line(dut, data()["divisor"])
    received = []
    for exchange in data()["exchanges"]:
        await line.send(bytes.fromhex(exchange["send"]))
        frames = []
        for _ in range(exchange["frames"]):
            frames.append((await with_timeout(line.frame(), 60_000 * PERIOD_NS, "ns")).hex())
        try:
            await with_timeout(line.frame(), 1_500 * PERIOD_NS, "ns")
            raise AssertionError(f"{exchange['send']}: more than {len(frames)} frames came")
        except SimTimeoutError:
            received.append(frames)
    assert dut.led.value == 1
    Path(data()["results"]).write_text(json.dumps(received))
