"""The event lists: what changed in a gate pass, until it has been walked."""

from amaranth.hdl import Assert, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import (
    DELTA_BITS,
    SOURCE_BITS,
    STATE_ADDRESS_BITS,
    Event,
    event_stream,
)

#: Entries of a list; the even and the odd units' lists share a block RAM.
LIST_WORDS = 128
COUNT_BITS = 8


class ListEntry(data.Struct):
    """A unit that changed, and by how much: 16 bits, one block RAM word.

    Even and odd units have a list each, so the unit's number (where its state lies) comes without
    its lowest bit.
    """

    half_unit: unsigned(7)
    delta: signed(DELTA_BITS)


class EventList(wiring.Component):
    """Collect the units that change in a pass, and offer them as events, in order.

    Even and odd units have a list and a stream each. One entry a cycle is read, of the one list
    and of the other in turn: an event takes two cycles at least (`models.layout.MIN_WALK`), so
    that is no loss. Draining may begin while units are still appended. Where two events are walked
    at a time, one that is alone is offered a cycle later if an entry of the other list follows.

    Latency: the first event is offered four cycles after `drain`. Throughput: one append a
    cycle, an event of either stream every second cycle. **Assumption**: a pass appends at most
    128 entries of either kind, and none while states are replayed (asserted).

    Parameters
    ----------
    at_once : int
        Events that are walked at a time, 1 or 2.

    Members
    -------
    append : In(1)
        Store `entry` at the end of the list of its parity, `odd`.
    odd : In(1)
    entry : In(ListEntry)
    clear : In(1)
        Empty the lists.
    drain : In(1)
        Begin to offer all entries.
    more : In(1)
        Entries were appended in the cycle before, or will be: draining does not end.
    replay : In(1)
        While draining: offer every unit below `units` whose state is not zero, with its state
        as delta, instead of the lists.
    units, state_base : In
        Units of the layer, and where its states begin.
    state_address : Out(8)
        State memory address; zero while nothing is replayed.
    state_data : In(signed(8))
        State read, a cycle later.
    state_hold : Out(1)
        Hold the state memory's output.
    even_events, odd_events : Out(stream of Event)
    holds : Out(1)
        An event is held back in this cycle.
    empty : Out(1)
        Nothing was appended since `clear`.
    busy : Out(1)
        From `drain` until the last event is taken.
    """

    append: In(1)
    odd: In(1)
    entry: In(ListEntry)
    clear: In(1)
    drain: In(1)
    more: In(1)
    replay: In(1)
    units: In(SOURCE_BITS)
    state_base: In(STATE_ADDRESS_BITS)
    state_address: Out(STATE_ADDRESS_BITS)
    state_data: In(signed(8))
    state_hold: Out(1)
    even_events: Out(event_stream())
    odd_events: Out(event_stream())
    holds: Out(1)
    empty: Out(1)
    busy: Out(1)

    def __init__(self, at_once: int = 2) -> None:
        self.at_once = at_once
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=ListEntry, depth=2 * LIST_WORDS, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        counts = [Signal(COUNT_BITS, name=f"count_{name}") for name in ("even", "odd")]
        replaying = Signal(reset_less=True)
        m.d.comb += [
            write.addr.eq(Cat(self.odd, Mux(self.odd, counts[1], counts[0])[: COUNT_BITS - 1])),
            write.data.eq(self.entry),
            write.en.eq(self.append),
            self.empty.eq((counts[0] == 0) & (counts[1] == 0)),
        ]
        m.d.sync += Assert(
            ~(self.append & self.busy & replaying), "append while states are replayed"
        )
        m.d.sync += Assert(
            ~(self.append & self.busy) | self.more, "append though there should be no more"
        )

        # Stage 0 reads a list or the state, stage 1 has the event, stage 2 offers it. `turn` says
        # which list is read.
        indices = [
            Signal(COUNT_BITS, name=f"index_{name}", reset_less=True) for name in ("even", "odd")
        ]
        # Whether a list has entries left, a cycle late: it is asked in every second cycle only.
        left = [Signal(name=f"left_{name}", reset_less=True) for name in ("even", "odd")]
        turn = Signal(reset_less=True)
        starting = Signal()
        started = Signal()
        reading = Signal()
        index = Signal(COUNT_BITS - 1)
        move = Signal()
        index_1 = Signal(COUNT_BITS - 1, reset_less=True)
        odd_1 = Signal(reset_less=True)
        valid_1 = Signal()
        streams = (self.even_events, self.odd_events)
        # An event that is there is offered, unless it is held back.
        there = [Signal(name=f"there_{name}") for name in ("even", "odd")]
        hold = self.holds
        stuck = Signal()
        # Two that are walked at a time are taken at the same time.
        free = self.even_events.ready
        if self.at_once == 1:
            free = Mux(odd_1, self.odd_events.ready, self.even_events.ready)
        blocked = [Signal(name=f"blocked_{name}") for name in ("even", "odd")]
        m.d.comb += [
            *(
                to.eq(some & ~events.ready)
                for to, some, events in zip(blocked, there, streams, strict=True)
            ),
            *(events.valid.eq(some & ~hold) for some, events in zip(there, streams, strict=True)),
            stuck.eq(valid_1 & Mux(odd_1, there[1], there[0])),
            move.eq(free | ~stuck),
            reading.eq(started & Mux(turn, left[1], left[0])),
            index.eq(Mux(turn, indices[1], indices[0])[: COUNT_BITS - 1]),
            self.busy.eq(starting | started | valid_1 | there[0] | there[1]),
            read.addr.eq(Cat(turn, index)),
            read.en.eq(move),
            self.state_hold.eq(replaying & ~move),
        ]
        with m.If(started & replaying):
            m.d.comb += self.state_address.eq(Cat(turn, index))
        with m.If(move):
            m.d.sync += [
                valid_1.eq(reading),
                odd_1.eq(turn),
                index_1.eq(index),
            ]
            with m.If(started):
                m.d.sync += [turn.eq(~turn), started.eq(self.more | left[0] | left[1])]
        event = Signal()
        payload = Signal(Event)
        if self.at_once == 2:
            # Not in a replay: whether a state is an event at all is known too late.
            m.d.sync += hold.eq(valid_1 & ~replaying & reading & ~(there[0] | there[1]))
        # A list holds what has changed; a replay meets states that are no events.
        m.d.comb += event.eq(valid_1 & (~replaying | self.state_data.any()))
        with m.If(replaying):
            m.d.comb += [payload.source.eq(index_1), payload.delta.eq(self.state_data)]
        with m.Else():
            m.d.comb += [
                payload.source.eq(read.data.half_unit),
                payload.delta.eq(read.data.delta),
            ]
        # A replay counts through the layer's states as if their list were full.
        beyond = Signal(SOURCE_BITS)
        m.d.comb += beyond.eq(self.state_base + self.units)
        m.d.sync += starting.eq(self.drain)
        with m.If(self.drain):
            m.d.sync += [turn.eq(0), replaying.eq(self.replay)]
        with m.If(starting):
            m.d.sync += started.eq(1)
        for number, (events, here, end) in enumerate(zip(streams, indices, counts, strict=True)):
            m.d.sync += left[number].eq(here != end)
            with m.If(~blocked[number] & ~(there[number] & hold)):
                m.d.sync += [
                    there[number].eq(event & (odd_1 == number)),
                    events.payload.eq(payload),
                ]
            mine = self.append & (self.odd == number)
            m.d.sync += Assert(~mine | (end != LIST_WORDS), "the event list is full")
            with m.If(self.clear):
                m.d.sync += end.eq(0)
            with m.Elif(mine):
                m.d.sync += end.eq(end + 1)
            with m.If(move & reading & (turn == number)):
                m.d.sync += here.eq(here + 1)
            with m.If(self.drain):
                m.d.sync += here.eq(0)
                with m.If(self.replay):
                    first = self.state_base[1:] + (self.state_base[0] & (number == 0))
                    m.d.sync += [
                        here.eq(first),
                        end.eq(beyond[1:] + (beyond[0] & (number == 0))),
                    ]
        return m
