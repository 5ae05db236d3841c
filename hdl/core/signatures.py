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


class Event(data.Struct):
    """A source whose value changed, and by how much."""

    source: SOURCE_BITS
    delta: signed(DELTA_BITS)


class EdgeConfig(data.Struct):
    """A block of weights to walk (see `models.layout.Edge`): the word of source i is at
    ``base + i``, so `base` is shifted for sources that are not numbered from zero on."""

    base: STORE_ADDRESS_BITS
    accumulator: LANE_ADDRESS_BITS
    before_last: LANE_ADDRESS_BITS  # accumulator of the last word but one


class PassConfig(data.Struct):
    """A pass over the rows of a layer, or of the readout."""

    units: SOURCE_BITS
    last_slot: 3
    accumulator: LANE_ADDRESS_BITS
    groups: LANE_ADDRESS_BITS


class Parameter(data.Struct):
    """A parameter word: one slot of a pair of rows (see `models.image`)."""

    bias: 16  # even row's in slot 0, odd row's in slot 1
    even_shift: 3
    odd_shift: 3
    add: 1
    complete: 1


class LaneControl(data.Struct):
    """What all lanes do: read an accumulator, and write its sum or zero back a cycle later.

    `read` says that the value read is wanted though nothing is written; only the assertion
    about collisions looks at it.
    """

    address: LANE_ADDRESS_BITS
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
