"""The event lists: what changed in a gate pass, until it has been walked."""

from amaranth.hdl import Assert, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry
from hdl.core.signatures import SOURCE_BITS, STATE_ADDRESS_BITS, event_stream

#: Entries of a list; the even and the odd units' lists share a block RAM.
LIST_WORDS = 128
COUNT_BITS = 8


class ListEntry(data.Struct):
    """A unit that changed (where its state lies) and the value it had before: 16 bits, one
    block RAM word.

    The delta needs nine bits, the old value only eight: the list keeps the old value, and
    the delta is formed against the new one when the event leaves.
    """

    unit: unsigned(8)
    old: signed(8)


class EventList(wiring.Component):
    """Collect the units that change in a pass; afterwards offer them as events, in order.

    Even and odd units have a list and a stream each. One entry a cycle is read, of the one list
    and of the other in turn: an event takes two cycles at least (`models.layout.MIN_WALK`), so
    that is no loss.

    Latency: the first event is offered four cycles after `drain`. Throughput: one append a
    cycle, an event of either stream every second cycle. **Assumption**: appends and draining do
    not overlap, and a pass appends at most 128 entries of either kind (asserted).

    Members
    -------
    append : In(1)
        Store `entry` at the end of its unit's list.
    entry : In(ListEntry)
    clear : In(1)
        Empty the lists.
    drain : In(1)
        Begin to offer all entries.
    replay : In(1)
        While draining: offer every unit below `units` whose state is not zero, with its state
        as delta, instead of the lists.
    units, state_base : In
        Units of the layer, and where its states begin.
    state_address : Out(8)
        State memory address; zero while idle.
    state_data : In(signed(8))
        State read, a cycle later. It is never the entry's old value.
    state_hold : Out(1)
        Hold the state memory's output.
    even, odd : Out(stream of Event)
    empty : Out(1)
        Nothing was appended since `clear`.
    busy : Out(1)
        From `drain` until the last event is taken.
    """

    append: In(1)
    entry: In(ListEntry)
    clear: In(1)
    drain: In(1)
    replay: In(1)
    units: In(SOURCE_BITS)
    state_base: In(STATE_ADDRESS_BITS)
    state_address: Out(STATE_ADDRESS_BITS)
    state_data: In(signed(8))
    state_hold: Out(1)
    even: Out(event_stream())
    odd: Out(event_stream())
    empty: Out(1)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=ListEntry, depth=2 * LIST_WORDS, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        counts = [Signal(COUNT_BITS, name=f"count_{name}") for name in ("even", "odd")]
        parity = self.entry.unit[0]
        m.d.comb += [
            write.addr.eq(Cat(parity, Mux(parity, counts[1], counts[0])[: COUNT_BITS - 1])),
            write.data.eq(self.entry),
            write.en.eq(self.append),
            self.empty.eq((counts[0] == 0) & (counts[1] == 0)),
        ]
        m.d.sync += Assert(~self.append | ~self.busy, "append while the event list drains")
        for number, count in enumerate(counts):
            mine = self.append & (parity == number)
            m.d.sync += Assert(~mine | (count != LIST_WORDS), "the event list is full")
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            with m.Elif(mine):
                m.d.sync += count.eq(count + 1)

        # Stage 0 reads a list, stage 1 the state, stage 2 subtracts, stage 3 offers. Both lists
        # have the same index; `turn` says whose is next.
        index = Signal(COUNT_BITS, reset_less=True)
        ends = [Signal(COUNT_BITS, name=f"end_{name}", reset_less=True) for name in ("even", "odd")]
        turn = Signal(reset_less=True)
        started = Signal()
        # A list that has come to its end stays there, though the index goes on.
        active = [Signal(name=f"active_{name}") for name in ("even", "odd")]
        left = [Signal(name=f"left_{name}") for name in ("even", "odd")]
        reading = Signal()
        replaying = Signal(reset_less=True)
        move = Signal()
        unit_1 = Signal(8, reset_less=True)
        valid_1 = Signal()
        unit_2 = Signal(8, reset_less=True)
        not_old_2 = Signal(signed(8), reset_less=True)  # ready to be subtracted
        valid_2 = Signal()
        entry = Signal(ListEntry)
        streams = (self.even, self.odd)
        blocked = [Signal(name=f"blocked_{name}") for name in ("even", "odd")]
        m.d.comb += [
            *(
                to.eq(events.valid & ~events.ready)
                for to, events in zip(blocked, streams, strict=True)
            ),
            move.eq(~(valid_2 & Mux(unit_2[0], blocked[1], blocked[0]))),
            *(
                to.eq(still & (index != end))
                for to, still, end in zip(left, active, ends, strict=True)
            ),
            reading.eq(started & Mux(turn, left[1], left[0])),
            self.busy.eq(started | valid_1 | valid_2 | self.even.valid | self.odd.valid),
            read.addr.eq(Cat(turn, index[: COUNT_BITS - 1])),
            read.en.eq(move),
            entry.unit.eq(Mux(replaying, unit_1, read.data.unit)),
            entry.old.eq(Mux(replaying, 0, read.data.old)),
            self.state_hold.eq(~move),
        ]
        with m.If(valid_1):
            m.d.comb += self.state_address.eq(entry.unit)
        with m.If(move):
            m.d.sync += [
                unit_1.eq(Cat(turn, index[: COUNT_BITS - 1])),
                valid_1.eq(reading),
                unit_2.eq(entry.unit),
                not_old_2.eq(~entry.old),
                valid_2.eq(valid_1),
            ]
            with m.If(started):
                m.d.sync += [
                    turn.eq(~turn),
                    started.eq(left[0] | left[1]),
                    active[0].eq(left[0]),
                    active[1].eq(left[1]),
                ]
                with m.If(turn):
                    m.d.sync += index.eq(index + 1)
        # What is in a list has changed; only a replay meets states that are no events.
        event = Signal()
        m.d.comb += event.eq(valid_2 & (~replaying | self.state_data.any()))
        for number, events in enumerate(streams):
            with m.If(~blocked[number]):
                m.d.sync += [
                    events.valid.eq(event & (unit_2[0] == number)),
                    events.payload.source.eq(unit_2[1:]),
                    events.payload.delta.eq(
                        add_with_carry(self.state_data, not_old_2, Const(1, 1))
                    ),
                ]
        # A replay counts through the layer's states, else the index counts through the lists.
        beyond = Signal(SOURCE_BITS)
        m.d.comb += beyond.eq(self.state_base + self.units)
        with m.If(self.drain):
            m.d.sync += [
                index.eq(Mux(self.replay, self.state_base[1:], 0)),
                turn.eq(self.replay & self.state_base[0]),
                started.eq(1),
                active[0].eq(1),
                active[1].eq(1),
                replaying.eq(self.replay),
            ]
            for number, (end, count) in enumerate(zip(ends, counts, strict=True)):
                half = beyond[1:] + (beyond[0] & (number == 0))
                m.d.sync += end.eq(Mux(self.replay, half, count))
        return m
