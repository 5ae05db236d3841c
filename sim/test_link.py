"""The link alone, through its UART pins."""

import pytest
from amaranth.hdl import Const

from hdl.core.parameters import EngineParameters
from hdl.core.signatures import CommandLayout, Operation
from hdl.link.link import Link
from sim.runner import run_bench


@pytest.mark.parametrize("divisor, errors", [(16, [-0.025, 0.025]), (4, [0.0])])
def test_link_over_its_pins(simulator, divisor, errors):
    operation = CommandLayout["op"]
    run_bench(
        Link(EngineParameters(lanes=16), clock_hz=divisor * 1_000_000, baud=1_000_000),
        "sim.benches.link",
        simulator,
        name=f"link-{divisor}",
        data={
            "divisor": divisor,
            "errors": errors,
            "operation": [operation.offset, operation.width],
            "tally": Const.cast(Operation.TALLY).value,
        },
    )
