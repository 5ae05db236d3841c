"""The input front: keeps the previous input and turns a step's bytes into events."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import DELTA_BITS, SOURCE_BITS, event_stream

INPUT_WORDS = 512


class InputFront(wiring.Component):
    """Compare each input byte with the one of the step before; a difference is an event.

    Latency: an event is offered two cycles after its byte. Throughput: one byte a cycle
    while nothing changes; a changed byte waits until its event is taken, one byte ahead of
    the walker. Inputs are numbered from I down to 1, as their weights lie in the store.

    Members
    -------
    bytes : In(stream of signed(8))
        The step's inputs in order; taken only between `start` and the last one.
    start : In(1)
        Begin a step of `count` bytes.
    count : In(9)
        Inputs I of the network.
    fresh : In(1)
        The previous input is zero whatever the memory holds (first step after a reset).
    events : Out(stream of Event)
    changed : Out(1)
        An event was made since `start`.
    busy : Out(1)
        From `start` until the last byte's event, if any, is taken.
    starved : Out(1)
        There is nothing to do but to wait for a byte.
    """

    bytes: In(stream.Signature(signed(8)))
    start: In(1)
    count: In(SOURCE_BITS)
    fresh: In(1)
    events: Out(event_stream())
    changed: Out(1)
    busy: Out(1)
    starved: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=unsigned(8), depth=INPUT_WORDS, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()

        # Stage 0 reads a byte's predecessor, stage 1 compares, stage 2 offers. The count of the
        # bytes to come is the input's number.
        remaining = Signal(SOURCE_BITS, reset_less=True)
        taking = Signal()
        accept = Signal()
        move = Signal()
        value = Signal(signed(8), reset_less=True)
        value_index = Signal(SOURCE_BITS, reset_less=True)
        value_valid = Signal()
        m.d.comb += [
            move.eq(~self.events.valid | self.events.ready),
            self.bytes.ready.eq(taking & move),
            accept.eq(self.bytes.valid & self.bytes.ready),
            self.busy.eq(taking | value_valid | self.events.valid),
            self.starved.eq(taking & ~value_valid & ~self.events.valid & ~self.bytes.valid),
            read.addr.eq(remaining),
            read.en.eq(move),
        ]
        previous = Signal(signed(8))
        delta = Signal(signed(DELTA_BITS))
        m.d.comb += [
            previous.eq(Mux(self.fresh, 0, read.data.as_signed())),
            delta.eq(value - previous),
            write.addr.eq(value_index),
            write.data.eq(value),
            write.en.eq(value_valid & move),
        ]
        with m.If(move):
            m.d.sync += [
                value_valid.eq(accept),
                value.eq(self.bytes.payload),
                value_index.eq(remaining),
                self.events.valid.eq(value_valid & (value != previous)),
                self.events.payload.source.eq(value_index),
                self.events.payload.delta.eq(delta),
            ]
        with m.If(accept):
            m.d.sync += [remaining.eq(remaining - 1), taking.eq(remaining != 1)]
        with m.If(self.events.valid):
            m.d.sync += self.changed.eq(1)
        with m.If(self.start):
            m.d.sync += [
                remaining.eq(self.count),
                taking.eq(1),
                self.changed.eq(0),
            ]
        return m
