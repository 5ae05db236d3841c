"""The tally: counts cycles by what they went to, and adds the counts to the 64-bit counters."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry
from hdl.core.readout import COUNTER_WORDS

#: Bits of a count. A command takes less than 2 ** COUNT_BITS - 2 ** FULL_BIT cycles: the walks of
#: an input and of a unit of each layer have 128 accumulators together, so at most 257 of each take
#: 257 times 128 cycles, and less than 1500 are around them.
COUNT_BITS = 16
#: A count that has this bit is to be added to its counter after the command.
FULL_BIT = COUNT_BITS - 2

#: Where the counts' counters are; the others are the link's (`hdl.link.commands`).
PLACES = {"cycles": 0, "events": 1, "adding": 4, "starved": 5, "reading": 6, "idle": 7}

#: Half-words of all counters.
HALVES = 4 * COUNTER_WORDS


class Tally(wiring.Component):
    """Count, and add the counts to the counters when told to.

    The counters of 64 bits lie in the readout's memory and use its adder, sixteen bits a cycle: a
    count here is a register of sixteen bits, added when it is half full or when somebody wants to
    read the counters. That takes `HALVES` cycles, at most once in 2 ** FULL_BIT, and counts as
    nothing.

    Members
    -------
    cycles, adding, starved, reading, idle : In(1)
        This cycle is one of a command's; lanes add events; nothing but to wait for an input;
        lanes are read by a pass; there is no command.
    even_event, odd_event : In(1)
        An event is walked.
    full : Out(1)
        A count is to be added, a cycle late.
    start : In(1)
        Add the counts, while none of them counts.
    pending : Out(1)
        From the cycle after `start` until all has been handed over.
    valid : Out(1)
        For `HALVES` cycles of these: `data` is what the counters' next half-word grows by.
    data : Out(16)
    """

    cycles: In(1)
    adding: In(1)
    starved: In(1)
    reading: In(1)
    idle: In(1)
    even_event: In(1)
    odd_event: In(1)
    full: Out(1)
    start: In(1)
    pending: Out(1)
    valid: Out(1)
    data: Out(16)

    def elaborate(self, platform):
        m = Module()
        # They survive a soft reset: what has been counted has happened.
        counts = {name: Signal(COUNT_BITS, name=name, reset_less=True) for name in PLACES}
        for name in ("cycles", "adding", "reading"):
            with m.If(getattr(self, name)):
                m.d.sync += counts[name].eq(counts[name] + 1)
        # A stream of inputs may stand still for as long as it likes, and so may the link in the
        # middle of an answer, when counts cannot be added.
        for name in ("starved", "idle"):
            with m.If(getattr(self, name) & ~counts[name][FULL_BIT:].all()):
                m.d.sync += counts[name].eq(counts[name] + 1)
        with m.If(self.even_event | self.odd_event):
            both = self.even_event & self.odd_event
            m.d.sync += counts["events"].eq(add_with_carry(counts["events"], both, Const(1, 1)))
        m.d.sync += self.full.eq(Cat(count[FULL_BIT:] for count in counts.values()).any())

        # Stage 0 counts half-words, stage 1 knows whose it is, stage 2 hands it over.
        half = Signal(range(HALVES), reset_less=True)
        going = Signal()
        going_1 = Signal()
        chosen = 0
        for name, place in PLACES.items():
            mine = Signal(name=f"is_{name}")
            m.d.sync += mine.eq(going & (half == 4 * place))
            chosen = chosen | Mux(mine, counts[name], 0)
            with m.If(mine):
                m.d.sync += counts[name].eq(0)
        m.d.comb += self.pending.eq(going | going_1 | self.valid)
        m.d.sync += [
            half.eq(half + 1),
            going_1.eq(going),
            self.valid.eq(going_1),
            self.data.eq(chosen),
        ]
        with m.If(half == HALVES - 1):
            m.d.sync += going.eq(0)
        with m.If(self.start):
            m.d.sync += [going.eq(1), half.eq(0)]
        return m
