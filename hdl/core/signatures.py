"""Shapes that join the engine's parts: events, commands, edges, the lanes' control."""

from amaranth.hdl import signed
from amaranth.lib import data, enum, stream

#: A source: an input element (up to 257), or a hidden unit, numbered through all layers.
SOURCE_BITS = 9
#: A delta of two values in [-127, 127].
DELTA_BITS = 9
STORE_ADDRESS_BITS = 16
LANE_ADDRESS_BITS = 7
STATE_ADDRESS_BITS = 8
SCORE_ADDRESS_BITS = 8
#: Negative of a dead zone of at most 2 M = 254.
THETA_BITS = 9
#: Sum of the shifted raw sums and the bias.
SUM_BITS = 24


#: Bits of half a source's number.
HALF_SOURCE_BITS = SOURCE_BITS - 1


class Event(data.Struct):
    """A source whose value changed, and by how much.

    Even and odd sources' events go different ways, so the source's number comes without its
    lowest bit.
    """

    source: HALF_SOURCE_BITS
    delta: signed(DELTA_BITS)


class EdgeConfig(data.Struct):
    """A block of weights to walk (see `models.layout.Edge`): the word of source s is at
    ``base + s div 2``, so `base` is shifted for sources that are not numbered from zero on."""

    base: STORE_ADDRESS_BITS
    before_last: LANE_ADDRESS_BITS  # accumulator of the last word but one


class PassConfig(data.Struct):
    """A pass over the rows of a layer, or of the readout (see `models.image`).

    Where the sums of the states lie is where the layer's own edge begins.
    """

    units: SOURCE_BITS
    last_slot: 3
    accumulator: LANE_ADDRESS_BITS  # of the inputs' sums
    groups: LANE_ADDRESS_BITS
    state_accumulator: LANE_ADDRESS_BITS
    state_base: STATE_ADDRESS_BITS


class Parameter(data.Struct):
    """A parameter word: one slot of a pair of rows (see `models.image`).

    What is needed two cycles later than the shifts belongs to the slot two words before.
    """

    even_bias: 16  # of two slots before
    odd_bias: 16  # of two slots before
    add: 1  # of two slots before
    complete: 1  # of two slots before
    low_even_shift: 3
    low_odd_shift: 3
    high_even_shift: 3
    high_odd_shift: 3
    low_add: 1
    high_add: 1


class LaneControl(data.Struct):
    """What all lanes do: read an accumulator, and write its sum or zero back a cycle later.

    The lower and the upper half of the lanes have an address each; they differ in a pass only.

    `read` says that the value read is wanted though nothing is written; only the assertion
    about collisions looks at it.
    """

    low_address: LANE_ADDRESS_BITS
    high_address: LANE_ADDRESS_BITS
    read: 1
    write: 1
    clear: 1  # write zero instead of the sum


class Operation(enum.Enum, shape=3):
    """Engine commands."""

    STEP = 0
    RESET = 1
    REPLAY = 2
    CONFIGURE = 3
    CHECK = 4
    TALLY = 5  # bring the counters up to date


class Mode(enum.Enum, shape=2):
    """When the readout is due."""

    LAST = 0
    SUM = 1
    EVERY = 2


CommandLayout = data.StructLayout(
    {
        "op": Operation,
        "due": 1,  # STEP: the caller wants an answer after this step
    }
)


def event_stream() -> stream.Signature:
    """Return the signature of a stream of events."""
    return stream.Signature(Event)
