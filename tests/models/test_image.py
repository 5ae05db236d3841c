"""The store image: what the engine's parts take for granted about its layout."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from models.image import MAGIC, compile_image
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
from models.trits import decode
from models.word_format import PLAIN, WordFormat

NETWORK = random_network(0, inputs=5, units=(17, 9), outputs=7, planes=2)


def with_fewer_planes(network):
    """Return it without the last plane of the first layer's U and of the second layer's W."""
    first, second = network.layers
    layers = (
        replace(first, U=first.U[:-1], U_shift=first.U_shift[:-1]),
        replace(second, W=second.W[:-1], W_shift=second.W_shift[:-1]),
    )
    below, above = network.spec.layers
    below = replace(below, recurrent_planes=below.recurrent_planes - 1)
    above = replace(above, input_planes=above.input_planes - 1)
    return replace(network, layers=layers, spec=replace(network.spec, layers=(below, above)))


#: Even and odd numbers of inputs, units and of the units below a layer; rows in several groups.
NETWORKS = {
    "odd": NETWORK,
    "even": random_network(1, inputs=6, units=(10, 8), outputs=14),
    "shifted": random_network(2, inputs=2, units=(5, 4, 3, 2), outputs=3, planes=2),
    "least": random_network(3, inputs=1, units=(1, 1, 1, 1), outputs=1),
    "uneven planes": with_fewer_planes(random_network(4, inputs=7, units=(7, 6), planes=3)),
}
EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
LANES = pytest.mark.parametrize("lanes", [12, 16, 20, 28])
FORMATS = pytest.mark.parametrize(
    "form",
    [PLAIN, WordFormat(events=1), WordFormat(packed=True), WordFormat(events=1, packed=True)],
    ids=lambda form: form.name,
)


@pytest.mark.parametrize("lanes", [-12, 0, 8, 10, 13, 14, 18, 256])
def test_too_few_lanes_and_fractions_of_four_are_refused(lanes):
    with pytest.raises(
        ImageError, match=f"lanes must be a multiple of 4 from 12 to 252, not {lanes}$"
    ):
        plan_layout(NETWORK, lanes)


def interleaved(matrix):
    """Return rows [planes, 2 H, ...] as z and c of unit 0, z and c of unit 1, and so on."""
    units = matrix.shape[1] // 2
    order = [row for unit in range(units) for row in (unit, units + unit)]
    return matrix[:, order]


def weights_of(word, lanes, form):
    """Return a word's weights [sources][lanes], read as docs/architecture.md says."""
    part = {1: max(48, form.weight_bits(lanes)), 2: form.weight_bits(lanes)}[form.events]
    assert word >> form.events * part == 0
    found = []
    for number in range(form.events):
        bits = word >> number * part & (1 << part) - 1
        if form.packed:
            codes = list(bits.to_bytes(-(-part // 8), "little"))
            assert not any(codes[-(-lanes // 5) :])
            weights = decode(codes).tolist()
            assert not any(weights[lanes:])
        else:
            assert bits >> 2 * lanes == 0
            weights = [{0: 0, 1: 1, 3: -1}[bits >> 2 * lane & 3] for lane in range(lanes)]
        found.append(weights[:lanes])
    return found


@EVERY
@LANES
@FORMATS
def test_every_weight_has_its_half_word_and_lane_and_all_else_is_zero(network, lanes, form):
    """Plane j, row r, source s of G groups: word base + (j G + r div P) (n div 2 + 1) + s div 2.

    Of one event a cycle: base + (j G + r div P) n + s. The bases are those that the records tell
    the engine.
    """
    image = compile_image(network, lanes, form)
    expected: dict[int, list[list[int]]] = {}
    taken = set()

    def put(base, sources, group, lane, number, weight):
        stride = sources // 2 + 1 if form.events == 2 else sources
        address = base + group * stride + number // form.events & 0xFFFF
        place = (address, number % form.events, lane)
        assert place not in taken, "two weights in one place"
        taken.add(place)
        word = expected.setdefault(address, [[0] * lanes for _ in range(form.events)])
        word[number % form.events][lane] = weight

    def put_all(base, matrix, first_group, turn, number_of):
        """Put rows where they belong; return the group behind them."""
        planes, rows, sources = matrix.shape
        groups = -(-rows // lanes)
        for plane, row, source in np.ndindex(matrix.shape):
            group = first_group + plane * groups + row // lanes
            lane = (row + turn) % lanes
            put(base, sources, group, lane, number_of(source), int(matrix[plane, row, source]))
        return first_group + planes * groups

    layers = network.layers
    inputs = network.spec.inputs
    base = image.words[HEADER_WORDS] & 0xFFFF
    put_all(base, interleaved(layers[0].W), 0, 0, lambda source: inputs - source)
    onward = [*(interleaved(layer.W) for layer in layers[1:]), network.readout.R]
    state = 0
    for layer, above, place in zip(layers, onward, image.layout.layers, strict=True):
        base = image.words[place.record + 1] & 0xFFFF
        numbered = [state + unit for unit in range(layer.U.shape[2])]
        group = put_all(base, interleaved(layer.U), 0, lanes // 2, numbered.__getitem__)
        group = put_all(base, above, group, 0, numbered.__getitem__)
        assert (place.state, place.edge.words) == (state, group)
        state += len(numbered)

    weights = range(image.layout.inputs.base, len(image.words))
    assert set(expected) <= set(weights)
    for address in weights:
        found = weights_of(image.words[address], lanes, form)
        assert found == expected.get(address, [[0] * lanes] * form.events), f"word {address}"
        assert (image.words[address] == 0) == (not np.any(found)), f"word {address}"


def test_small_network_lies_where_it_was_worked_out_by_hand():
    """Two inputs, three and four units, three outputs on 12 lanes, no weight zero.

    Units are numbered 0 to 2 and 3 to 6: the second layer's block begins with a source that
    there is not.
    """
    image = compile_image(random_network(0, inputs=2, units=(3, 4), outputs=3, density=1.0), 12)

    def used(address):
        """Return lanes with a weight in the even source's half of a word, and in the odd's."""
        codes = [image.words[address] >> 2 * lane & 3 for lane in range(24)]
        return (
            [lane for lane in range(12) if codes[lane]],
            [lane for lane in range(12) if codes[12 + lane]],
        )

    records = [image.layout.layers[0].record, image.layout.layers[1].record]
    assert [*records, image.layout.readout_record] == [3, 10, 18]
    assert [image.words[at] >> 16 & 0xFFFF for at in (4, 11)] == [10, 18]
    # Where the engine counts from: number 2 is the first input, number 3 the fourth unit.
    assert [image.words[at] & 0xFFFF for at in (2, 4, 11)] == [29, 33, 36]
    assert len(image.words) == 43
    none, six, eight, three = [], list(range(6)), list(range(8)), [0, 1, 2]
    # Rows of U lie six lanes further.
    six_on, eight_on = list(range(6, 12)), [0, 1, *range(6, 12)]
    assert {address: used(address) for address in range(29, 43)} == {
        29: (none, six),  # W from inputs 0 (that is none) and 1
        30: (six, none),  # from 2 and 3
        31: (none, none),  # a walk has two words at least
        32: (none, none),
        33: (six_on, six_on),  # U from units 0 and 1
        34: (six_on, none),  # from 2
        35: (eight, eight),  # the next W from units 0 and 1
        36: (eight, none),
        37: (none, eight_on),  # U from unit 3, the second layer's first
        38: (eight_on, eight_on),  # from 4 and 5
        39: (eight_on, none),  # from 6
        40: (none, three),  # R from unit 3
        41: (three, three),
        42: (three, none),
    }


@EVERY
@LANES
def test_biases_and_flags_come_two_words_after_their_shifts(network, lanes):
    """From bit 34: four shifts of three bits, and which half of the lanes is added at all.

    Below: two biases, add, complete of the slot two words before.
    """
    image = compile_image(network, lanes)
    layout = image.layout

    def check(at, behind, slots):
        words = image.words[at:behind]
        no_slot = ((None, None), (0, 0), False)
        early, late = [*slots, no_slot, no_slot], [no_slot, no_slot, *slots]
        for word, now, (halves, biases, complete) in zip(words, early, late, strict=True):
            for half, shifts in enumerate(now[0]):
                assert word >> 46 + half & 1 == (shifts is not None)
                found = [word >> 34 + 6 * half + 3 * row & 7 for row in range(2)]
                assert found == list(shifts or (0, 0))
            assert [word & 0xFFFF, word >> 16 & 0xFFFF] == [bias & 0xFFFF for bias in biases]
            assert word >> 32 & 1 == (halves != (None, None))
            assert word >> 33 & 1 == complete
            assert word < 1 << 48

    records = [*(place.record for place in layout.layers[1:]), layout.readout_record]
    for weights, place, behind in zip(network.layers, layout.layers, records, strict=True):
        units = weights.U.shape[2]
        planes = max(len(weights.W), len(weights.U))
        slots = []
        for unit in range(units):
            # z of unit u lies in row 2 u: where W's is in the lower half of the lanes, U's is
            # in the upper one.
            upper = 2 * unit % lanes >= lanes // 2
            for plane in range(planes):
                of_inputs, of_states = (
                    tuple(shift[plane, [unit, units + unit]]) if plane < len(shift) else None
                    for shift in (weights.W_shift, weights.U_shift)
                )
                halves = (of_states, of_inputs) if upper else (of_inputs, of_states)
                biases = [int(weights.b[row]) * (plane == 0) for row in (unit, units + unit)]
                slots.append((halves, biases, plane == planes - 1))
        check(place.parameters, behind, slots)

    readout, slots = network.readout, []
    outputs, planes = len(readout.b), len(readout.R)
    padded = np.pad(readout.R_shift, ((0, 0), (0, outputs % 2)))
    biases = [*map(int, readout.b), 0]
    for row in range(0, outputs, 2):
        for plane in range(planes):
            shifts = tuple(padded[plane, [row, row + 1]])
            halves = (None, shifts) if row % lanes >= lanes // 2 else (shifts, None)
            slots.append(
                (halves, biases[row : row + 2] if not plane else (0, 0), plane == planes - 1)
            )
        slots += [((None, None), (0, 0), False)] * 3
    check(layout.readout_parameters, layout.inputs.base, slots)


def test_accumulators_of_a_block_are_neighbours():
    """One walk serves U and what lies above it: Sh is below the next layer's Sx."""
    layout = plan_layout(NETWORK, 12)
    first, second = layout.layers
    assert (layout.inputs.accumulator, first.accumulator) == (0, 0)
    for layer in layout.layers:
        # Two planes each of W and of U.
        assert layer.edge.accumulator == layer.accumulator + 2 * layer.groups
    assert second.accumulator == first.accumulator + 4 * first.groups
    assert layout.readout_accumulator == second.accumulator + 4 * second.groups
    assert layout.accumulator_words == layout.readout_accumulator + 2 * layout.readout_groups


def test_short_input_edge_is_padded_with_zero_words():
    image = compile_image(random_network(0, inputs=3, units=(4,), density=1.0), 16)
    edge = image.layout.inputs
    assert edge.words == MIN_WALK
    # Three inputs lie in two words, and so do none.
    assert all(image.words[edge.base : edge.base + 2])
    assert not any(image.words[edge.base + 2 : edge.base + 4])
    assert image.layout.layers[0].edge.base == edge.base + 4
    assert image.words[HEADER_WORDS] == edge.base | (edge.accumulator + MIN_WALK - 2) << 32


def test_every_walk_is_long_enough():
    for seed in range(20):
        layout = plan_layout(random_network(seed, inputs=1, units=(1,) * (1 + seed % 4)), 16)
        for edge in (layout.inputs, *(layer.edge for layer in layout.layers)):
            assert edge.words >= MIN_WALK


def test_header_names_format_and_fraction_bits():
    words = compile_image(NETWORK, 16).words
    assert words[0] & 0xFFFF == MAGIC == 0xAD30 + FRACTION_BITS
    assert words[1] == len(words) | 5 << 16 | 7 << 25


def test_header_differs_between_word_formats():
    forms = [WordFormat(events, packed) for events in (1, 2) for packed in (False, True)]
    assert len({compile_image(NETWORK, 20, form).words[0] & 0xFFFF for form in forms}) == 4


@pytest.mark.parametrize("lanes, size", [(12, 6), (16, 8), (20, 10), (24, 12)])
def test_crc_covers_the_words_as_they_travel(lanes, size):
    image = compile_image(NETWORK, lanes)
    data = image.to_bytes()
    assert image.word_bytes == size
    assert len(data) == size * len(image.words)
    assert int.from_bytes(data[:2], "little") == MAGIC
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


def test_records_say_what_the_layout_does():
    """Field by field, at the bits where the engine takes them (hdl/core/signatures.py)."""
    network = random_network(3, inputs=5, units=(7, 4), outputs=7, planes=2, theta=3)
    image = compile_image(network, 16)
    layout = image.layout

    def fields(word, *widths):
        found = []
        for width in widths:
            found.append(word & (1 << width) - 1)
            word >>= width
        assert word == 0
        return found

    following = [layout.layers[1].record, layout.readout_record]
    assert layout.layers[0].record == HEADER_WORDS + INPUT_RECORD_WORDS
    for place, after in zip(layout.layers, following, strict=True):
        assert place.parameters == place.record + LAYER_RECORD_WORDS
        edge = place.edge
        assert fields(image.words[place.record], 9, 3, 7, 7, 7, 8) == [
            place.units, 1, place.accumulator, place.groups, edge.accumulator, place.state
        ]  # fmt: skip
        assert fields(image.words[place.record + 1], 16, 16, 7, 9) == [
            edge.base - place.state // 2, after, edge.accumulator + edge.words - 2, 512 - 3
        ]  # fmt: skip
    assert layout.readout_parameters == layout.readout_record + READOUT_RECORD_WORDS
    accumulator = layout.readout_accumulator
    assert fields(image.words[layout.readout_record], 9, 3, 7, 7, 7, 8) == [
        4, layout.readout_slots - 1, accumulator, layout.readout_groups, accumulator, 0
    ]  # fmt: skip
    limit = network.spec.M
    assert fields(image.words[0], 16, 7, 7, 2, 2)[1:4] == [layout.accumulator_words - 1, limit, 1]
