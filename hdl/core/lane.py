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

    Of one event a cycle, the members named odd do not exist, whatever the source's parity, and
    the weight comes with the address: there are no terms to be added first.

    Parameters
    ----------
    events : int
        Events a cycle, 2 or 1.

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

    def __init__(self, events: int = 2):
        self.names = ("even", "odd")[:events]
        deltas = {}
        for name in self.names:
            deltas[f"{name}_weight"] = In(2)
            deltas[f"{name}_plus"] = deltas[f"{name}_minus"] = In(signed(DELTA_BITS))
        super().__init__(
            {
                "address": In(LANE_ADDRESS_BITS),
                "mute": In(1),
                **deltas,
                "write": In(1),
                "write_address": In(LANE_ADDRESS_BITS),
                "value": Out(signed(16)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=unsigned(16), depth=2 * ACCUMULATOR_WORDS, init=[]
        )
        read = memory.read_port(transparent_for=())
        write = memory.write_port()

        # A four-input function of each bit: one logic cell, flip-flop included. (Gates, because
        # Yosys would make a multiplexer's zero a synchronous reset and spend a cell on inverting.)
        terms = []
        for name in self.names:
            term = Signal(signed(DELTA_BITS), name=f"{name}_term")
            weight = getattr(self, f"{name}_weight")
            plus, minus = getattr(self, f"{name}_plus"), getattr(self, f"{name}_minus")
            m.d.sync += term.eq(weight[0].replicate(DELTA_BITS) & Mux(weight[1], minus, plus))
            terms.append(term)
        if len(terms) == 2:
            both = Signal(signed(DELTA_BITS + 1))
            m.d.sync += both.eq(terms[0] + terms[1])
        else:
            both = terms[0]
        m.d.comb += [
            read.addr.eq(Cat(self.address, self.mute)),
            self.value.eq(read.data.as_signed()),
            write.addr.eq(self.write_address),
            write.data.eq(self.value + both),
            write.en.eq(self.write),
        ]
        return m
