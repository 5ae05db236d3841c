"""The walker: which words of the store it asks for, half by half, and where they go."""

import pytest

from hdl.core.walker import Walker
from tests.hdl.core.walks import configure, draw, offer
from tests.hdl.link.bench import simulate, wait


@pytest.mark.parametrize("sources", [1, 2, 7, 8, 256, 257])
def test_even_and_odd_events_are_walked_together_each_at_its_own_address(sources):
    """Word g of source s is at base + g (n div 2 + 1) + s div 2; what is alone has no partner."""
    drawn = draw(sources)
    first, walk, base, rounds = drawn
    stride = sources // 2 + 1
    dut = Walker()
    streams = (dut.even, dut.odd)
    seen = []

    async def drive(ctx):
        configure(ctx, dut, drawn)
        ctx.set(dut.half_sources, sources // 2)
        await wait(ctx, 2)
        for events in rounds:
            offer(ctx, dut, events)
            for _ in range(10):
                ready = [ctx.get(events_in.ready) for events_in in streams]
                assert ready[0] == ready[1]
                await ctx.tick()
                if ready[0]:
                    break
            else:
                raise AssertionError("events are not taken")
        for events_in in streams:
            ctx.set(events_in.valid, 0)
        await wait(ctx, walk + 2)

    async def watch(ctx):
        while True:
            await ctx.tick()
            signals = (dut.even_address, dut.odd_address, dut.accumulator)
            signals += (dut.even_delta, dut.odd_delta, dut.busy)
            seen.append([ctx.get(signal) for signal in signals])

    simulate(dut, drive, background=[watch])
    words = [line[:5] for line in seen if line[5]]
    for events in rounds:
        if all(number is None for number, _ in events):
            continue
        walked, words = words[:walk], words[walk:]
        for group, (*addresses, accumulator, even, odd) in enumerate(walked):
            assert accumulator == first + group
            for address, found, (number, delta) in zip(addresses, (even, odd), events, strict=True):
                assert found == (0 if number is None else delta)
                if number is not None:
                    assert address == base + group * stride + number // 2 & 0xFFFF
    assert not words
    assert all(not any(line) for line in seen if not line[5]), "an address while nothing is walked"
