"""The readout's counters: 64 bits, added to sixteen at a time."""

import pytest

from hdl.core.readout import COUNTERS, Readout
from tests.hdl.link.bench import simulate, wait


@pytest.mark.parametrize(
    "before, cycles",
    [(0xFFFF_FFFF, 1), (0, 0x1_2345), (0xFFFF_FFFF_FFFF, 1), (0x1234_FFFF, 0x1_FFFF)],
)
@pytest.mark.parametrize("events", [0, 1, 1023])
def test_carries_reach_every_half_word(before, cycles, events):
    dut = Readout()
    read = []

    async def drive(ctx):
        for counter in range(2):
            for half in range(4):
                ctx.set(dut.address, COUNTERS + 4 * counter + half)
                ctx.set(dut.write_data, before >> 16 * half & 0xFFFF)
                ctx.set(dut.write, 1)
                await ctx.tick()
        ctx.set(dut.write, 0)
        await wait(ctx, 2)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.tally, 1)
        # A half-word a cycle: four of each counter.
        for half in (cycles & 0xFFFF, cycles >> 16, 0, 0, events, 0, 0, 0):
            ctx.set(dut.tally_data, half)
            await ctx.tick()
        ctx.set(dut.tally, 0)
        await wait(ctx, 3)
        for place in range(8):
            ctx.set(dut.address, COUNTERS + place)
            await wait(ctx, 2)
            read.append(ctx.get(dut.data))

    simulate(dut, drive)
    halves = [sum(half << 16 * n for n, half in enumerate(read[i : i + 4])) for i in (0, 4)]
    assert halves == [before + cycles, before + events]
