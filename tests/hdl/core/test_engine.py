"""The engine in Amaranth's own simulator: small networks, any number of lanes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdl.core.parameters import EngineParameters
from models.image import compile_image
from models.random_networks import random_inputs, random_network
from models.word_format import WordFormat
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


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    form=st.sampled_from([(WordFormat(1), 12), (WordFormat(1), 24), (WordFormat(2, True), 20),
                          (WordFormat(2, True), 16), (WordFormat(1, True), 20)]),
    inputs=st.integers(1, 20),
    units=st.lists(st.integers(1, 14), min_size=1, max_size=4),
    outputs=st.integers(1, 14),
    mode=st.sampled_from(["last", "sum", "every"]),
    planes=st.integers(1, 4),
    gaps=st.sampled_from([0.0, 0.3]),
)  # fmt: skip
def test_engine_of_another_word_format_equals_golden_and_cycle_model(
    seed, form, mode, gaps, **sizes
):
    network = random_network(seed, mode=mode, shifts=(0, 7), bias=32768, **sizes)
    word_format, lanes = form
    script = EngineScript(lanes, seed, gaps, word_format)
    script.load(network, check=True)
    x = random_inputs(seed, network, 1, 3)[0]
    x[1] = x[0]
    script.sequence(x)
    script.restore(script.state)
    script.sequence(x[:1], reset=False)
    play(script)


def test_image_for_another_word_format_is_no_network():
    network = random_network(3, inputs=3, units=[4], outputs=2)
    script = EngineScript(20, word_format=WordFormat(packed=True))
    script.load(network)
    [good] = script.operations
    wrong = []
    for form in (WordFormat(2), WordFormat(1), WordFormat(1, True)):
        words = list(compile_image(network, 20, form).words)
        wrong.append({**good, "words": words, "header": {"network_valid": 0}})
    script.operations = [*wrong, good]
    script.sequence(random_inputs(3, network, 1, 3)[0])
    bits = EngineParameters(lanes=20, packed=True).word_bits
    for operation in wrong:
        operation["words"] = [word & (1 << bits) - 1 for word in operation["words"]]
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


@pytest.mark.parametrize("lanes", [-12, 0, 8, 13, 14, 18, 256])
def test_engine_of_too_few_lanes_or_of_no_multiple_of_four_is_refused(lanes):
    with pytest.raises(
        ValueError, match=f"lanes must be a multiple of 4 from 12 to 252, not {lanes}$"
    ):
        EngineParameters(lanes=lanes)


def test_image_for_another_word_format_is_refused():
    image = compile_image(random_network(3, inputs=3, units=[4], outputs=2), 20)
    with pytest.raises(
        ValueError,
        match="'image' is laid out for two bits a weight, 2 events a cycle, "
        "not five weights in a byte, 2 events a cycle",
    ):
        EngineParameters(lanes=20, packed=True, image=image)


def test_three_events_a_cycle_are_refused():
    with pytest.raises(ValueError, match="'events' must be 1 or 2 a cycle, not 3"):
        EngineParameters(events=3)
