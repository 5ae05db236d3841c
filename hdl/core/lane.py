"""A lane: a column of accumulators and the adders that change them."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import ACCUMULATOR_WORDS
from hdl.core.signatures import DELTA_BITS, LANE_ADDRESS_BITS


class Lane(wiring.Component):
    """Read an accumulator, add plus, minus or none of two deltas to it, write it back.

    One accumulator and two events a cycle. The weights come a cycle before the address, and the
    sum is written at the end of the cycle after that, so a read sees every write but that of the
    cycle before:
    **assumption**, asserted in simulation by `Lanes`: no two consecutive cycles name the same
    address when the first of them writes.

    Members
    -------
    address : In(7)
        Accumulator to read.
    even_weight, odd_weight : In(2)
        1 adds `plus`, 3 adds `minus`, 0 adds nothing; arrive a cycle before `address`.
    even_plus, even_minus, odd_plus, odd_minus : In(signed(9))
        The events' deltas and their negatives; arrive with the weights.
    write, write_address : In
        One cycle after `address`: write the sum back to it.
    mute : In(1)
        With `address`: read zero instead. The address's highest bit leads to the upper half of
        the block RAM, which is never written.
    value : Out(signed(16))
        The accumulator that `address` named in the cycle before.
    """

    address: In(LANE_ADDRESS_BITS)
    mute: In(1)
    even_weight: In(2)
    odd_weight: In(2)
    even_plus: In(signed(DELTA_BITS))
    even_minus: In(signed(DELTA_BITS))
    odd_plus: In(signed(DELTA_BITS))
    odd_minus: In(signed(DELTA_BITS))
    write: In(1)
    write_address: In(LANE_ADDRESS_BITS)
    value: Out(signed(16))

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=unsigned(16), depth=2 * ACCUMULATOR_WORDS, init=[]
        )
        read = memory.read_port(transparent_for=())
        write = memory.write_port()

        # A four-input function of each bit: one logic cell, flip-flop included. (Gates, because
        # Yosys would make a multiplexer's zero a synchronous reset and spend a cell on inverting.)
        even_term = Signal(signed(DELTA_BITS))
        odd_term = Signal(signed(DELTA_BITS))
        term = Signal(signed(DELTA_BITS + 1))
        for to, weight, plus, minus in (
            (even_term, self.even_weight, self.even_plus, self.even_minus),
            (odd_term, self.odd_weight, self.odd_plus, self.odd_minus),
        ):
            m.d.sync += to.eq(weight[0].replicate(DELTA_BITS) & Mux(weight[1], minus, plus))
        m.d.sync += term.eq(even_term + odd_term)
        m.d.comb += [
            read.addr.eq(Cat(self.address, self.mute)),
            self.value.eq(read.data.as_signed()),
            write.addr.eq(self.write_address),
            write.data.eq(self.value + term),
            write.en.eq(self.write),
        ]
        return m
