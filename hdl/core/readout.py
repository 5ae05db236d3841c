"""The readout: logits or their running sums into the score memory, and the label."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry
from hdl.core.signatures import SCORE_ADDRESS_BITS, SUM_BITS

#: Counters of 64 bits, four half-words each, behind the scores of 112 outputs, and the address of
#: the first one.
COUNTER_WORDS = 8
COUNTERS = (1 << SCORE_ADDRESS_BITS) - 4 * COUNTER_WORDS


class Readout(wiring.Component):
    """Store finished pairs of logits as 32-bit scores, find the largest, keep the counters.

    A score is two half-words, the low one first, so a pair takes four cycles; its sums must
    stand for these (the image gives the readout's pairs three idle slots). Latency: the label
    is final seven cycles after the last pair. The lowest index wins a tie.

    The 64-bit counters lie in the same memory and use the same adder, sixteen bits a cycle
    (`hdl.core.tally`).

    Members
    -------
    start : In(1)
        A readout or a tally begins: score address 0, no label yet.
    complete : In(1)
        A pair of sums stands at the input.
    even_sum, odd_sum : In(signed(24))
    outputs : In(8)
        Outputs C; a last pair's odd row beyond C is neither stored nor labelled.
    accumulate : In(1)
        Add to the stored scores instead of replacing them.
    tally : In(1)
        After `start`, high for as many cycles as the counters have half-words: add `tally_data` to
        the next one.
    tally_data : In(16)
    label : Out(8)
        Index of the largest score so far.
    busy : Out(1)
        A pair is being stored.
    address : In(8)
        Half-word to read or write for the link, while idle.
    data : Out(16)
        Half-word read, one cycle after `address`.
    write : In(1)
        While idle: write to `address`, one cycle later.
    write_data : In(16)
    """

    start: In(1)
    complete: In(1)
    even_sum: In(signed(SUM_BITS))
    odd_sum: In(signed(SUM_BITS))
    outputs: In(8)
    accumulate: In(1)
    tally: In(1)
    tally_data: In(16)
    label: Out(8)
    busy: Out(1)
    address: In(SCORE_ADDRESS_BITS)
    data: Out(16)
    write: In(1)
    write_data: In(16)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=unsigned(16), depth=256, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        m.d.comb += self.data.eq(read.data)

        # Stage 0: choose a half-word to add and read the stored one.
        phase = Signal(2)
        pair = Signal(SCORE_ADDRESS_BITS - 2)
        active = Signal()
        storing = Signal()
        low = Signal()
        half = Signal(16)
        m.d.comb += [active.eq(self.complete | storing), low.eq(~phase[1])]
        with m.If(active | self.tally):
            m.d.sync += [phase.eq(phase + 1), storing.eq(active & (phase != 3))]
            with m.If(phase == 3):
                m.d.sync += pair.eq(pair + 1)
        # Gates, not multiplexers: whoever is not asked is zero.
        sums = []
        for total, chosen in ((self.even_sum, low), (self.odd_sum, ~low)):
            part = Mux(phase[0], total[16:].as_signed(), total[:16].as_signed())
            sums.append(part & (active & chosen).replicate(16).as_signed())
        idle = Mux(self.tally, self.tally_data, self.write_data)
        m.d.comb += half.eq(sums[0] | sums[1] | (idle & (~active).replicate(16)))
        with m.If(self.tally):
            counter = pair[: (COUNTER_WORDS - 1).bit_length()]
            m.d.comb += read.addr.eq(COUNTERS | Cat(phase, counter))
        with m.Else():
            m.d.comb += read.addr.eq(Mux(active, Cat(phase, pair), self.address))
        addend = Signal(16, reset_less=True)
        address_1 = Signal(SCORE_ADDRESS_BITS, reset_less=True)
        keep_1 = Signal(reset_less=True)
        chain = Signal()
        valid_1 = Signal()
        tally_1 = Signal()
        write_1 = Signal()
        m.d.sync += [
            addend.eq(half),  # while idle, what the link may write
            write_1.eq(self.write),
            address_1.eq(read.addr),
            keep_1.eq((self.accumulate & active) | self.tally),
            valid_1.eq(active & (Cat(phase[1], pair) < self.outputs)),
            tally_1.eq(self.tally),
        ]

        m.d.comb += chain.eq(phase[0] | (self.tally & phase[1]))

        # Stage 1: add and write back. The carry is for the half-word in stage 0, if it belongs to
        # the same number.
        carry = Signal(reset_less=True)
        total = Signal(17)
        m.d.comb += [
            total.eq(add_with_carry(read.data & keep_1.replicate(16), addend, carry)),
            write.addr.eq(address_1),
            write.data.eq(total[:16]),
            write.en.eq(valid_1 | tally_1 | write_1),
        ]
        not_value = Signal(16, reset_less=True)  # inverted, ready to be subtracted
        row = Signal(SCORE_ADDRESS_BITS - 1, reset_less=True)
        high = Signal(reset_less=True)
        valid_2 = Signal()
        valid_high = Signal()
        m.d.sync += [
            carry.eq(total[16] & chain),
            not_value.eq(~total[:16]),
            row.eq(address_1[1:]),
            high.eq(address_1[0]),
            valid_2.eq(valid_1),
            valid_high.eq(valid_1 & address_1[0]),
        ]

        # Stage 2: compare with the largest so far, the low half first; the first of equals stays.
        # Whether a score has won is known a cycle later: until the next one has been compared, the
        # largest is still among the values that went by. Its halves change places in each cycle,
        # so that the one wanted is always the same register.
        best = Signal(16, reset_less=True)
        best_other = Signal(16, reset_less=True)
        not_passed_1 = Signal(16, reset_less=True)
        passed_2 = Signal(16, reset_less=True)
        won = Signal(reset_less=True)
        decided = Signal()
        largest = Signal(16)
        carry_in = Signal(reset_less=True)  # ones for a low half: it borrows nothing
        larger = Signal()
        some = Signal()
        row_3 = Signal(SCORE_ADDRESS_BITS - 1, reset_less=True)
        # The sign counts the other way round.
        sign = Cat(Const(0, 15), high)
        m.d.comb += [
            largest.eq(Mux(won, passed_2, best)),
            # Both are compared, so that the choice does not come before the carries.
            larger.eq(
                ~Mux(
                    won,
                    *(
                        add_with_carry(other ^ sign, not_value ^ sign, carry_in)[16]
                        for other in (passed_2, best)
                    ),
                )
            ),
        ]
        with m.If(valid_2):
            m.d.sync += [
                carry_in.eq(high | ~larger),
                not_passed_1.eq(not_value),
                passed_2.eq(~not_passed_1),
                best.eq(best_other),
                best_other.eq(largest),
            ]
        m.d.sync += decided.eq(valid_high)
        with m.If(valid_high):
            m.d.sync += [won.eq(larger | ~some), some.eq(1), row_3.eq(row)]
        with m.If(decided & won):
            m.d.sync += self.label.eq(row_3)
        # Busy for a fixed time, whatever the scores are: the emulator counts the same cycles.
        behind = Signal(3)
        m.d.sync += [behind.eq(Cat(active, behind)), self.busy.eq(active | behind.any())]
        with m.If(self.start):
            m.d.sync += [pair.eq(0), phase.eq(0), some.eq(0)]
        return m
