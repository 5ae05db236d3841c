"""An assertion of the hardware description that fails ends the simulation and fails the test."""

import pytest
from amaranth.hdl import Assert, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim.runner import BenchFailure, run_bench


class Counter(wiring.Component):
    """Says that it never reaches nine."""

    def __init__(self):
        super().__init__({"enable": In(1), "count": Out(8)})

    def elaborate(self, platform):
        m = Module()
        odd = Signal()
        m.d.comb += odd.eq(self.count[0])
        m.d.sync += [
            self.count.eq(self.count + self.enable),
            Assert(self.count != 9, "the counter is at nine"),
            Assert(odd == self.count[0], "logic whose inputs stand still is unknown"),
        ]
        return m


def run(simulator, cycles):
    run_bench(
        Counter(),
        "sim.benches.assertions",
        simulator,
        name="counter",
        case=f"assertions-{cycles}",
        data={"cycles": cycles},
    )


def test_assertions_that_hold_are_quiet(simulator):
    run(simulator, 8)


def test_failed_assertion_fails_the_test(simulator):
    with pytest.raises(BenchFailure, match="the counter is at nine"):
        run(simulator, 30)
