"""The store image: what the engine's parts take for granted about its layout."""

import zlib

import numpy as np
import pytest

from models.image import MAGIC, NEXT_IS_LAST, NOT_STORED, compile_image
from models.layout import (
    HEADER_WORDS,
    INPUT_RECORD_WORDS,
    LAYER_RECORD_WORDS,
    MIN_WALK,
    READOUT_RECORD_WORDS,
    Capacity,
    ImageError,
    check_capacity,
    plan_layout,
)
from models.random_networks import random_network
from models.spec import FRACTION_BITS

NETWORK = random_network(0, inputs=5, units=(17, 9), outputs=7, planes=2)


@pytest.mark.parametrize("lanes", [10, 13, 0])
def test_odd_or_too_few_lanes_are_refused(lanes):
    with pytest.raises(ImageError, match=f"an even number of at least 12, not {lanes}"):
        plan_layout(NETWORK, lanes)


@pytest.mark.parametrize("lanes", [12, 16, 22])
def test_weights_lie_group_major_in_the_lane_of_their_row(lanes):
    """Row r of plane j from source i: lane r mod P of word base + (j G + r div P) sources + i."""
    image = compile_image(NETWORK, lanes)
    layers = NETWORK.layers
    edges = [layer.edge for layer in image.layout.layers]

    def weight(edge, first_group, row, source):
        word = image.words[edge.base + (first_group + row // lanes) * edge.sources + source]
        code = word >> 2 * (row % lanes) & 3
        return {0: 0, 1: 1, 3: -1}[code]

    def check(matrix, edge, group, units=None):
        planes, rows, sources = matrix.shape
        groups = -(-rows // lanes)
        for plane, row, source in np.ndindex(planes, rows, sources):
            # z and c of a unit lie side by side; the readout's rows stay in order.
            place = row if units is None else 2 * (row % units) + row // units
            found = weight(edge, group + plane * groups, place, source)
            assert found == matrix[plane, row, source]
        return group + planes * groups

    # The inputs' words lie in reverse.
    check(layers[0].W[:, :, ::-1], image.layout.inputs, 0, 17)
    behind = check(layers[0].U, edges[0], 0, 17)
    assert check(layers[1].W, edges[0], behind, 9) == edges[0].words
    behind = check(layers[1].U, edges[1], 0, 9)
    assert check(NETWORK.readout.R, edges[1], behind) == edges[1].words


def test_accumulators_of_a_block_are_neighbours():
    """One walk serves U and what lies above it, one stride serves a pass."""
    layout = plan_layout(NETWORK, 12)
    first, second = layout.layers
    assert (layout.inputs.accumulator, first.accumulator) == (0, 0)
    for layer in layout.layers:
        assert layer.edge.accumulator == layer.accumulator + 2 * layer.groups
    assert second.accumulator == first.accumulator + first.slots * first.groups
    assert layout.readout_accumulator == second.accumulator + second.slots * second.groups
    assert layout.accumulator_words == layout.readout_accumulator + 2 * layout.readout_groups


def test_short_input_edge_is_padded_with_zero_words():
    image = compile_image(random_network(0, inputs=3, units=(4,), density=1.0), 16)
    edge = image.layout.inputs
    assert edge.words == MIN_WALK
    assert not any(image.words[edge.base + 3 : edge.base + 6])
    assert image.words[HEADER_WORDS : HEADER_WORDS + INPUT_RECORD_WORDS] == (
        edge.accumulator | (edge.accumulator + MIN_WALK - 2) << 7 | 1 << NEXT_IS_LAST,
        edge.base - 1,
    )


def test_every_walk_is_long_enough():
    for seed in range(20):
        layout = plan_layout(random_network(seed, inputs=1, units=(1,) * (1 + seed % 4)), 16)
        for edge in (layout.inputs, *(layer.edge for layer in layout.layers)):
            assert edge.words >= MIN_WALK


def test_header_names_format_and_fraction_bits():
    words = compile_image(NETWORK, 16).words
    assert words[0] == MAGIC == 0xAD10 + FRACTION_BITS
    assert words[2:4] == (7, 5)
    assert words[5] == len(words)


@pytest.mark.parametrize("lanes, size", [(12, 3), (14, 4), (16, 4), (18, 5)])
def test_crc_covers_the_words_as_they_travel(lanes, size):
    image = compile_image(NETWORK, lanes)
    data = image.to_bytes()
    assert image.word_bytes == size
    assert len(data) == size * len(image.words)
    assert int.from_bytes(data[:size], "little") == MAGIC
    assert image.crc32 == zlib.crc32(data)


@pytest.mark.parametrize(
    "room, message",
    [
        ({"store_words": 100}, r"\d+ words of weight store \(there are 100\)"),
        ({"accumulator_words": 8}, r"\d+ accumulators in each lane \(there are 8\)"),
        ({"state_units": 25}, r"26 hidden units in all \(there are 25\)"),
        ({"layer_units": 16}, r"17 hidden units in a layer \(there are 16\)"),
        ({"input_size": 4}, r"5 inputs \(there are 4\)"),
        ({"outputs": 6}, r"7 outputs \(there are 6\)"),
    ],
)
def test_network_that_does_not_fit_says_what_is_short(room, message):
    check_capacity(NETWORK, Capacity(lanes=16, store_words=4096))
    with pytest.raises(ImageError, match=f"'random-0' does not fit .* 16 lanes: .*{message}"):
        check_capacity(NETWORK, Capacity(**{"lanes": 16, "store_words": 4096, **room}))


def test_records_mark_their_ends():
    image = compile_image(random_network(3, inputs=5, units=(6, 4), outputs=7), 16)
    layout = image.layout
    for start, length in (
        (0, HEADER_WORDS),
        (HEADER_WORDS, INPUT_RECORD_WORDS),
        *((place.record, LAYER_RECORD_WORDS) for place in layout.layers),
        (layout.readout_record, READOUT_RECORD_WORDS),
    ):
        marks = [word >> NEXT_IS_LAST & 1 for word in image.words[start : start + length]]
        assert marks == [0] * (length - 2) + [1, 0]
    for place in layout.layers:
        record = image.words[place.record : place.record + LAYER_RECORD_WORDS]
        assert [word >> NOT_STORED & 1 for word in record] == [0] * (LAYER_RECORD_WORDS - 1) + [1]
