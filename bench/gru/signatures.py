"""What the parts of the GRU core share: the kinds of pass, widths, tables, saturation."""

from typing import Any

from amaranth.hdl import Cat, Mux, Value, unsigned
from amaranth.lib import enum
from amaranth.lib.memory import Memory

from bench.gru.model import BIAS_BITS, TABLE_HALF, Integers

#: Bits of a column's number, the input's and the state's together.
COLUMN_BITS = 8
#: Bits of a unit's number.
UNIT_BITS = 8
#: Bits of a pre-activation and of a bias.
SUM_BITS = BIAS_BITS
#: Bits of a table's index.
INDEX_BITS = TABLE_HALF.bit_length()
ACTIVATION_BITS = 8


class Pass(enum.Enum, shape=3):  # type: ignore[call-arg]
    """A pass multiplies eight rows of one kind; a group of eight units takes the first four.

    The candidate's recurrent part and the reset gate come first, so that their product is ready
    when the update gate is.
    """

    CANDIDATE_STATE = 0
    RESET = 1
    CANDIDATE_INPUT = 2
    UPDATE = 3
    READOUT = 4


#: The passes of a group, in their order.
GATE_PASSES: tuple[Any, ...] = (Pass.CANDIDATE_STATE, Pass.RESET, Pass.CANDIDATE_INPUT, Pass.UPDATE)


def saturate(value: Value, bits: int) -> Value:
    """Return a signed value clipped to `bits` bits, as plain bits."""
    above = value[bits - 1 :]
    sign = value[-1]
    fits = ~above.any() | above.all()
    return Cat(Mux(fits, value[: bits - 1], (~sign).replicate(bits - 1)), sign)


def lookup_table(table: Integers) -> Memory:
    """Return a lookup table of 512 bytes, one block RAM, addressed by a signed index's bits."""
    indices = (*range(TABLE_HALF), *range(-TABLE_HALF, 0))
    words = [int(table[TABLE_HALF + index]) & 0xFF for index in indices]
    return Memory(shape=unsigned(8), depth=2 * TABLE_HALF, init=words)
