"""The walker: which words of the store it asks for, half by half, and where they go."""

import random

import pytest

from hdl.core.walker import Walker
from tests.hdl.link.bench import simulate, wait


@pytest.mark.parametrize("sources", [1, 2, 7, 8, 256, 257])
def test_even_and_odd_events_are_walked_together_each_at_its_own_address(sources):
    """Word g of source s is at base + g (n div 2 + 1) + s div 2; what is alone has no partner."""
    rng = random.Random(sources)
    first, walk, stride = rng.randrange(100), rng.randint(2, 6), sources // 2 + 1
    # A base is less than nothing where a layer's first unit has a high number.
    base = rng.choice([-3, 0, 4711]) & 0xFFFF
    evens, odds = range(0, sources, 2), range(1, sources, 2)
    dut = Walker()
    streams = (dut.even, dut.odd)
    rounds = []
    for _ in range(20):
        drawn = [rng.choice([None, *kind]) for kind in (evens, odds)]
        rounds.append([(number, rng.randint(-254, 254)) for number in drawn])
    seen = []

    async def drive(ctx):
        ctx.set(dut.edge.base, base)
        ctx.set(dut.first, first)
        ctx.set(dut.edge.before_last, first + walk - 2)
        ctx.set(dut.half_sources, sources // 2)
        await wait(ctx, 2)
        for events in rounds:
            for events_in, (number, delta) in zip(streams, events, strict=True):
                ctx.set(events_in.valid, number is not None)
                # What is not valid means nothing.
                ctx.set(events_in.payload.source, 99 if number is None else number // 2)
                ctx.set(events_in.payload.delta, delta)
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
