"""The lanes: an accumulator is the sum of its deltas, and never leaves 16 bits."""

from amaranth.hdl import Cat, Const, Mux, Signal, signed

from hdl.core.lane import Lane
from hdl.core.lanes import Lanes
from hdl.core.parameters import EngineParameters
from hdl.core.signatures import DELTA_BITS
from models.image import MIN_LANES
from sim.mutants import Mutant
from sim.proofs.base import Harness, Proof, implies

#: Largest magnitude of a source's value (M at hb = 7), and of the sum of all a row may have.
LARGEST = 127
MOST_SOURCES = 257
WIDE = 24


class AccumulatorHarness(Harness):
    """Any events, any weights, and one accumulator of the first lane looked at.

    The accumulator's exact sum is kept beside it, in two parts: what one source contributes,
    and what all others do. The source is any one: what is shown about its part is true of
    each part of the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        m = self.m
        lanes = Lanes(EngineParameters(lanes=MIN_LANES))
        inside = self.add("dut", lanes)
        self.free_inputs(lanes)
        control = lanes.control
        watched = self.rigid(7, "watched")
        is_odd = self.rigid(1, "is_odd")  # the one source
        weight = self.rigid(2, "weight")  # of the one source, into the accumulator looked at

        # The lane's assumption, `collision` shows it; and `Lanes`: a delta of zero while clearing.
        touched = self.before(control.write)
        used = control.write | control.read
        for address in (control.low_address, control.high_address):
            self.assume(~(touched & used & (address == self.before(address))))
        self.assume(~(control.read & control.write))
        for delta in (lanes.even_delta, lanes.odd_delta):
            self.assume(~control.clear | (control.write & (delta == 0)))
            self.assume((delta >= -2 * LARGEST) & (delta <= 2 * LARGEST))
        # The event that may be the one source's, and the one beside it.
        delta, beside = Signal(signed(DELTA_BITS)), Signal(signed(DELTA_BITS))
        m.d.comb += [
            delta.eq(Mux(is_odd, lanes.odd_delta, lanes.even_delta)),
            beside.eq(Mux(is_odd, lanes.even_delta, lanes.odd_delta)),
        ]

        # The one source's events lead from its value to another one, in its range.
        mine = Signal()
        value = Signal(signed(8))
        new_value = Signal(signed(8))
        self.free(mine)
        self.free(new_value)
        self.assume((new_value >= -LARGEST) & (new_value <= LARGEST))
        here = Signal()
        m.d.comb += here.eq(control.write & (control.low_address == watched))
        self.assume(implies(here & mine & ~control.clear, delta == new_value - value))
        mine_late = self.before(mine)
        here_late = self.before(here)
        clear_late = self.before(control.clear)
        delta_late, beside_late = Signal(signed(DELTA_BITS)), Signal(signed(DELTA_BITS))
        m.d.sync += [delta_late.eq(delta), beside_late.eq(beside)]
        # The weights come a cycle after the events' words are addressed.
        words = (lanes.weights[0], lanes.weights[MIN_LANES])
        coming, coming_beside = Mux(is_odd, words[1], words[0]), Mux(is_odd, words[0], words[1])
        self.assume(implies(here_late & mine_late & ~clear_late, coming == weight))
        with m.If(here):
            with m.If(control.clear):
                m.d.sync += value.eq(0)
            with m.Elif(mine):
                m.d.sync += value.eq(new_value)

        def times(trit, number):
            """Return a trit (1, 3 is -1, else 0) times a number, without a product."""
            return Mux(trit == 1, number, Mux(trit == 3, -number, 0))

        part = Signal(signed(WIDE))
        rest = Signal(signed(WIDE))
        with m.If(here_late):
            with m.If(clear_late):
                m.d.sync += [part.eq(0), rest.eq(0)]
            with m.Elif(mine_late):
                m.d.sync += [
                    part.eq(part + times(weight, delta_late)),
                    rest.eq(rest + times(coming_beside, beside_late)),
                ]
            with m.Else():
                m.d.sync += rest.eq(
                    rest + times(coming, delta_late) + times(coming_beside, beside_late)
                )
        value_late = self.before(value)
        self.claim((value >= -LARGEST) & (value <= LARGEST), "a source's value is out of its range")
        self.claim(part == times(weight, value_late), "a part is not weight times value")
        self.claim((part >= -LARGEST) & (part <= LARGEST), "a part is larger than a value")
        bound = LARGEST * (MOST_SOURCES - 1)
        self.assume((rest >= -bound) & (rest <= bound))

        total = Signal(signed(WIDE))
        m.d.comb += total.eq(part + rest)
        word = inside.word("lane0.memory", Cat(watched, Const(0, 1)))
        self.assume(self.past | (word == 0))
        self.claim(
            word.as_signed() == self.before(total, 2), "an accumulator is not the sum of its deltas"
        )
        self.claim((total >= -(1 << 15)) & (total < 1 << 15), "an accumulator overflows")

        # A pass reads it: the other lanes deliver zero, from the upper half of their memories.
        for lane in range(MIN_LANES):
            upper = inside.word(f"lane{lane}.memory", Cat(watched, Const(1, 1)))
            self.assume(self.past | (upper == 0))
            self.claim(upper == 0, "the upper half of a lane's memory is not zero")
        wanted = control.read & (lanes.select == 0) & (control.low_address == watched)
        self.claim(
            implies(self.before(wanted, 4), lanes.low_even == self.before(total, 3)),
            "a pass reads something else",
        )
        self.see(self.before(wanted, 4) & (part < 0) & (rest > LARGEST), "a sum is read")
        self.see((part == LARGEST) & (weight == 3), "a value of -M with a weight of -1")
        self.see(
            self.before(here & control.clear, 2) & (total == 0) & self.before(total != 0),
            "a sum is cleared",
        )


PROOFS = (
    Proof(
        name="accumulators",
        claim=f"An accumulator is the exact sum of weight times value over its sources, whatever "
        f"the order of events, and stays in 16 bits with at most {MOST_SOURCES} sources; a "
        f"pass reads it.",
        harness=AccumulatorHarness,
        depth=5,
        method=f"Any one source's part is at most {LARGEST}, which is shown without looking at "
        f"the others; so the others' parts, {MOST_SOURCES - 1} of them, add up to at most "
        f"{LARGEST * (MOST_SOURCES - 1)}: that is assumed. Any address of the first lane.",
        cover=12,
        mutants={
            Mutant(
                "minus delta is its complement",
                Lanes,
                "minus.eq(~(delta - 1))",
                "minus.eq(~delta)",
            ): 8,
            Mutant(
                "clearing reads the accumulator",
                Lanes,
                "self.control.clear | (self.control.read",
                "(self.control.read",
            ): 10,
            Mutant(
                "accumulators of fifteen bits and no sign",
                Lane,
                "self.value.eq(read.data.as_signed())",
                "self.value.eq(read.data[:15])",
            ): 10,
            Mutant(
                "the two deltas' sum has nine bits",
                Lane,
                "both = Signal(signed(DELTA_BITS + 1))",
                "both = Signal(signed(DELTA_BITS))",
            ): 8,
            Mutant(
                "a pass reads all lanes",
                Lanes,
                "(self.control.read & (self.select != pair))",
                "(self.control.read & 0)",
            ): 10,
        },
    ),
)
