"""The engine plays a script."""

from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, First, RisingEdge

from sim.benches import data
from sim.benches.wires import start
from sim.coverage.results import save
from sim.engine_player import EnginePlayer

INPUTS = (
    "command__payload", "command__valid", "inputs__payload", "inputs__valid", "soft_reset",
    "invalidate", "state_address", "state_write", "state_write_data", "score_address",
    "score_write", "score_write_data", "store_address", "store_write", "store_write_data",
)  # fmt: skip


class CocotbPorts:
    """An engine in a simulator that cocotb drives; everything happens at falling edges."""

    def __init__(self, dut):
        self.dut = dut

    def put(self, name, value):
        getattr(self.dut, name).value = value

    def look(self, name):
        return int(getattr(self.dut, name).value)

    async def tick(self, cycles=1):
        for _ in range(cycles):
            await FallingEdge(self.dut.clk)

    async def until(self, name, value, patience):
        signal = getattr(self.dut, name)
        if int(signal.value) == value:
            return True
        edge = RisingEdge(signal) if value else FallingEdge(signal)
        late = ClockCycles(self.dut.clk, patience)
        if await First(edge, late) is late:
            return False
        await FallingEdge(self.dut.clk)
        return True


@cocotb.test()
async def plays_the_script(dut):
    asked = data()
    await start(dut, **dict.fromkeys(INPUTS, 0))
    ports = CocotbPorts(dut)
    if "observed" in asked:
        ports.put("coverage_shift", 0)
    player = EnginePlayer(ports)
    await player.play(asked["operations"])
    if "observed" in asked:
        hits = player.hits
        ports.put("coverage_shift", 1)
        for name in asked["observed"]:
            hits[name] += ports.look("coverage_hits")
            await ports.tick()
        save(Path(asked["hits"]), hits)
