"""The gate unit against the numeric contract, written here once more in plain Python."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from models.spec import FRACTION_BITS
from sim.benches import data
from sim.benches.wires import start


def clip(value, low, high):
    return max(low, min(value, high))


def gate(inhibition, candidate, h, limit, theta):
    """Return the new state."""
    z = clip(inhibition >> FRACTION_BITS, 0, 2 * limit + 1)
    c = clip(candidate >> FRACTION_BITS, -limit, limit)
    distance = c - h
    shrunk = max(abs(distance) - theta, 0) * (1 if distance >= 0 else -1)
    return h + clip(shrunk, -z, z)


@cocotb.test()
async def new_states_follow_the_contract(dut):
    """Units are [inhibition, candidate, h]; they come every second cycle, or with gaps."""
    limit, theta, units = data()["limit"], data()["theta"], data()["units"]
    await start(dut, valid=0, inhibition=0, candidate=0, state=0, limit=limit, minus_theta=-theta)
    results = []

    async def states():
        waiting = iter(units)
        while True:
            await RisingEdge(dut.clk)
            if dut.fetch.value == 1:
                dut.state.value = next(waiting)[2]
            else:
                dut.state.value = random.randint(-limit, limit)

    async def collect():
        while True:
            await RisingEdge(dut.clk)
            if dut.done.value == 1:
                results.append(
                    (
                        dut.delta.value.to_signed(),
                        dut.new_state.value.to_signed(),
                        int(dut.changed.value),
                    )
                )

    cocotb.start_soon(states())
    cocotb.start_soon(collect())
    await RisingEdge(dut.clk)
    for inhibition, candidate, _ in units:
        dut.valid.value = 1
        dut.inhibition.value = inhibition
        dut.candidate.value = candidate
        await RisingEdge(dut.clk)
        dut.valid.value = 0
        await ClockCycles(dut.clk, 1 if random.random() < 0.95 else random.randint(2, 9))
    await ClockCycles(dut.clk, 12)
    assert len(results) == len(units)
    for unit, (delta, new, changed) in zip(units, results, strict=True):
        inhibition, candidate, h = unit
        expected = gate(inhibition, candidate, h, limit, theta)
        due = (expected - h, expected, int(expected != h))
        assert (delta, new, changed) == due, f"{unit}, M = {limit}"
        assert -limit <= expected <= limit
