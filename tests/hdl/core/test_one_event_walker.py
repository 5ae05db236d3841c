"""The walker of one event a cycle: one event after the other, the even one first."""

import pytest

from hdl.core.one_event_walker import OneEventWalker
from tests.hdl.core.walks import configure, draw, offer
from tests.hdl.link.bench import simulate, wait


@pytest.mark.parametrize("sources", [1, 2, 7, 256, 257])
def test_events_are_walked_one_by_one_each_at_its_own_address(sources):
    """Word g of source s is at base + g n + s; nothing is between two events' words."""
    drawn = draw(sources)
    first, walk, base, rounds = drawn
    dut = OneEventWalker()
    streams = (dut.even, dut.odd)
    seen = []

    async def drive(ctx):
        configure(ctx, dut, drawn)
        ctx.set(dut.sources, sources)
        await wait(ctx, 2)
        for events in rounds:
            left = [number is not None for number, _ in events]
            offer(ctx, dut, events)
            for _ in range(20):
                if not any(left):
                    break
                taken = [ctx.get(to.ready) and some for to, some in zip(streams, left, strict=True)]
                assert not all(taken)
                await ctx.tick()
                for number, (events_in, now) in enumerate(zip(streams, taken, strict=True)):
                    if now:
                        ctx.set(events_in.valid, 0)
                        left[number] = False
            else:
                raise AssertionError("events are not taken")
        await wait(ctx, walk + 2)

    async def watch(ctx):
        while True:
            await ctx.tick()
            seen.append([ctx.get(s) for s in (dut.address, dut.accumulator, dut.delta, dut.busy)])

    simulate(dut, drive, background=[watch])
    expected = [
        [base + group * sources + number & 0xFFFF, first + group, delta]
        for events in rounds
        for number, delta in events
        if number is not None
        for group in range(walk)
    ]
    assert [line[:3] for line in seen if line[3]] == expected
    assert all(not any(line) for line in seen if not line[3]), "an address while nothing is walked"
    if len(expected) > walk:
        moments = [number for number, line in enumerate(seen) if line[3]]
        assert moments[-1] - moments[0] < len(expected) + 2 * len(rounds)
