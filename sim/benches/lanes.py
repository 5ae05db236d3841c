"""The lanes against a table of numbers."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from sim.benches import data
from sim.benches.wires import start


class Driver:
    """Sets the lanes' control, the weights one cycle later; takes the values three later."""

    def __init__(self, dut, lanes, fields):
        self.dut, self.lanes, self.fields = dut, lanes, fields
        self.late_weights = 0
        self.expected = [None, None, None]
        self.written = None

    async def cycle(self, address=0, delta=0, weights=0, select=0, expect=None, **bits):
        """One cycle: `expect` is the pair that this cycle's control should bring."""
        if address == self.written and (bits.get("write") or bits.get("read")):
            # The lanes' assumption: nobody reads what is being written.
            self.written = None
            await self.cycle()
        self.written = address if bits.get("write") else None
        control = 0
        for name, (start_bit, width) in self.fields.items():
            value = address if name == "address" else int(bits.get(name, False))
            control |= (value & ((1 << width) - 1)) << start_bit
        self.dut.control.value = control
        self.dut.delta.value = delta
        self.dut.select.value = select
        self.dut.weights.value = self.late_weights
        self.late_weights = weights
        await RisingEdge(self.dut.clk)
        due = self.expected.pop(0)
        self.expected.append(expect)
        if due is not None:
            got = (self.dut.even.value.to_signed(), self.dut.odd.value.to_signed())
            assert got == due, f"expected {due}, found {got}"


@cocotb.test()
async def accumulators_follow_the_events(dut):
    lanes, words = data()["lanes"], data()["words"]
    rng = random.Random(data()["seed"])
    await start(dut, control=0, delta=0, weights=0, select=0)
    await RisingEdge(dut.clk)
    driver = Driver(dut, lanes, data()["fields"])
    table = [[0] * words for _ in range(lanes)]

    async def clear():
        for address in range(words):
            await driver.cycle(address, write=True, clear=True)
        for lane in table:
            lane[:] = [0] * words

    async def event(delta, first, count, choices):
        for address in range(first, first + count):
            word = 0
            for lane in range(lanes):
                weight = rng.choice(choices)
                word |= weight << 2 * lane
                table[lane][address] += {0: 0, 1: delta, 3: -delta}[weight]
            await driver.cycle(address, delta, word, write=True)

    async def check():
        await driver.cycle()
        await driver.cycle()
        for _ in range(60):
            address, pair = rng.randrange(words), rng.randrange(lanes // 2)
            expect = (table[2 * pair][address], table[2 * pair + 1][address])
            await driver.cycle(address, select=pair, expect=expect, read=True)
        for _ in range(4):
            await driver.cycle()

    for _ in range(2):
        await clear()
        await check()
        for _ in range(150):
            first = rng.randrange(words - 2)
            await event(
                rng.choice([rng.randint(-254, 254), -254, 254]),
                first,
                rng.randint(2, words - first),
                rng.choice([[0, 1, 3], [1], [3], [0]]),
            )
            if rng.random() < 0.1:
                await driver.cycle()
        await check()
    # The largest sums that a network can make fit: 257 sources of 127.
    await clear()
    for _ in range(257):
        await event(127, 0, 2, [1])
    await check()
    await clear()
    for _ in range(257):
        await event(127, 0, 2, [3])
    await check()
