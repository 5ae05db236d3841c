"""The engine in Amaranth's own simulator: small networks, any number of lanes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdl.core.parameters import EngineParameters
from models.random_networks import random_inputs, random_network
from sim.engine_script import EngineScript
from tests.hdl.core.play import play


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lanes=st.sampled_from([12, 16, 20, 24]),
    inputs=st.integers(1, 20),
    units=st.lists(st.integers(1, 14), min_size=1, max_size=4),
    outputs=st.integers(1, 14),
    hb=st.integers(3, 7),
    theta=st.integers(0, 6),
    mode=st.sampled_from(["last", "sum", "every"]),
    planes=st.integers(1, 4),
    gaps=st.sampled_from([0.0, 0.3]),
)
def test_engine_equals_golden_and_cycle_model(seed, lanes, mode, gaps, **sizes):
    network = random_network(seed, mode=mode, shifts=(0, 7), bias=32768, **sizes)
    script = EngineScript(lanes, seed, gaps)
    script.load(network)
    x = random_inputs(seed, network, 1, 3)[0]
    x[1] = x[0]
    script.sequence(x)
    script.restore(script.state)
    script.sequence(x[:1], reset=False)
    play(script)


def test_store_that_does_not_begin_with_the_format_is_no_network():
    network = random_network(3, inputs=3, units=[4], outputs=2)
    script = EngineScript(12)
    script.load(network, check=True)
    [good] = script.operations
    operations = [
        {
            **good,
            "words": [good["words"][0] ^ 1 << bit, *good["words"][1:]],
            "header": {"network_valid": 0},
            "crc32": None,
        }
        for bit in range(16)
    ]
    script.operations = [*operations, good]
    script.sequence(random_inputs(3, network, 1, 3)[0])
    play(script)


@pytest.mark.parametrize("lanes", [-12, 0, 8, 13, 14, 18])
def test_engine_of_too_few_lanes_or_of_no_multiple_of_four_is_refused(lanes):
    with pytest.raises(ValueError, match=f"'lanes' must be a multiple of 4 >= 12, not {lanes}$"):
        EngineParameters(lanes=lanes)
