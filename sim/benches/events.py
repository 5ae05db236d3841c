"""The event lists against Python lists."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from sim.benches import data
from sim.benches.wires import start


class Bench:
    """The state memory behind the list, and a walker that takes events when it likes.

    It has both streams' events at the same time, as the real one.
    """

    def __init__(self, dut, rng):
        self.dut, self.rng = dut, rng
        self.states = [0] * 256
        self.taken: list[list[tuple[int, int]]] = [[], []]
        self.patience = 1.0
        cocotb.start_soon(self._memory())
        cocotb.start_soon(self._take())

    async def _memory(self):
        while True:
            await RisingEdge(self.dut.clk)
            if self.dut.state_hold.value == 0:
                self.dut.state_data.value = self.states[int(self.dut.state_address.value)]

    async def _take(self):
        shape = data()["event"]
        streams = [
            [getattr(self.dut, f"{name}_events__{wire}") for wire in ("valid", "ready", "payload")]
            for name in ("even", "odd")
        ]
        while True:
            await RisingEdge(self.dut.clk)
            ready = int(self.rng.random() < self.patience)
            for parity, (valid, is_ready, payload) in enumerate(streams):
                if valid.value == 1 and is_ready.value == 1:
                    event = int(payload.value)
                    half = event >> shape["source"][0] & (1 << shape["source"][1]) - 1
                    delta = event >> shape["delta"][0] & (1 << shape["delta"][1]) - 1
                    if delta >> shape["delta"][1] - 1:
                        delta -= 1 << shape["delta"][1]
                    self.taken[parity].append((2 * half + parity, delta))
                is_ready.value = ready

    async def strobe(self, name, **values):
        for key, value in values.items():
            getattr(self.dut, key).value = value
        getattr(self.dut, name).value = 1
        await RisingEdge(self.dut.clk)
        getattr(self.dut, name).value = 0

    async def drain(self, **values):
        self.taken = [[], []]
        await self.strobe("drain", **values)
        await self.rest()
        return self.taken

    async def rest(self):
        """Wait for the last event."""
        await RisingEdge(self.dut.clk)
        for _ in range(5000):
            await RisingEdge(self.dut.clk)
            if self.dut.busy.value == 0:
                return
        raise AssertionError("the list is still busy")


def by_parity(events):
    """Return the events of even and of odd units, each in order."""
    return [[event for event in events if event[0] % 2 == parity] for parity in range(2)]


async def begin(dut):
    rng = random.Random(data()["seed"])
    await start(
        dut, append=0, entry=0, clear=0, drain=0, replay=0, units=0, state_base=0, state_data=0,
        even_events__ready=0, odd_events__ready=0, odd=0, more=0,
    )  # fmt: skip
    await RisingEdge(dut.clk)
    return Bench(dut, rng), rng


@cocotb.test()
async def entries_become_events_in_order(dut):
    """Units are appended, at some time while they are the lists begin to be drained."""
    bench, rng = await begin(dut)
    for count in (0, 1, 2, 3, 40, 256):
        for bench.patience in (1.0, 0.4):
            await bench.strobe("clear")
            await RisingEdge(dut.clk)
            assert dut.empty.value == 1
            units = sorted(rng.sample(range(256), count))
            expected = [(unit, rng.choice([-254, 254, 1, -1])) for unit in units]
            early = rng.randint(0, count)
            bench.taken = [[], []]
            for number, (unit, delta) in enumerate([*expected, (0, 0)]):
                if number == early:
                    dut.more.value = int(number < count)
                    await bench.strobe("drain", replay=0, state_base=rng.randrange(256))
                if number == count:
                    break
                entry = 0
                for name, value in (("half_unit", unit // 2), ("delta", delta)):
                    low, width = data()["entry"][name]
                    entry |= (value & (1 << width) - 1) << low
                await bench.strobe("append", entry=entry, odd=unit % 2)
                if rng.random() < 0.3:
                    await ClockCycles(dut.clk, rng.choice([2, 9]))
            await RisingEdge(dut.clk)
            dut.more.value = 0
            await bench.rest()
            assert bench.taken == by_parity(expected)


@cocotb.test()
async def replay_offers_every_state_that_is_not_zero(dut):
    bench, rng = await begin(dut)
    for units in (1, 7, 256):
        for bench.patience in (1.0, 0.5):
            base = rng.randrange(256 - units + 1)
            values = [rng.choice([0, 0, rng.randint(-127, 127)]) for _ in range(256)]
            bench.states = [value & 0xFF for value in values]
            layer = range(base, base + units)
            expected = [(unit, values[unit]) for unit in layer if values[unit]]
            await bench.strobe("clear")
            await RisingEdge(dut.clk)
            assert dut.empty.value == 1
            taken = await bench.drain(state_base=base, replay=1, units=units)
            assert taken == by_parity(expected)
