"""The event walker: turns events into the words of their sources' columns."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry
from hdl.core.signatures import (
    DELTA_BITS,
    HALF_SOURCE_BITS,
    LANE_ADDRESS_BITS,
    STORE_ADDRESS_BITS,
    EdgeConfig,
    event_stream,
)


class Walker(wiring.Component):
    """Walk the weight words of an even and an odd source's events at the same time.

    The words of source s are at ``base + s div 2``, one `stride` further, and so on; they go to
    the accumulators from `first` upwards. What is there when the walker is free is walked, both
    events or one. One adder for each, no product.

    Latency: the first word is addressed in the cycle after the events are accepted. Throughput:
    one word a cycle; the next events are accepted in the cycle of the last word, so that they
    follow one another without a gap. An event has two words at least (`models.image.MIN_WALK`).

    Members
    -------
    even, odd : In(stream of Event)
        Both ready at the same time.
    edge : In(EdgeConfig)
        Edge to walk; stable while events are walked.
    first : In(7)
        Its first accumulator; stable, too.
    half_sources : In(8)
        Its sources div 2; one more is the distance between an event's words.
    even_address, odd_address : Out(16)
        Words to read; zero while idle.
    accumulator : Out(7)
        Accumulator that the words belong to; zero while idle.
    even_delta, odd_delta : Out(signed(9))
        The events' deltas; zero while idle, or where there is no event.
    busy : Out(1)
        Words are addressed in this cycle.
    """

    even: In(event_stream())
    odd: In(event_stream())
    edge: In(EdgeConfig)
    first: In(LANE_ADDRESS_BITS)
    half_sources: In(HALF_SOURCE_BITS)
    even_address: Out(STORE_ADDRESS_BITS)
    odd_address: Out(STORE_ADDRESS_BITS)
    accumulator: Out(LANE_ADDRESS_BITS)
    even_delta: Out(signed(DELTA_BITS))
    odd_delta: Out(signed(DELTA_BITS))
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        # Whether the walker can take events is a register: everything upstream hangs on it.
        free = Signal(init=1)
        some = Signal()
        m.d.comb += [
            self.even.ready.eq(free),
            self.odd.ready.eq(free),
            some.eq(self.even.valid | self.odd.valid),
        ]
        for events, address, delta in (
            (self.even, self.even_address, self.even_delta),
            (self.odd, self.odd_address, self.odd_delta),
        ):
            augend = Mux(free, self.edge.base, address)
            addend = Mux(free, events.payload.source, self.half_sources)
            m.d.sync += address.eq(add_with_carry(augend, Cat(addend, Const(0, 8)), ~free))
            with m.If(free):
                m.d.sync += delta.eq(
                    events.payload.delta & events.valid.replicate(DELTA_BITS).as_signed()
                )
                with m.If(~some):
                    m.d.sync += address.eq(0)
        with m.If(free):
            m.d.sync += [
                self.busy.eq(some),
                self.accumulator.eq(self.first),
                free.eq(~some),
            ]
            with m.If(~some):
                m.d.sync += self.accumulator.eq(0)
        with m.Else():
            m.d.sync += [
                self.accumulator.eq(self.accumulator + 1),
                free.eq(self.accumulator == self.edge.before_last),
            ]
        return m
