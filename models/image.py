"""The network as the engine's store holds it: a header, phase records, parameters, weights.

The engine is a fixed machine; everything that makes it *this* network is in these words.
A word usually has `4 * lanes` bits. Records and gate parameters use the low 48; weights use all of
them, two bits a lane for an even source, and above them two bits a lane for an odd one (others:
`models.word_format`).

Where they lie is for `models.layout` to say. Its names are here as well: who needs an image
needs both.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.layout import (
    HEADER_WORDS,
    INPUT_RECORD_WORDS,
    LANE_STEP,
    LAYER_RECORD_WORDS,
    MIN_LANES,
    MIN_WALK,
    PARAMETER_LAG,
    READOUT_HOLD,
    READOUT_RECORD_WORDS,
    Capacity,
    Edge,
    ImageError,
    LayerLayout,
    Layout,
    ceil_div,
    check_capacity,
    check_lanes,
    plan_layout,
)
from models.network import Network
from models.order import by_position
from models.spec import FRACTION_BITS
from models.word_format import PLAIN, WordFormat

__all__ = [
    "HEADER_WORDS",
    "INPUT_RECORD_WORDS",
    "LANE_STEP",
    "LAYER_RECORD_WORDS",
    "MAGIC",
    "MIN_LANES",
    "MIN_WALK",
    "READOUT_HOLD",
    "READOUT_RECORD_WORDS",
    "Capacity",
    "Edge",
    "Image",
    "ImageError",
    "LayerLayout",
    "Layout",
    "check_capacity",
    "check_lanes",
    "compile_image",
    "magic",
    "plan_layout",
    "word_bytes",
]

#: First word of an image: format version 3, and F.
MAGIC = 0xAD30 | FRACTION_BITS

_MODES = {"last": 0, "sum": 1, "every": 2}


@dataclass(frozen=True)
class Image:
    """A network's store contents for a given number of lanes.

    Attributes
    ----------
    words : tuple of int
        Store words from address 0, each of as many bits as the layout's format says.
    layout : Layout
        The addresses behind them.
    """

    words: tuple[int, ...]
    layout: Layout

    @property
    def word_bytes(self) -> int:
        """Bytes in which a word travels: ceil(4 * lanes / 8) usually."""
        return word_bytes(self.layout.lanes, self.layout.word_format)

    def to_bytes(self) -> bytes:
        """Return the words, little endian, as they travel and as the CRC-32 sees them."""
        size = self.word_bytes
        return b"".join(word.to_bytes(size, "little") for word in self.words)

    @property
    def crc32(self) -> int:
        """CRC-32 (as `zlib.crc32`) over `to_bytes`."""
        return zlib.crc32(self.to_bytes())


def word_bytes(lanes: int, word_format: WordFormat = PLAIN) -> int:
    """Return the bytes in which a store word of `lanes` lanes travels."""
    return word_format.word_bytes(lanes)


def magic(word_format: WordFormat) -> int:
    """Return the first word of an image: an engine takes none that is meant for another format."""
    return MAGIC ^ word_format.packed << 8 ^ (word_format.events == 1) << 9


def _put_weights(
    words: list[int],
    base: int,
    stride: int,
    rows: np.ndarray,
    groups: int,
    lanes: int,
    word_format: WordFormat,
    turn: int = 0,
) -> int:
    """Pack weights ``[planes, rows, sources]`` group-major from `base`; return the next address.

    The even source of a word is in its lower half. Rows lie `turn` lanes further than their number
    says.
    """
    planes, row_count, sources = rows.shape
    each = word_format.events
    padded = np.zeros((planes, groups * lanes, each * stride), dtype=np.int64)
    padded[:, :row_count, :sources] = rows
    turned = np.roll(padded.reshape(planes * groups, lanes, -1), turn, axis=1)
    packed = word_format.pack(turned.transpose(0, 2, 1).reshape(-1, each, lanes))
    words[base : base + len(packed)] = packed
    return base + len(packed)


def _join(*fields: tuple[int, int]) -> int:
    """Pack values of so many bits, the first one lowest; negative ones as two's complement."""
    word, at = 0, 0
    for value, bits in fields:
        assert -(1 << bits - 1) <= value < 1 << bits, (value, bits)
        word |= (value & (1 << bits) - 1) << at
        at += bits
    return word


def _edge(edge: Edge, first: int = 0, after: int = 0, theta: int = 0) -> int:
    """Pack an edge.

    Parameters
    ----------
    edge : Edge
    first : int
        Words before that of the first source, if sources were numbered from zero on.
    after : int
        Address of the pass that follows.
    theta : int
        The layer's dead zone.
    """
    return _join(
        ((edge.base - first) & 0xFFFF, 16),
        (after, 16),
        (edge.accumulator + edge.words - 2, 7),
        (-theta, 9),
    )


def _pass(units: int, slots: int, accumulators: tuple[int, int], groups: int, state: int) -> int:
    """Pack a pass over `units` pairs of rows; accumulators of the inputs' and the states' sums."""
    inputs, states = accumulators
    return _join((units, 9), (slots - 1, 3), (inputs, 7), (groups, 7), (states, 7), (state, 8))


def _interleave(rows: np.ndarray, units: int) -> np.ndarray:
    """Reorder rows from z then c to z and c of each unit in turn; rows lie on axis 1."""
    stacked = np.stack([rows[:, :units], rows[:, units:]], axis=2)
    return stacked.reshape(rows.shape[0], 2 * units, *rows.shape[2:])


@dataclass
class _Slot:
    """What a pass does in one cycle.

    Attributes
    ----------
    bias : list of two int
        Of the even and the odd row.
    shifts : list, for the lower and the upper half of the lanes
        Shifts of its even and its odd row's sum, or None if nothing of it is added.
    complete : bool
        The two rows' sums are complete with this slot.
    """

    bias: list[int]
    shifts: list[list[int] | None]
    complete: bool


def _put_slots(words: list[int], base: int, slots: Sequence[_Slot]) -> None:
    """Pack a pass's parameters from `base`."""
    for number, slot in enumerate(slots):
        for half, pair in enumerate(slot.shifts):
            if pair is not None:
                words[base + number] |= (pair[0] | pair[1] << 3) << (34 + 6 * half)
                words[base + number] |= 1 << (46 + half)
        some = any(pair is not None for pair in slot.shifts)
        words[base + number + PARAMETER_LAG] |= (
            (slot.bias[0] & 0xFFFF)
            | (slot.bias[1] & 0xFFFF) << 16
            | int(some) << 32
            | int(slot.complete) << 33
        )


def compile_image(network: Network, lanes: int, word_format: WordFormat = PLAIN) -> Image:
    """Lay a network out as store words.

    Parameters
    ----------
    network : Network
        The network; validated already by its constructor. Its units are laid out by their
        positions, `Network.order`.
    lanes : int
        Lanes P of the engine.
    word_format : WordFormat
        How its store's words hold weights.

    Returns
    -------
    Image
    """
    network = by_position(network)
    layout = plan_layout(network, lanes, word_format)
    spec = network.spec
    each = word_format.events  # sources in a word
    words = [0] * layout.words

    words[0] = _join(
        (magic(word_format), 16),
        (layout.accumulator_words - 1, 7),
        (spec.M, 7),
        (len(spec.layers) - 1, 2),
        (_MODES[spec.readout.mode], 2),
    )
    words[1] = _join((layout.words & 0xFFFF, 16), (spec.inputs, 9), (spec.outputs, 8))
    words[HEADER_WORDS] = _edge(layout.inputs, 1 // each)
    following = [*(place.record for place in layout.layers[1:]), layout.readout_record]
    for layer, place, after in zip(spec.layers, layout.layers, following, strict=True):
        accumulators = place.accumulator, place.edge.accumulator
        words[place.record : place.parameters] = [
            _pass(place.units, place.slots, accumulators, place.groups, place.state),
            _edge(place.edge, place.state // each, after, layer.theta),
        ]
    words[layout.readout_record] = _pass(
        ceil_div(spec.outputs, 2),
        layout.readout_slots,
        (layout.readout_accumulator, layout.readout_accumulator),
        layout.readout_groups,
        0,
    )

    def halves(row: int) -> int:
        """Return the half of the lanes, 0 or 1, in which an unturned row lies."""
        return row % lanes // (lanes // 2)

    for layer, weights, place in zip(spec.layers, network.layers, layout.layers, strict=True):
        units = place.units
        slots = []
        for unit in range(units):
            rows = [unit, units + unit]
            for plane in range(place.slots):
                shifts: list[list[int] | None] = [None, None]
                for matrix, planes, half in (
                    (weights.W_shift, layer.input_planes, halves(2 * unit)),
                    (weights.U_shift, layer.recurrent_planes, 1 - halves(2 * unit)),
                ):
                    if plane < planes:
                        shifts[half] = [int(matrix[plane, row]) for row in rows]
                bias = [int(weights.b[row]) if plane == 0 else 0 for row in rows]
                slots.append(_Slot(bias, shifts, plane == place.slots - 1))
        _put_slots(words, place.parameters, slots)
    slots = []
    readout = network.readout
    for row in range(0, spec.outputs, 2):
        pair = [row, row + 1] if row + 1 < spec.outputs else [row]
        for plane in range(layout.readout_slots):
            shifts = [None, None]
            if plane < spec.readout.planes:
                shifts[halves(row)] = [*(int(readout.R_shift[plane, r]) for r in pair), 0][:2]
            bias = [*(int(readout.b[r]) if plane == 0 else 0 for r in pair), 0][:2]
            slots.append(_Slot(bias, shifts, plane == spec.readout.planes - 1))
    _put_slots(words, layout.readout_parameters, slots)

    matrices = [
        (_interleave(weights.W, place.units), place.groups)
        for weights, place in zip(network.layers, layout.layers, strict=True)
    ] + [(readout.R, layout.readout_groups)]
    first, groups = matrices[0]

    def numbered_from(number: int, rows: np.ndarray) -> np.ndarray:
        """Return rows of which the first source stands in the right half of a word."""
        return np.pad(rows, ((0, 0), (0, 0), (number % each, 0)))

    def put_weights(
        at: int, edge: Edge, rows: np.ndarray, number: int, groups: int, turn: int = 0
    ) -> int:
        numbered = numbered_from(number, rows)
        return _put_weights(words, at, edge.stride, numbered, groups, lanes, word_format, turn)

    # Source number s is input I - s.
    put_weights(layout.inputs.base, layout.inputs, first[:, :, ::-1], 1, groups)
    for weights, place, onward in zip(network.layers, layout.layers, matrices[1:], strict=True):
        recurrent, edge = _interleave(weights.U, place.units), place.edge
        at = put_weights(edge.base, edge, recurrent, place.state, place.groups, lanes // 2)
        above, groups = onward
        put_weights(at, edge, above, place.state, groups)
    return Image(tuple(words), layout)
