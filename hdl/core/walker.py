"""The event walker: turns one event into the words of its source's column."""

from amaranth.hdl import Module, Mux, Signal, signed
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


class Walker(wiring.Component):
    """Walk the weight words of each event.

    The words of source i are at ``base + i``, ``base + i + sources``, and so on; they go to
    the accumulators from ``edge.accumulator`` upwards. One adder, no product.

    Latency: the first word is addressed in the cycle after the event is accepted. Throughput:
    one word a cycle; the next event is accepted in the cycle of the last word, so that events
    follow one another without a gap. An event has two words at least (`models.image.MIN_WALK`).

    Members
    -------
    events : In(stream of Event)
    edge : In(EdgeConfig)
        Edge to walk; stable while events are walked.
    sources : In(9)
        Its sources: the distance between an event's words.
    store_address : Out(16)
        Word to read; zero while idle.
    accumulator : Out(7)
        Accumulator that the word belongs to; zero while idle.
    delta : Out(signed(9))
        The event's delta; zero while idle.
    busy : Out(1)
        A word is addressed in this cycle.
    """

    events: In(event_stream())
    edge: In(EdgeConfig)
    sources: In(SOURCE_BITS)
    store_address: Out(STORE_ADDRESS_BITS)
    accumulator: Out(LANE_ADDRESS_BITS)
    delta: Out(signed(DELTA_BITS))
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        # Whether the walker can take an event is a register: everything upstream hangs on it.
        free = Signal(init=1)
        address = Signal(STORE_ADDRESS_BITS)
        m.d.comb += [
            self.events.ready.eq(free),
            self.store_address.eq(address),
        ]
        augend = Mux(free, self.edge.base, address)
        addend = Mux(free, self.events.payload.source, self.sources)
        m.d.sync += address.eq(augend + addend)
        with m.If(free):
            m.d.sync += [
                self.busy.eq(self.events.valid),
                self.delta.eq(self.events.payload.delta),
                self.accumulator.eq(self.edge.accumulator),
                free.eq(~self.events.valid),
            ]
            with m.If(~self.events.valid):
                m.d.sync += [address.eq(0), self.accumulator.eq(0), self.delta.eq(0)]
        with m.Else():
            m.d.sync += [
                self.accumulator.eq(self.accumulator + 1),
                free.eq(self.accumulator == self.edge.before_last),
            ]
        return m
