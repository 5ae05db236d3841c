"""The event list: every entry leaves once, in order, with the right delta."""

from functools import partial

from amaranth.hdl import Cat, Mux, Signal, Value, signed

from hdl.core.events import LIST_WORDS, EventList
from hdl.core.state import StateMemory
from sim.mutants import Mutant
from sim.proofs.base import Harness, Opened, Proof, implies


class ListHarness(Harness):
    """Lists of any length and contents, drained at any pace; the real state memory beside it.

    One entry, any one, is looked at. Events are counted as they are taken, so the entry's own
    event is the one with its number, if nothing is lost, repeated or out of order.

    Parameters
    ----------
    stages : bool
        What an induction has to know of the stages is claimed, too. Mutants are tried without:
        what refutes them can be seen from outside.
    """

    def __init__(self, stages: bool = True) -> None:
        super().__init__()
        m = self.m
        events, memory = EventList(), StateMemory()
        inside = self.add("dut", events)
        states = self.add("state", memory)
        self.free_inputs(events, "state_data", "replay", "state_base", "units")
        m.d.comb += [
            memory.address.eq(events.state_address),
            memory.hold.eq(events.state_hold),
            events.state_data.eq(memory.data),
        ]
        # What the engine keeps to: a pass appends, then its list is drained. (Its states are
        # written while it appends; here they are there from the beginning.)
        self.assume(~events.append | ((events.count != LIST_WORDS) & ~events.busy))
        self.assume(~events.append | ~events.clear)
        self.assume(~events.drain | (~events.busy & ~events.append & ~events.clear))
        self.assume(~events.busy | ~events.clear)

        # The entry looked at, and the new state of its unit.
        slot = self.rigid(8, "slot")
        unit = self.rigid(8, "unit")
        old = self.rigid(signed(8), "old")
        new = states.word("memory", unit)
        here = events.append & (events.count == slot)
        self.assume(implies(here, (events.entry.unit == unit) & (events.entry.old == old)))
        # Only what differs is appended (the proof `gate`), so every entry becomes an event.
        not_old = inside["not_old_2"]
        self.assume(implies(inside["valid_2"], events.state_data != ~not_old))
        self.assume(old != new.as_signed())

        taken = Signal(9)
        accepted = events.events.valid & events.events.ready
        with m.If(events.drain):
            m.d.sync += taken.eq(0)
        with m.Elif(accepted):
            m.d.sync += taken.eq(taken + 1)
        draining = Signal()
        with m.If(events.drain):
            m.d.sync += draining.eq(1)
        with m.Elif(~events.busy):
            m.d.sync += draining.eq(0)

        self.claim(implies(accepted, taken < events.count), "an event too many")
        self.claim(implies(draining & ~events.busy, taken == events.count), "an event is lost")
        mine = events.events.valid & (taken == slot)
        self.claim(
            implies(
                mine,
                (events.events.payload.source == unit)
                & (events.events.payload.delta == new.as_signed() - old),
            ),
            "not the entry's event",
        )
        if stages:
            self._claim_stages(inside, states, events, slot, unit, old, taken)
        self.see(draining & ~events.busy & (events.count == 3), "the end of a list of three")
        self.see(accepted & mine & (slot == 1) & self.before(~events.events.ready), "a late event")

    def _claim_stages(
        self,
        inside: Opened,
        states: Opened,
        events: EventList,
        slot: Signal,
        unit: Signal,
        old: Signal,
        taken: Signal,
    ) -> None:
        """Say what the stages hold while an induction looks at them."""
        index, end = inside["index"], inside["end"]
        valid = [inside["valid_1"], inside["valid_2"], events.events.valid]
        started = inside["started"]
        entry = inside.word("memory", slot)
        self.claim(
            implies(events.count > slot, entry == self._packed(unit, old)), "an entry is lost"
        )
        self.claim(events.count <= LIST_WORDS, "more entries than words")
        self.claim(implies(events.busy, ~inside["replaying"] & (end == events.count)), "the end")
        # Entries read, of which some are still in the stages.
        read = Signal(10)
        self.m.d.comb += read.eq(Mux(index < end, index, end))
        self.claim(implies(started, index <= end), "beyond the end")
        self.claim(
            implies(events.busy, taken + valid[0] + valid[1] + valid[2] == Mux(started, read, end)),
            "entries read are neither taken nor in a stage",
        )
        first = taken + valid[2]
        self.claim(
            implies(
                valid[1] & (first == slot),
                (inside["unit_2"] == unit)
                & (inside["not_old_2"] == ~old)
                & (events.state_data == states.word("memory", unit).as_signed()),
            ),
            "not the entry, in stage 2",
        )
        self.claim(
            implies(
                valid[0] & (first + valid[1] == slot),
                (inside["entry"] == self._packed(unit, old)),
            ),
            "not the entry, in stage 1",
        )

    @staticmethod
    def _packed(unit: Signal, old: Signal) -> Value:
        """Return an entry as the memory holds it."""
        return Cat(unit, old)


PROOFS = (
    Proof(
        name="event-list",
        claim="The event list neither loses nor repeats an event: after a pass every entry is "
        "offered once, in order, as its unit and the new state less the old one, and nothing "
        "else is.",
        harness=ListHarness,
        for_traces=partial(ListHarness, stages=False),
        depth=4,
        method="Any entry of any list, at any pace of the walker. Assumed: a pass appends at most "
        "256 entries, not while the list drains (asserted in the RTL), and only units that "
        "changed (the proof `gate`).",
        cover=16,
        mutants={
            Mutant(
                "the last entry is not read",
                EventList,
                "end.eq(first + Mux(self.replay, self.units, self.count))",
                "end.eq(first + Mux(self.replay, self.units, self.count) - 1)",
            ): 12,
            Mutant(
                "the first entry is read twice",
                EventList,
                "index.eq(index + 1), started.eq(reading)",
                "index.eq(index + valid_1), started.eq(reading)",
            ): 12,
            Mutant(
                "an entry's old value is not kept",
                EventList,
                "entry.old.eq(Mux(replaying, 0, read.data.old))",
                "entry.old.eq(0)",
            ): 12,
            Mutant(
                "an event moves on while the walker is busy",
                EventList,
                "move.eq(~self.events.valid | self.events.ready)",
                "move.eq(~self.events.valid | self.events.ready | valid_1)",
            ): 12,
        },
    ),
)
