"""The network as the engine's store holds it: a header, phase records, parameters, weights.

The engine is a fixed machine; everything that makes it *this* network is in these words.
A word has `2 * lanes` bits. Records use the low 16 bits of a word, and two that mark their
ends (`NEXT_IS_LAST`, `NOT_STORED`); gate parameters the low 24; weights use all of them, two bits a lane.

Layout::

    0   header         HEADER_WORDS words
    6   input record   the first layer's W: weights, accumulators
    8   layer records  LAYER_RECORD_WORDS each, every one followed by its gate parameters
    ..  readout record, followed by its parameters
    ..  weights        W of the first layer; then for each layer U and the next W (or R)

The engine reads records and parameters with one pointer that only moves on; a layer record
ends with the address of the next record, for a pass that is skipped.

Rows. The rows of a layer are interleaved, z and c of unit 0, z and c of unit 1, and so on;
row r lives at lane r mod P in group r div P. P is even, so z rows lie in even lanes and c
rows in odd ones, and one read of all lanes at one address delivers both rows of P / 2 units.
Planes follow one another: plane j of a matrix is G groups after plane j - 1. Accumulators
follow one another too: the first layer's Sx and Sh, the second's, and so on, the readout's
last. So Sh of a layer is directly below Sx of the next (or the readout's).

Weights are *group-major*: the word of source i and group g is at ``base + g * sources + i``,
so the engine steps through an event's words by adding a constant, and never multiplies. U of
a layer and the matrix that feeds what lies above it form one block, walked in one go: a state
event is one edge for the engine. Units are numbered through all layers, as their states lie
in memory; the record of a layer holds its block's base less its first unit's number.

Hazard. A lane reads an accumulator one cycle before it writes it back. The engine is exact as
long as no accumulator is read in the cycle in which it is written, that is, as long as an
event touches at least `MIN_WALK` words before the next event: edges are padded to that.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from models.network import Network
from models.spec import FRACTION_BITS

#: First word of an image: format version 1, and F.
MAGIC = 0xAD10 | FRACTION_BITS
HEADER_WORDS = 6
INPUT_RECORD_WORDS = 2
LAYER_RECORD_WORDS = 7
READOUT_RECORD_WORDS = 4

#: Bits of a record's words, above the 16 of their value: the record's next word is its last
#: one; the word is an address for the reader's pointer and goes into no register.
NEXT_IS_LAST = 16
NOT_STORED = 17

#: Fewest words that an event must touch (see "Hazard" above).
MIN_WALK = 2

#: Parameter words per pair of readout rows beyond the first plane's: two finished scores are
#: held for four cycles, because the score memory takes four half-words for them.
READOUT_HOLD = 3

#: Fewest lanes: a parameter word needs 24 bits, a word has two bits a lane.
MIN_LANES = 12

_MODES = {"last": 0, "sum": 1, "every": 2}


class ImageError(ValueError):
    """A network that cannot be laid out for the engine; the message says what and why."""


@dataclass(frozen=True)
class Capacity:
    """What an engine has: the limits a network must fit into.

    Attributes
    ----------
    lanes : int
        Lanes P; even, at least `MIN_LANES`.
    store_words : int
        Words in the weight store.
    accumulator_words : int
        Accumulators in each lane.
    state_units, input_size, layer_units, outputs : int
        Hidden units of all layers, inputs, hidden units of one layer, outputs.
    """

    lanes: int
    store_words: int
    accumulator_words: int = 128
    state_units: int = 256
    input_size: int = 512
    layer_units: int = 256
    outputs: int = 120


@dataclass(frozen=True)
class Edge:
    """A weight matrix as the engine walks it.

    Attributes
    ----------
    base : int
        Store address of the first weight word.
    words : int
        Words per event (groups of all planes, padding included).
    accumulator : int
        First accumulator address in every lane.
    sources : int
        Sources, the stride between an event's words.
    """

    base: int
    words: int
    accumulator: int
    sources: int


@dataclass(frozen=True)
class LayerLayout:
    """Where a layer lives: its pass over the units and the edge its events walk."""

    units: int
    slots: int
    groups: int
    accumulator: int
    record: int
    parameters: int
    state: int
    edge: Edge


@dataclass(frozen=True)
class Layout:
    """Where everything lives; also what the cycle model counts with."""

    lanes: int
    inputs: Edge
    layers: tuple[LayerLayout, ...]
    readout_accumulator: int
    readout_groups: int
    readout_record: int
    readout_parameters: int
    readout_slots: int
    accumulator_words: int
    words: int


@dataclass(frozen=True)
class Image:
    """A network's store contents for a given number of lanes.

    Attributes
    ----------
    words : tuple of int
        Store words from address 0, each below ``2 ** (2 * lanes)``.
    layout : Layout
        The addresses behind them.
    """

    words: tuple[int, ...]
    layout: Layout

    @property
    def word_bytes(self) -> int:
        """Bytes in which a word travels: ceil(2 * lanes / 8)."""
        return word_bytes(self.layout.lanes)

    def to_bytes(self) -> bytes:
        """Return the words, little endian, as they travel and as the CRC-32 sees them."""
        size = self.word_bytes
        return b"".join(word.to_bytes(size, "little") for word in self.words)

    @property
    def crc32(self) -> int:
        """CRC-32 (as `zlib.crc32`) over `to_bytes`."""
        return zlib.crc32(self.to_bytes())


def word_bytes(lanes: int) -> int:
    """Return the bytes in which a store word of `lanes` lanes travels."""
    return (2 * lanes + 7) // 8


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def plan_layout(network: Network, lanes: int) -> Layout:
    """Assign store and accumulator addresses to every part of a network.

    Parameters
    ----------
    network : Network
        The network.
    lanes : int
        Lanes P of the engine, even and at least `MIN_LANES`.

    Raises
    ------
    ImageError
        If `lanes` is not supported.
    """
    if lanes < MIN_LANES or lanes % 2:
        raise ImageError(f"lanes must be an even number of at least {MIN_LANES}, not {lanes}")
    spec = network.spec
    layer_count = len(spec.layers)
    address = HEADER_WORDS + INPUT_RECORD_WORDS
    records = []
    for layer in spec.layers:
        records.append(address)
        address += LAYER_RECORD_WORDS
        address += layer.units * (layer.input_planes + layer.recurrent_planes)
    readout_record = address
    readout_slots = spec.readout.planes + READOUT_HOLD
    address += READOUT_RECORD_WORDS + _ceil_div(spec.outputs, 2) * readout_slots

    # Accumulators: for each layer Sx (all planes), then Sh; the gate pass steps through
    # both with one stride because they are neighbours. The readout's come last.
    groups = [_ceil_div(2 * layer.units, lanes) for layer in spec.layers]
    accumulator = 0
    input_accumulator, state_accumulator = [], []
    for layer, g in zip(spec.layers, groups, strict=True):
        input_accumulator.append(accumulator)
        accumulator += layer.input_planes * g
        state_accumulator.append(accumulator)
        accumulator += layer.recurrent_planes * g
    readout_groups = _ceil_div(spec.outputs, lanes)
    readout_accumulator = accumulator
    accumulator += spec.readout.planes * readout_groups

    def edge(words: int, first_accumulator: int, sources: int) -> Edge:
        nonlocal address
        made = Edge(address, words, first_accumulator, sources)
        address += words * sources
        return made

    # Only the input edge can be too short: a state event walks U's words and the next
    # matrix's, at least one of each. The words that a padded edge touches beyond its own rows
    # hold zero weights, so they change nothing.
    first = spec.layers[0]
    inputs = edge(max(first.input_planes * groups[0], MIN_WALK), input_accumulator[0], spec.inputs)
    layers = []
    state = 0
    for index, layer in enumerate(spec.layers):
        if index + 1 < layer_count:
            onward = spec.layers[index + 1].input_planes * groups[index + 1]
        else:
            onward = spec.readout.planes * readout_groups
        layers.append(
            LayerLayout(
                units=layer.units,
                slots=layer.input_planes + layer.recurrent_planes,
                groups=groups[index],
                accumulator=input_accumulator[index],
                record=records[index],
                parameters=records[index] + LAYER_RECORD_WORDS,
                state=state,
                edge=edge(
                    layer.recurrent_planes * groups[index] + onward,
                    state_accumulator[index],
                    layer.units,
                ),
            )
        )
        state += layer.units
    return Layout(
        lanes=lanes,
        inputs=inputs,
        layers=tuple(layers),
        readout_accumulator=readout_accumulator,
        readout_groups=readout_groups,
        readout_record=readout_record,
        readout_parameters=readout_record + READOUT_RECORD_WORDS,
        readout_slots=readout_slots,
        accumulator_words=accumulator,
        words=address,
    )


def check_capacity(network: Network, capacity: Capacity) -> Layout:
    """Return the layout of a network on an engine, or say why it does not fit.

    Raises
    ------
    ImageError
        Naming the first resource that is short, what is needed and what there is.
    """
    layout = plan_layout(network, capacity.lanes)
    spec = network.spec
    needs = [
        ("words of weight store", layout.words, capacity.store_words),
        ("accumulators in each lane", layout.accumulator_words, capacity.accumulator_words),
        ("hidden units in all", sum(x.units for x in spec.layers), capacity.state_units),
        ("hidden units in a layer", max(x.units for x in spec.layers), capacity.layer_units),
        ("inputs", spec.inputs, capacity.input_size),
        ("outputs", spec.outputs, capacity.outputs),
    ]
    short = [f"{need} {what} (there are {have})" for what, need, have in needs if need > have]
    if short:
        raise ImageError(
            f"network {spec.name!r} does not fit an engine of {capacity.lanes} lanes: "
            f"it needs {'; '.join(short)}"
        )
    return layout


def _put_weights(words: list[int], base: int, rows: np.ndarray, groups: int, lanes: int) -> int:
    """Pack weights ``[planes, rows, sources]`` group-major from `base`; return the next address.

    Two bits a lane: 1 is +1, 3 is -1.
    """
    planes, row_count, sources = rows.shape
    padded = np.zeros((planes, groups * lanes, sources), dtype=np.int64)
    padded[:, :row_count] = rows
    codes = (padded & 3).reshape(planes * groups, lanes, sources).transpose(0, 2, 1)
    for code in codes.reshape(-1, lanes).tolist():
        words[base] = sum(bits << (2 * lane) for lane, bits in enumerate(code))
        base += 1
    return base


def _interleave(rows: np.ndarray, units: int) -> np.ndarray:
    """Reorder rows from z then c to z and c of each unit in turn; rows lie on axis 1."""
    stacked = np.stack([rows[:, :units], rows[:, units:]], axis=2)
    return stacked.reshape(rows.shape[0], 2 * units, *rows.shape[2:])


def _parameter(bias: int, even_shift: int, odd_shift: int, add: bool, complete: bool) -> int:
    """Pack a slot: bias 16 bit, the two rows' shifts 3 bit each, whether the slot adds at all,
    and whether the sums are complete with it."""
    return (
        (bias & 0xFFFF)
        | (even_shift << 16)
        | (odd_shift << 19)
        | (int(add) << 22)
        | (int(complete) << 23)
    )


def compile_image(network: Network, lanes: int) -> Image:
    """Lay a network out as store words.

    Parameters
    ----------
    network : Network
        The network; validated already by its constructor.
    lanes : int
        Lanes P of the engine.

    Returns
    -------
    Image
    """
    layout = plan_layout(network, lanes)
    spec = network.spec
    words = [0] * layout.words

    def put(address: int, values: list[int]) -> None:
        words[address : address + len(values)] = values
        words[address + len(values) - 2] |= 1 << NEXT_IS_LAST

    put(
        0,
        [
            MAGIC,
            layout.accumulator_words - 1,
            spec.outputs,
            spec.inputs,
            spec.M | (len(spec.layers) - 1) << 7 | _MODES[spec.readout.mode] << 9,
            layout.words,
        ],
    )
    put(
        HEADER_WORDS,
        [layout.inputs.accumulator | (layout.inputs.words - 1) << 7, layout.inputs.base],
    )
    following = [*(place.record for place in layout.layers[1:]), layout.readout_record]
    for layer, place, after in zip(spec.layers, layout.layers, following, strict=True):
        put(
            place.record,
            [
                place.state,
                -layer.theta & 0xFFFF,
                place.units | (place.slots - 1) << 9,
                place.accumulator | place.groups << 7,
                place.edge.accumulator | (place.edge.words - 1) << 7,
                (place.edge.base - place.state) & 0xFFFF,
                after | 1 << NOT_STORED,
            ],
        )
    put(
        layout.readout_record,
        [
            _ceil_div(spec.outputs, 2) | (layout.readout_slots - 1) << 9,
            layout.readout_accumulator | layout.readout_groups << 7,
            0,
            0,
        ],
    )

    for weights, place in zip(network.layers, layout.layers, strict=True):
        at = place.parameters
        units = place.units
        shifts = np.concatenate([weights.W_shift, weights.U_shift]).astype(int)
        for unit in range(units):
            bias = [int(weights.b[unit]), int(weights.b[units + unit])] + [0] * place.slots
            for slot in range(place.slots):
                words[at] = _parameter(
                    bias[slot],
                    int(shifts[slot, unit]),
                    int(shifts[slot, units + unit]),
                    add=True,
                    complete=slot == place.slots - 1,
                )
                at += 1
    at = layout.readout_parameters
    readout = network.readout
    for row in range(0, spec.outputs, 2):
        pair = [row, row + 1] if row + 1 < spec.outputs else [row]
        bias = [int(readout.b[r]) for r in pair] + [0] * layout.readout_slots
        for slot in range(layout.readout_slots):
            used = slot < spec.readout.planes
            shift = [int(readout.R_shift[slot, r]) if used else 0 for r in pair] + [0]
            words[at] = _parameter(
                bias[slot], shift[0], shift[1], used, slot == spec.readout.planes - 1
            )
            at += 1

    matrices = [
        (_interleave(weights.W, place.units), place.groups)
        for weights, place in zip(network.layers, layout.layers, strict=True)
    ] + [(readout.R, layout.readout_groups)]
    _put_weights(words, layout.inputs.base, *matrices[0], lanes)
    for weights, place, onward in zip(network.layers, layout.layers, matrices[1:], strict=True):
        recurrent = _interleave(weights.U, place.units)
        at = _put_weights(words, place.edge.base, recurrent, place.groups, lanes)
        _put_weights(words, at, *onward, lanes)
    return Image(tuple(words), layout)
