"""Nothing is wrong in this test itself; the design's assertion must fail it."""

import cocotb
from cocotb.triggers import ClockCycles

from sim.benches import data
from sim.benches.wires import start


@cocotb.test()
async def counts(dut):
    await start(dut, enable=1)
    await ClockCycles(dut.clk, data()["cycles"])
