"""The pass over rows, alone: raw sums and parameters in, sums of pairs out."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from sim.benches import data
from sim.benches.wires import start


def pack(fields, values):
    """Return a packed structure."""
    word = 0
    for name, value in values.items():
        low, width = fields[name]
        word |= (int(value) & (1 << width) - 1) << low
    return word


@cocotb.test()
async def sums_of_pairs(dut):
    """Each pair is bias + sum of (raw sum << shift) over its planes, bit for bit."""
    lanes, rng = data()["lanes"], random.Random(data()["seed"])
    words = 64
    table = [[0] * words for _ in range(lanes)]
    parameters: list[int] = []
    finished = []
    await start(dut, start=0, config=0, parameter=0, even_value=0, odd_value=0)

    async def store():
        while True:
            await RisingEdge(dut.clk)
            if dut.advance.value == 1:
                dut.parameter.value = parameters.pop(0)

    async def accumulators():
        """Values come three cycles after their address."""
        late = [(0, 0), (0, 0)]
        while True:
            await RisingEdge(dut.clk)
            address, pair = int(dut.accumulator.value), int(dut.select.value)
            late.append((table[2 * pair][address % words], table[2 * pair + 1][address % words]))
            dut.even_value.value, dut.odd_value.value = late.pop(0)

    async def collect():
        while True:
            await RisingEdge(dut.clk)
            if dut.complete.value == 1:
                finished.append((dut.even_sum.value.to_signed(), dut.odd_sum.value.to_signed()))

    for process in (store(), accumulators(), collect()):
        cocotb.start_soon(process)
    await RisingEdge(dut.clk)
    for units, planes in [
        (1, 1),
        (lanes // 2, 1),
        (3 * lanes // 2 + 1, 1),
        (9, 2),
        (20, 4),
        (5, 8),
    ]:
        groups = -(-2 * units // lanes)
        base = rng.randrange(words - planes * groups + 1)
        for lane in table:
            lane[:] = [rng.choice([rng.randint(-300, 300), -32639, 32639]) for _ in range(words)]
        slots = max(planes, 2)
        expected = []
        for unit in range(units):
            biases = [rng.randint(-32768, 32767) for _ in range(2)]
            sums = list(biases)
            group, pair = divmod(unit, lanes // 2)
            for slot in range(slots):
                used = slot < planes
                # Keep within 24 bits, as an exported network does.
                most = 7 if planes == 1 else 4
                shifts = [rng.randint(0, most) for _ in range(2)]
                if used:
                    address = base + slot * groups + group
                    for row in range(2):
                        sums[row] += table[2 * pair + row][address] << shifts[row]
                parameters.append(
                    pack(
                        data()["parameter"],
                        {
                            "bias": biases[slot] if slot < 2 else rng.getrandbits(16),
                            "even_shift": shifts[0],
                            "odd_shift": shifts[1],
                            "add": used,
                            "complete": slot == max(planes, 1) - 1,
                        },
                    )
                )
            expected.append(tuple(sums))
        dut.config.value = pack(
            data()["config"],
            {"units": units, "last_slot": slots - 1, "accumulator": base, "groups": groups},
        )
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        await ClockCycles(dut.clk, units * slots + 12)
        assert dut.busy.value == 0
        assert finished == expected, f"{units} units, {planes} planes"
        finished.clear()
