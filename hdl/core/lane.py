"""A lane: a column of accumulators and the one adder that changes them."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import ACCUMULATOR_WORDS
from hdl.core.signatures import DELTA_BITS, LANE_ADDRESS_BITS


class Lane(wiring.Component):
    """Read an accumulator, add plus, minus or no delta to it, write it back.

    One accumulator a cycle. The address and the weight come in one cycle, the sum is written
    at the end of the next, so a read sees every write but that of the cycle before:
    **assumption**, asserted in simulation by `Lanes`: no two consecutive cycles name the same
    address when the first of them writes.

    Members
    -------
    address : In(7)
        Accumulator to read.
    weight : In(2)
        1 adds `plus`, 3 adds `minus`, 0 adds nothing; arrives with `address`.
    plus, minus : In(signed(9))
        The event's delta and its negative; arrive with `address`.
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
    weight: In(2)
    plus: In(signed(DELTA_BITS))
    minus: In(signed(DELTA_BITS))
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
        term = Signal(signed(DELTA_BITS))
        active = self.weight[0].replicate(DELTA_BITS)
        m.d.sync += term.eq(active & Mux(self.weight[1], self.minus, self.plus))
        m.d.comb += [
            read.addr.eq(Cat(self.address, self.mute)),
            self.value.eq(read.data.as_signed()),
            write.addr.eq(self.write_address),
            write.data.eq(self.value + term),
            write.en.eq(self.write),
        ]
        return m
