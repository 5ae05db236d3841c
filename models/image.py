"""The network as the engine's store holds it: a header, phase records, parameters, weights.

The engine is a fixed machine; everything that makes it *this* network is in these words.
A word has `2 * lanes` bits. Records use the low 16 bits of a word, and two above them that
mark a record's end; gate parameters use the low 24; weights use all of them, two bits a lane.

Where they lie is for `models.layout` to say. Its names are here as well: who needs an image
needs both.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from models.layout import (
    HEADER_WORDS,
    INPUT_RECORD_WORDS,
    LAYER_RECORD_WORDS,
    MIN_LANES,
    MIN_WALK,
    READOUT_HOLD,
    READOUT_RECORD_WORDS,
    Capacity,
    Edge,
    ImageError,
    LayerLayout,
    Layout,
    ceil_div,
    check_capacity,
    plan_layout,
)
from models.network import Network
from models.spec import FRACTION_BITS

__all__ = [
    "HEADER_WORDS",
    "INPUT_RECORD_WORDS",
    "LAYER_RECORD_WORDS",
    "MAGIC",
    "MIN_LANES",
    "MIN_WALK",
    "NEXT_IS_LAST",
    "NOT_STORED",
    "READOUT_HOLD",
    "READOUT_RECORD_WORDS",
    "Capacity",
    "Edge",
    "Image",
    "ImageError",
    "LayerLayout",
    "Layout",
    "check_capacity",
    "compile_image",
    "plan_layout",
    "word_bytes",
]

#: First word of an image: format version 1, and F.
MAGIC = 0xAD10 | FRACTION_BITS

#: Bits of a record's words, above the 16 of their value: the record's next word is its last
#: one; the word is an address for the reader's pointer and goes into no register.
NEXT_IS_LAST = 16
NOT_STORED = 17

_MODES = {"last": 0, "sum": 1, "every": 2}


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


def _edge(edge: Edge) -> int:
    """Pack where an edge's accumulators begin, and which is the last but one."""
    return edge.accumulator | (edge.accumulator + edge.words - 2) << 7


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
        [_edge(layout.inputs), (layout.inputs.base - 1) & 0xFFFF],
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
                _edge(place.edge),
                (place.edge.base - place.state) & 0xFFFF,
                after | 1 << NOT_STORED,
            ],
        )
    put(
        layout.readout_record,
        [
            ceil_div(spec.outputs, 2) | (layout.readout_slots - 1) << 9,
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
    first, groups = matrices[0]
    _put_weights(words, layout.inputs.base, first[:, :, ::-1], groups, lanes)
    for weights, place, onward in zip(network.layers, layout.layers, matrices[1:], strict=True):
        recurrent = _interleave(weights.U, place.units)
        at = _put_weights(words, place.edge.base, recurrent, place.groups, lanes)
        _put_weights(words, at, *onward, lanes)
    return Image(tuple(words), layout)
