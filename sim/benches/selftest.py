"""Tests that fail, for the test of the runner itself."""

import cocotb

from sim.benches import data
from sim.benches.wires import start


@cocotb.test()
async def passes(dut):
    await start(dut, rx=1, send__valid=0, receive__payload=0)
    assert data()["answer"] == 42


@cocotb.test()
async def fails(dut):
    await start(dut, rx=1, send__valid=0, receive__payload=0)
    assert dut.tx.value == 0, "an idle line is high"
