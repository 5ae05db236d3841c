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
    while nothing changes; a changed byte waits while an event of the same parity waits before it.
    Inputs are numbered from I down to 1, as their weights lie in the store.

    Where two events are walked at a time, one that is alone is offered a cycle later if a byte of
    the other parity is being compared then: a walk of two costs no more than of one.

    Parameters
    ----------
    at_once : int
        Events that are walked at a time, 1 or 2.

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
    even, odd : Out(stream of Event)
        Events of even and of odd inputs.
    holds : Out(1)
        An event is held back in this cycle.
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
    even: Out(event_stream())
    odd: Out(event_stream())
    holds: Out(1)
    changed: Out(1)
    busy: Out(1)
    starved: Out(1)

    def __init__(self, at_once: int = 2) -> None:
        self.at_once = at_once
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=unsigned(8), depth=INPUT_WORDS, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()

        # A byte that cannot go on waits in a register of its own, so that `ready` comes from
        # registers: the link's buffer hangs on it.
        spare = Signal(signed(8), reset_less=True)
        spare_valid = Signal()
        accepting = Signal()
        arrives = Signal()
        available = Signal()
        m.d.comb += [
            self.bytes.ready.eq(accepting & ~spare_valid),
            arrives.eq(self.bytes.valid & self.bytes.ready),
            available.eq(spare_valid | arrives),
        ]

        # Stage 0 reads a byte's predecessor, stage 1 compares, stage 2 offers. The count of the
        # bytes to come is the input's number.
        remaining = Signal(SOURCE_BITS, reset_less=True)
        last = Signal(reset_less=True)
        taking = Signal()
        accept = Signal()
        move = Signal()
        value = Signal(signed(8), reset_less=True)
        value_index = Signal(SOURCE_BITS, reset_less=True)
        value_valid = Signal()
        streams = (self.even, self.odd)
        # An event that is there is offered, unless it is held back.
        there = [Signal(name=f"there_{name}") for name in ("even", "odd")]
        hold = self.holds
        stuck = Signal()
        # Two that are walked at a time are taken at the same time.
        free = self.even.ready
        if self.at_once == 1:
            free = Mux(value_index[0], self.odd.ready, self.even.ready)
        offered = Signal()
        blocked = [Signal(name=f"blocked_{name}") for name in ("even", "odd")]
        m.d.comb += [
            offered.eq(there[0] | there[1]),
            *(
                to.eq(some & ~events.ready)
                for to, some, events in zip(blocked, there, streams, strict=True)
            ),
            *(events.valid.eq(some & ~hold) for some, events in zip(there, streams, strict=True)),
            # A byte waits for its own way only. What is held back is not in its way, for it is of
            # the other parity.
            stuck.eq(value_valid & Mux(value_index[0], there[1], there[0])),
            move.eq(free | ~stuck),
            # Not in the cycle in which the way becomes free, either: that would be a long path, and
            # a walk lasts longer.
            accept.eq(available & taking & ~stuck),
            self.busy.eq(taking | value_valid | offered),
            self.starved.eq(taking & ~value_valid & ~offered & ~available),
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
        m.d.sync += [
            spare_valid.eq(available & ~accept),
            # While nothing is spare, the byte that arrives is the one that goes on next.
            accepting.eq(self.start | (accepting & ~(arrives & last))),
        ]
        with m.If(~spare_valid):
            m.d.sync += spare.eq(self.bytes.payload)
        with m.If(move):
            m.d.sync += [
                value_valid.eq(accept),
                value.eq(Mux(spare_valid, spare, self.bytes.payload)),
                value_index.eq(remaining),
            ]
        event = Signal()
        m.d.comb += event.eq(value_valid & (value ^ previous).any())
        for parity, events in enumerate(streams):
            with m.If(~blocked[parity] & ~(there[parity] & hold)):
                m.d.sync += [
                    there[parity].eq(event & (value_index[0] == parity)),
                    events.payload.source.eq(value_index[1:]),
                    events.payload.delta.eq(delta),
                ]
        m.d.sync += taking.eq(self.start | (taking & ~(accept & last)))
        with m.If(accept):
            m.d.sync += [
                remaining.eq(remaining - 1),
                last.eq(remaining == 2),
            ]
        if self.at_once == 2:
            m.d.sync += hold.eq(event & accept & ~offered)
        with m.If(offered):
            m.d.sync += self.changed.eq(1)
        with m.If(self.start):
            m.d.sync += [
                remaining.eq(self.count),
                last.eq(self.count == 1),
                self.changed.eq(0),
            ]
        return m
