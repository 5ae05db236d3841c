"""The lanes against a table of numbers."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from sim.benches import data
from sim.benches.wires import start

VALUES = ("low_even", "low_odd", "high_even", "high_odd")


class Driver:
    """Sets the lanes' control, the weights one cycle later; takes the values four later.

    The weights may come later than that, and the values sooner or later, as the word format says.
    """

    def __init__(self, dut, lanes, fields):
        self.dut, self.lanes, self.fields = dut, lanes, fields
        self.late_weights = [0] * data()["weights_after"]
        self.expected = [None] * data()["values_after"]
        self.written: tuple[int, ...] = ()

    async def cycle(self, low=0, high=None, deltas=(0, 0), weights=0, **rest):
        """One cycle: `expect` is what this cycle's control should bring."""
        addresses = (low, low if high is None else high)
        bits = {name: rest.get(name, False) for name in ("read", "write", "clear")}
        if any(a in self.written for a in addresses) and (bits["write"] or bits["read"]):
            # The lanes' assumption: nobody reads what is being written.
            self.written = ()
            await self.cycle()
        self.written = addresses if bits["write"] else ()
        control = 0
        named = {"low_address": addresses[0], "high_address": addresses[1], **bits}
        for name, (start_bit, width) in self.fields.items():
            control |= (int(named[name]) & ((1 << width) - 1)) << start_bit
        self.dut.control.value = control
        for name, delta in zip(("even_delta", "odd_delta"), deltas, strict=False):
            if hasattr(self.dut, name):
                getattr(self.dut, name).value = delta
        self.dut.select.value = rest.get("select", 0)
        self.late_weights.append(weights)
        self.dut.weights.value = self.late_weights.pop(0)
        await RisingEdge(self.dut.clk)
        due = self.expected.pop(0)
        self.expected.append(rest.get("expect"))
        if due is not None:
            got = tuple(getattr(self.dut, name).value.to_signed() for name in VALUES)
            assert got == due, f"expected {due}, found {got}"


@cocotb.test()
async def accumulators_follow_the_events(dut):
    lanes, words = data()["lanes"], data()["words"]
    rng = random.Random(data()["seed"])
    events_a_cycle = data()["events"]
    none = dict.fromkeys(("even_delta", "odd_delta")[:events_a_cycle], 0)
    await start(dut, control=0, **none, weights=0, select=0)
    await RisingEdge(dut.clk)
    driver = Driver(dut, lanes, data()["fields"])
    table = [[0] * words for _ in range(lanes)]

    async def clear():
        for address in range(words):
            await driver.cycle(address, write=True, clear=True)
        for lane in table:
            lane[:] = [0] * words

    async def events(deltas, first, count, choices):
        """An even and an odd source's event, or one event, over the same words."""
        for address in range(first, first + count):
            word = 0
            for half, delta in enumerate(deltas[:events_a_cycle]):
                for lane in range(lanes):
                    weight = rng.choice(choices)
                    word |= weight << 2 * (half * lanes + lane)
                    table[lane][address] += {0: 0, 1: delta, 3: -delta}[weight]
            await driver.cycle(address, deltas=deltas, weights=word, write=True)

    async def check():
        """A pair of lanes in each half, at an address for each half."""
        await driver.cycle()
        await driver.cycle()
        for _ in range(60):
            pair = rng.randrange(lanes // 4)
            low, high = rng.randrange(words), rng.randrange(words)
            first = (2 * pair, lanes // 2 + 2 * pair)
            expect = tuple(
                table[lane + row][address]
                for lane, address in zip(first, (low, high), strict=True)
                for row in range(2)
            )
            await driver.cycle(low, high, select=pair, expect=expect, read=True)
        for _ in range(6):
            await driver.cycle()

    for _ in range(2):
        await clear()
        await check()
        for _ in range(150):
            first = rng.randrange(words - 2)
            deltas = [rng.choice([rng.randint(-254, 254), -254, 254, 0]) for _ in range(2)]
            await events(
                deltas,
                first,
                rng.randint(2, words - first),
                rng.choice([[0, 1, 3], [1], [3], [0]]),
            )
            if rng.random() < 0.1:
                await driver.cycle()
        await check()
    # The largest sums that a network can make fit: 257 sources of 127.
    for weight in (1, 3):
        await clear()
        for _ in range(256 // events_a_cycle):
            await events((127, 127), 0, 2, [weight])
        await events((127, 0), 0, 2, [weight])
        await check()
