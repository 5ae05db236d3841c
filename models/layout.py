"""Where a network's parts lie in the engine's store and accumulators, and whether they fit.

The engine is a fixed machine; what makes it *this* network is in the store's words
(`models.image` packs them), `models.word_format` says of how many bits: 4 P usually.

Layout::

    0   header         HEADER_WORDS words
    2   inputs         an edge: the first layer's W
    3   layers         each a pass, an edge and its gate parameters
    ..  readout        a pass and its parameters
    ..  weights        W of the first layer; then for each layer U and the next W (or R)

The engine reads records and parameters with one pointer that only moves on. A record, pass or edge,
is one word. A layer's edge says where the next pass is, for a layer that is skipped.

Rows. The rows of a layer are interleaved, z and c of unit 0, z and c of unit 1, and so on;
row r of W or R lives at lane r mod P in group r div P, row r of U half the lanes further, at lane
(r + P / 2) mod P. The lower and the upper half of the lanes have an address each, so the sums of a
unit's inputs and those of its states are read in the same cycle. P is a multiple of four: z rows
lie in even lanes and c rows in odd ones. Planes follow one another: plane j of a matrix is G
groups after plane j - 1. Accumulators follow one another too: the first layer's Sx and Sh, the
second's, and so on, the readout's last. So Sh of a layer is directly below Sx of the next (or the
readout's).

Weights are *group-major*: the word of source s and group g is at ``base + g * stride + s div 2``,
so the engine steps through an event's words by adding a constant, and never multiplies. A word has
two halves, one for the even and one for the odd sources: each half of the store is addressed on its
own, so an even and an odd source's events are walked together. The stride is n div 2 + 1 for n
sources, which costs a word in each group where n is even, and no logic. (An engine that takes one
event a cycle has undivided words, ``base + g * n + s``.) U of
a layer and the matrix that feeds what lies above it form one block, walked in one go: a state
event is one edge for the engine. Units are numbered through all layers, as their states lie
in memory; the record of a layer holds its block's base less half its first unit's number (less all
of it where words are undivided), and where that is odd, the block begins with the weights of a
source that there is not. Inputs are numbered backwards, from I for the first one down to 1, which
is the count of those that are still to come.

Hazard. A lane reads an accumulator one cycle before it writes it back. The engine is exact as
long as no accumulator is read in the cycle in which it is written, that is, as long as an
event touches at least `MIN_WALK` words before the next event: edges are padded to that.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.network import Network
from models.word_format import PLAIN, WordFormat

HEADER_WORDS = 2
#: An edge.
INPUT_RECORD_WORDS = 1
#: A pass and an edge.
LAYER_RECORD_WORDS = 2
#: A pass.
READOUT_RECORD_WORDS = 1

#: Fewest words that an event must touch (see "Hazard" above).
MIN_WALK = 2

#: Parameter words per pair of readout rows beyond the first plane's: two finished scores are
#: held for four cycles, because the score memory takes four half-words for them.
READOUT_HOLD = 3

#: Words by which a slot's biases and flags come later than its shifts, because the engine needs
#: them later; so many words follow the last slot's.
PARAMETER_LAG = 2

#: Fewest lanes: a parameter word needs 48 bits, a word has four bits a lane (packed, as many of so
#: few). Their number is a multiple of `LANE_STEP`.
MIN_LANES = 12
LANE_STEP = 4

#: Most lanes: IDENTIFY tells them in a byte.
MAX_LANES = 252


class ImageError(ValueError):
    """A network that cannot be laid out for the engine; the message says what and why."""


@dataclass(frozen=True)
class Capacity:
    """What an engine has: the limits a network must fit into.

    Attributes
    ----------
    lanes : int
        Lanes P; a multiple of `LANE_STEP`, at least `MIN_LANES`.
    store_words : int
        Words in the weight store.
    accumulator_words : int
        Accumulators in each lane.
    state_units, input_size, layer_units, outputs : int
        Hidden units of all layers, inputs, hidden units of one layer, outputs.
    word_format : WordFormat
        How its store's words hold weights.
    """

    lanes: int
    store_words: int
    accumulator_words: int = 128
    state_units: int = 256
    input_size: int = 512
    layer_units: int = 256
    outputs: int = 112
    word_format: WordFormat = PLAIN


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
    stride : int
        From one of an event's words to the next.
    """

    base: int
    words: int
    accumulator: int
    stride: int


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
    word_format: WordFormat
    inputs: Edge
    layers: tuple[LayerLayout, ...]
    readout_accumulator: int
    readout_groups: int
    readout_record: int
    readout_parameters: int
    readout_slots: int
    accumulator_words: int
    words: int


def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up."""
    return -(-a // b)


def check_lanes(lanes: int) -> None:
    """Refuse a number of lanes that no engine can have.

    Raises
    ------
    ImageError
        If it is no multiple of `LANE_STEP` from `MIN_LANES` to `MAX_LANES`.
    """
    if not MIN_LANES <= lanes <= MAX_LANES or lanes % LANE_STEP:
        raise ImageError(
            f"lanes must be a multiple of {LANE_STEP} from {MIN_LANES} to {MAX_LANES}, not {lanes}"
        )


def plan_layout(network: Network, lanes: int, word_format: WordFormat = PLAIN) -> Layout:
    """Assign store and accumulator addresses to every part of a network.

    Parameters
    ----------
    network : Network
        The network.
    lanes : int
        Lanes P of the engine, a multiple of `LANE_STEP` and at least `MIN_LANES`.
    word_format : WordFormat
        How its store's words hold weights.

    Raises
    ------
    ImageError
        If `lanes` is not supported.
    """
    check_lanes(lanes)
    spec = network.spec
    layer_count = len(spec.layers)
    address = HEADER_WORDS + INPUT_RECORD_WORDS
    records = []
    for layer in spec.layers:
        records.append(address)
        address += LAYER_RECORD_WORDS
        address += layer.units * max(layer.input_planes, layer.recurrent_planes)
        address += PARAMETER_LAG
    readout_record = address
    readout_slots = spec.readout.planes + READOUT_HOLD
    address += READOUT_RECORD_WORDS + ceil_div(spec.outputs, 2) * readout_slots
    address += PARAMETER_LAG

    # Accumulators: for each layer Sx (all planes), then Sh. The readout's come last.
    groups = [ceil_div(2 * layer.units, lanes) for layer in spec.layers]
    accumulator = 0
    input_accumulator, state_accumulator = [], []
    for layer, g in zip(spec.layers, groups, strict=True):
        input_accumulator.append(accumulator)
        accumulator += layer.input_planes * g
        state_accumulator.append(accumulator)
        accumulator += layer.recurrent_planes * g
    readout_groups = ceil_div(spec.outputs, lanes)
    readout_accumulator = accumulator
    accumulator += spec.readout.planes * readout_groups

    def edge(words: int, first_accumulator: int, sources: int) -> Edge:
        nonlocal address
        made = Edge(address, words, first_accumulator, word_format.stride(sources))
        address += words * made.stride
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
                slots=max(layer.input_planes, layer.recurrent_planes),
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
        word_format=word_format,
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
    layout = plan_layout(network, capacity.lanes, capacity.word_format)
    spec = network.spec
    needs = [
        ("words of weight store", layout.words, capacity.store_words),
        ("accumulators in each lane", layout.accumulator_words, capacity.accumulator_words),
        (
            "hidden units in all",
            sum(x.units for x in spec.layers),
            capacity.state_units,
        ),
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
