"""The tally: what each cycle went to, added to the counters without losing one."""

import random

import pytest

from hdl.core.readout import COUNTER_WORDS
from hdl.core.sequencer import Sequencer
from hdl.core.tally import COUNT_BITS, FULL_BIT, HALVES, PLACES, Tally
from tests.hdl.link.bench import simulate, wait

NAMES = ("cycles", "adding", "starved", "reading", "idle")


async def collect(ctx, dut):
    """Return what each counter grows by, and leave the counts at zero."""
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    halves = []
    while ctx.get(dut.pending):
        if ctx.get(dut.valid):
            halves.append(ctx.get(dut.data))
        await ctx.tick()
    assert len(halves) == HALVES == 4 * COUNTER_WORDS
    taken = {4 * place for place in PLACES.values()}
    assert not any(half for at, half in enumerate(halves) if at not in taken)
    return {name: halves[4 * place] for name, place in PLACES.items()}


@pytest.mark.parametrize("seed", range(3))
def test_every_cycle_is_counted_once(seed):
    rng = random.Random(seed)
    dut = Tally()

    async def drive(ctx):
        for _ in range(3):
            expected = dict.fromkeys(PLACES, 0)
            for _ in range(200):
                for name in NAMES:
                    now = rng.getrandbits(1)
                    ctx.set(getattr(dut, name), now)
                    expected[name] += now
                events = rng.getrandbits(2)
                ctx.set(dut.even_event, events & 1)
                ctx.set(dut.odd_event, events >> 1)
                expected["events"] += events.bit_count()
                await ctx.tick()
            for name in (*NAMES, "even_event", "odd_event"):
                ctx.set(getattr(dut, name), 0)
            assert await collect(ctx, dut) == expected

    simulate(dut, drive)


@pytest.mark.parametrize("name", NAMES)
def test_a_count_asks_to_be_added_while_a_long_command_still_fits(name):
    dut = Tally()

    async def drive(ctx):
        ctx.set(getattr(dut, name), 1)
        await wait(ctx, (1 << FULL_BIT) - 1)
        assert not ctx.get(dut.full)
        await wait(ctx, 2)
        assert ctx.get(dut.full)
        ctx.set(getattr(dut, name), 0)
        assert (await collect(ctx, dut))[name] == (1 << FULL_BIT) + 1
        await wait(ctx, 2)
        assert not ctx.get(dut.full)

    simulate(dut, drive)


def test_waiting_for_an_input_for_ever_counts_no_further_than_it_can():
    dut = Tally()

    async def drive(ctx):
        ctx.set(dut.starved, 1)
        await wait(ctx, (1 << COUNT_BITS) + 5)
        ctx.set(dut.starved, 0)
        assert (await collect(ctx, dut))["starved"] == 3 << FULL_BIT

    simulate(dut, drive)


def test_counts_are_added_only_while_nobody_looks_or_a_command_waits():
    """An answer may stand still in the middle of a score; the memory must not change its output."""
    dut = Sequencer()

    async def drive(ctx):
        await wait(ctx, 5)
        ctx.set(dut.tally_full, 1)
        for _ in range(20):
            await ctx.tick()
            assert not ctx.get(dut.busy) and not ctx.get(dut.tally_start)
        for reason in (dut.quiet, dut.command.valid):
            ctx.set(reason, 1)
            assert not ctx.get(dut.command.ready)
            await ctx.tick()
            assert ctx.get(dut.tally_start) and ctx.get(dut.busy)
            ctx.set(reason, 0)
            ctx.set(dut.tally_full, 0)
            await wait(ctx, 3)
            assert not ctx.get(dut.busy)
            ctx.set(dut.tally_full, 1)

    simulate(dut, drive)
