"""The event walker of an engine that takes one event a cycle."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import (
    DELTA_BITS,
    LANE_ADDRESS_BITS,
    SOURCE_BITS,
    STORE_ADDRESS_BITS,
    EdgeConfig,
    event_stream,
)


class OneEventWalker(wiring.Component):
    """Walk the weight words of one source's event after the other.

    The words of source s are at ``base + s``, one stride further, and so on; they go to the
    accumulators from `first` upwards. Where an even and an odd source's event are
    offered, the even one is first.

    Latency, throughput and the least words of an event: see `hdl.core.walker.Walker`.

    Members
    -------
    even, odd : In(stream of Event)
        The odd one is ready while the even one has nothing to offer.
    edge : In(EdgeConfig)
        Edge to walk; stable while events are walked.
    first : In(7)
        Its first accumulator; stable, too.
    sources : In(9)
        Its sources: the distance between an event's words.
    address : Out(16)
        Word to read; zero while idle.
    accumulator : Out(7)
        Accumulator that the word belongs to; zero while idle.
    delta : Out(signed(9))
        The event's delta; zero while idle.
    busy : Out(1)
        A word is addressed in this cycle.
    """

    even: In(event_stream())
    odd: In(event_stream())
    edge: In(EdgeConfig)
    first: In(LANE_ADDRESS_BITS)
    sources: In(SOURCE_BITS)
    address: Out(STORE_ADDRESS_BITS)
    accumulator: Out(LANE_ADDRESS_BITS)
    delta: Out(signed(DELTA_BITS))
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        free = Signal(init=1)
        some = Signal()
        source = Signal(SOURCE_BITS)
        delta = Signal(signed(DELTA_BITS))
        m.d.comb += [
            self.even.ready.eq(free),
            self.odd.ready.eq(free & ~self.even.valid),
            some.eq(self.even.valid | self.odd.valid),
        ]
        with m.If(self.even.valid):
            m.d.comb += [
                source.eq(Cat(Const(0, 1), self.even.payload.source)),
                delta.eq(self.even.payload.delta),
            ]
        with m.Else():
            m.d.comb += [
                source.eq(Cat(Const(1, 1), self.odd.payload.source)),
                delta.eq(self.odd.payload.delta),
            ]
        # One adder.
        augend = Mux(free, self.edge.base, self.address)
        addend = Mux(free, source, self.sources)
        m.d.sync += self.address.eq(augend + addend)
        with m.If(free):
            m.d.sync += [
                self.busy.eq(some),
                self.accumulator.eq(self.first),
                self.delta.eq(delta),
                free.eq(~some),
            ]
            with m.If(~some):
                m.d.sync += [self.address.eq(0), self.accumulator.eq(0), self.delta.eq(0)]
        with m.Else():
            m.d.sync += [
                self.accumulator.eq(self.accumulator + 1),
                free.eq(self.accumulator == self.edge.before_last),
            ]
        return m
