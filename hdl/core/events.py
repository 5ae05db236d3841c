"""The event list: what changed in a gate pass, until it has been walked."""

from amaranth.hdl import Assert, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry
from hdl.core.signatures import SOURCE_BITS, STATE_ADDRESS_BITS, event_stream

LIST_WORDS = 256


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

    Latency: the first event is offered four cycles after `drain`. Throughput: one append a
    cycle, one event a cycle. **Assumption**: appends and draining do not overlap, and a pass
    appends at most 256 entries (asserted).

    Members
    -------
    append : In(1)
        Store `entry` at the end.
    entry : In(ListEntry)
    clear : In(1)
        Empty the list.
    drain : In(1)
        Begin to offer all entries.
    replay : In(1)
        While draining: offer every unit below `units` whose state is not zero, with its state
        as delta, instead of the list.
    units, state_base : In
        Units of the layer, and where its states begin.
    state_address : Out(8)
        State memory address; zero while idle.
    state_data : In(signed(8))
        State read, a cycle later.
    state_hold : Out(1)
        Hold the state memory's output.
    events : Out(stream of Event)
    count : Out(9)
        Entries appended since `clear`.
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
    events: Out(event_stream())
    count: Out(SOURCE_BITS)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=ListEntry, depth=LIST_WORDS, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        m.d.comb += [
            write.addr.eq(self.count),
            write.data.eq(self.entry),
            write.en.eq(self.append),
        ]
        m.d.sync += [
            Assert(~self.append | (self.count != LIST_WORDS), "the event list is full"),
            Assert(~self.append | ~self.busy, "append while the event list drains"),
        ]
        with m.If(self.clear):
            m.d.sync += self.count.eq(0)
        with m.Elif(self.append):
            m.d.sync += self.count.eq(self.count + 1)

        # Stage 0 reads the list, stage 1 the state, stage 2 subtracts, stage 3 offers.
        index = Signal(SOURCE_BITS, reset_less=True)
        end = Signal(SOURCE_BITS, reset_less=True)
        started = Signal()
        reading = Signal()
        replaying = Signal(reset_less=True)
        move = Signal()
        unit_1 = Signal(8, reset_less=True)
        valid_1 = Signal()
        unit_2 = Signal(8, reset_less=True)
        not_old_2 = Signal(signed(8), reset_less=True)  # ready to be subtracted
        valid_2 = Signal()
        entry = Signal(ListEntry)
        m.d.comb += [
            move.eq(~self.events.valid | self.events.ready),
            reading.eq(started & (index != end)),
            self.busy.eq(started | valid_1 | valid_2 | self.events.valid),
            read.addr.eq(index),
            read.en.eq(move),
            entry.unit.eq(Mux(replaying, unit_1, read.data.unit)),
            entry.old.eq(Mux(replaying, 0, read.data.old)),
            self.state_hold.eq(~move),
        ]
        with m.If(valid_1):
            m.d.comb += self.state_address.eq(entry.unit)
        with m.If(move):
            # One step too far does no harm, and keeps the comparison out of the counter's path.
            with m.If(started):
                m.d.sync += [index.eq(index + 1), started.eq(reading)]
            m.d.sync += [
                unit_1.eq(index),
                valid_1.eq(reading),
                unit_2.eq(entry.unit),
                not_old_2.eq(~entry.old),
                valid_2.eq(valid_1),
                self.events.valid.eq(valid_2 & (self.state_data != ~not_old_2)),
                self.events.payload.source.eq(unit_2),
                self.events.payload.delta.eq(
                    add_with_carry(self.state_data, not_old_2, Const(1, 1))
                ),
            ]
        # A replay counts through the layer's states, else the index counts through the list.
        first = Mux(self.replay, self.state_base, 0)
        with m.If(self.drain):
            m.d.sync += [
                index.eq(first),
                end.eq(first + Mux(self.replay, self.units, self.count)),
                started.eq(1),
                replaying.eq(self.replay),
            ]
        return m
