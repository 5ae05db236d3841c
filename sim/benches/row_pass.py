"""The pass over rows, alone: raw sums and parameters in, sums of pairs out."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from models.layout import PARAMETER_LAG
from sim.benches import data
from sim.benches.wires import start


def pack(fields, values):
    """Return a packed structure."""
    word = 0
    for name, value in values.items():
        low, width = fields[name]
        word |= (int(value) & (1 << width) - 1) << low
    return word


def words_of(slots):
    """Return the parameter words of slots, (shifts and halves added, biases and flags) each."""
    words = [dict(early) for early, _ in slots] + [{} for _ in range(PARAMETER_LAG)]
    for word, (_, late) in zip(words[PARAMETER_LAG:], slots, strict=True):
        word.update(late)
    return [pack(data()["parameter"], word) for word in words]


@cocotb.test()
async def sums_of_pairs(dut):
    """Each pair is bias + sum of (raw sum << shift) over its planes, bit for bit."""
    lanes, rng = data()["lanes"], random.Random(data()["seed"])
    words = 64
    table = [[0] * words for _ in range(lanes)]
    parameters: list[int] = []
    finished = []
    sums_in = ("low_even", "low_odd", "high_even", "high_odd")
    await start(dut, start=0, config=0, parameter=0, **dict.fromkeys(sums_in, 0))

    async def store():
        """A word is addressed in the cycle after it was asked for, and comes in the next one."""
        addressed = False
        while True:
            await RisingEdge(dut.clk)
            if addressed:
                dut.parameter.value = parameters.pop(0)
            addressed = dut.advance.value == 1

    async def accumulators():
        """Values come four cycles after their addresses, or as the word format says."""
        late: list[tuple[int, ...]] = [(0, 0, 0, 0)] * (data()["values_after"] - 1)
        while True:
            await RisingEdge(dut.clk)
            low, high = int(dut.low_accumulator.value), int(dut.high_accumulator.value)
            lane = 2 * int(dut.select.value)
            late.append(
                tuple(
                    table[first + row][address % words]
                    for first, address in ((lane, low), (lane + lanes // 2, high))
                    for row in range(2)
                )
            )
            for name, value in zip(sums_in, late.pop(0), strict=True):
                getattr(dut, name).value = value

    async def collect():
        while True:
            await RisingEdge(dut.clk)
            if dut.complete.value == 1:
                finished.append((dut.even_sum.value.to_signed(), dut.odd_sum.value.to_signed()))

    for process in (store(), accumulators(), collect()):
        cocotb.start_soon(process)
    await RisingEdge(dut.clk)
    for units, planes in [
        (1, (1, 1)),
        (lanes // 4, (1, 1)),
        (lanes // 2, (1, 1)),
        (3 * lanes // 2 + 1, (1, 1)),
        (9, (2, 1)),
        (9, (1, 3)),
        (20, (4, 4)),
    ]:
        groups = -(-2 * units // lanes)
        slots = max(planes)
        bases = [rng.randrange(words - slots * groups + 1) for _ in range(2)]
        for lane in table:
            lane[:] = [rng.choice([rng.randint(-300, 300), -32639, 32639]) for _ in range(words)]
        # Keep within 24 bits, as an exported network does.
        most = 6 if slots == 1 else 4
        expected, made = [], []
        for unit in range(units):
            biases = [rng.randint(-32768, 32767) for _ in range(2)]
            sums = list(biases)
            group, pair = divmod(unit, lanes // 2)
            for slot in range(slots):
                early = {}
                for kind in range(2):  # the inputs' sums, the states' half the lanes further on
                    lane = (2 * pair + kind * lanes // 2) % lanes
                    half = "low" if lane < lanes // 2 else "high"
                    used = slot < planes[kind]
                    early[f"{half}_add"] = int(used)
                    shifts = [rng.randint(0, most) for _ in range(2)]
                    early[f"{half}_even_shift"], early[f"{half}_odd_shift"] = shifts
                    if used:
                        address = bases[kind] + slot * groups + group
                        for row in range(2):
                            sums[row] += table[lane + row][address] << shifts[row]
                first = slot == 0
                late = {
                    "even_bias": biases[0] if first else rng.getrandbits(16),
                    "odd_bias": biases[1] if first else rng.getrandbits(16),
                    "add": 1,
                    "complete": slot == slots - 1,
                }
                made.append((early, late))
            expected.append(tuple(sums))
        parameters[:] = words_of(made)
        config = {
            "units": units,
            "last_slot": slots - 1,
            "accumulator": bases[0],
            "groups": groups,
            "state_accumulator": bases[1],
        }
        dut.config.value = pack(data()["config"], config)
        dut.start.value = 1
        await RisingEdge(dut.clk)
        dut.start.value = 0
        await ClockCycles(dut.clk, units * slots + 1)
        assert dut.busy.value == 0
        # The next pass may have been read by now.
        dut.config.value = rng.getrandbits(len(dut.config))
        await ClockCycles(dut.clk, 11)
        assert dut.pending.value == 0
        assert finished == expected, f"{units} units, {planes} planes"
        assert not parameters, f"{len(parameters)} parameter words were not read"
        finished.clear()
