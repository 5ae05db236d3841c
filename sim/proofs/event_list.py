"""The event list: every entry leaves once, in order, with the right delta."""

from functools import partial

from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed

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
            events.state_data.eq(memory.stored),
        ]
        # What the engine keeps to: a pass appends, then its lists are drained. (Its states are
        # written while it appends; here they are there from the beginning.)
        odd = self.rigid(1, "odd")  # the list looked at
        counts = (inside["count_even"], inside["count_odd"])
        appended_to = Mux(events.entry.unit[0], counts[1], counts[0])
        self.assume(~events.append | ((appended_to != LIST_WORDS) & ~events.busy))
        self.assume(~events.append | ~events.clear)
        self.assume(~events.drain | (~events.busy & ~events.append & ~events.clear))
        self.assume(~events.busy | ~events.clear)

        # The entry looked at, and the new state of its unit.
        slot = self.rigid(7, "slot")
        unit = self.rigid(8, "unit")
        old = self.rigid(signed(8), "old")
        new = states.word("memory", unit)
        count = Mux(odd, counts[1], counts[0])
        self.assume(unit[0] == odd)
        here = events.append & (events.entry.unit[0] == odd) & (count == slot)
        self.assume(implies(here, (events.entry.unit == unit) & (events.entry.old == old)))
        # Only what differs is appended (the proof `gate`), so every entry is an event.
        self.assume(old != new.as_signed())

        stream = {
            name: Mux(odd, Value.cast(of_odd), Value.cast(of_even))
            for name, of_odd, of_even in (
                ("valid", events.odd.valid, events.even.valid),
                ("ready", events.odd.ready, events.even.ready),
                ("source", events.odd.payload.source, events.even.payload.source),
                ("delta", events.odd.payload.delta, events.even.payload.delta),
            )
        }
        taken = Signal(9)
        accepted = stream["valid"] & stream["ready"]
        with m.If(events.drain):
            m.d.sync += taken.eq(0)
        with m.Elif(accepted):
            m.d.sync += taken.eq(taken + 1)
        draining = Signal()
        with m.If(events.drain):
            m.d.sync += draining.eq(1)
        with m.Elif(~events.busy):
            m.d.sync += draining.eq(0)

        self.claim(implies(accepted, taken < count), "an event too many")
        self.claim(implies(draining & ~events.busy, taken == count), "an event is lost")
        mine = stream["valid"] & (taken == slot)
        delta = Signal(signed(9))
        m.d.comb += delta.eq(stream["delta"])
        self.claim(
            implies(mine, (stream["source"] == unit[1:]) & (delta == new.as_signed() - old)),
            "not the entry's event",
        )
        if stages:
            self._claim_stages(inside, states, events, odd, slot, unit, old, taken, stream["valid"])
        self.see(
            draining & ~events.busy & (counts[0] == 2) & (counts[1] == 1),
            "the end of lists of two and of one",
        )
        self.see(accepted & mine & (slot == 1) & self.before(~stream["ready"]), "a late event")

    def _claim_stages(
        self,
        inside: Opened,
        states: Opened,
        events: EventList,
        odd: Signal,
        slot: Signal,
        unit: Signal,
        old: Signal,
        taken: Signal,
        offered: Value,
    ) -> None:
        """Say what the stages hold while an induction looks at them."""
        m = self.m
        index, turn, started = inside["index"], inside["turn"], inside["started"]
        read = {}
        for number, name in enumerate(("even", "odd")):
            count, end, active = (inside[f"{what}_{name}"] for what in ("count", "end", "active"))
            self.claim(count <= LIST_WORDS, "more entries than words")
            self.claim(implies(events.busy, end == count), "the end")
            self.claim(
                implies(started, Mux(active, index <= end, index >= end)),
                "a list is left before its end, or read beyond it",
            )
            # Entries read, of which some are still in the stages.
            reached = index + (turn if number == 0 else Const(0, 1))
            read[name] = Signal(10, name=f"read_{name}")
            m.d.comb += read[name].eq(Mux(started & (reached < end), reached, end))
        self.claim(implies(events.busy, ~inside["replaying"]), "a replay")
        # The unit of any entry has the parity of its list: shown here of the one looked at.
        turn_1 = Signal()
        with m.If(inside["move"]):
            m.d.sync += turn_1.eq(turn)
        entry_odd = inside["entry"][0]
        self.assume(implies(inside["valid_1"], entry_odd == turn_1))
        word = inside.word("memory", Cat(odd, slot))
        count = Mux(odd, inside["count_odd"], inside["count_even"])
        self.claim(implies(count > slot, word == self._packed(unit, old)), "an entry is lost")
        in_1 = inside["valid_1"] & (entry_odd == odd)
        in_2 = inside["valid_2"] & (inside["unit_2"][0] == odd)
        self.claim(
            implies(
                events.busy, taken + offered + in_2 + in_1 == Mux(odd, read["odd"], read["even"])
            ),
            "entries read are neither taken nor in a stage",
        )
        first = taken + offered
        self.claim(
            implies(
                in_2 & (first == slot),
                (inside["unit_2"] == unit)
                & (inside["not_old_2"] == ~old)
                & (events.state_data == states.word("memory", unit).as_signed()),
            ),
            "not the entry, in stage 2",
        )
        self.claim(
            implies(in_1 & (first + in_2 == slot), inside["entry"] == self._packed(unit, old)),
            "not the entry, in stage 1",
        )

    @staticmethod
    def _packed(unit: Signal, old: Signal) -> Value:
        """Return an entry as the memory holds it."""
        return Cat(unit, old)


PROOFS = (
    Proof(
        name="event-list",
        claim="The event lists neither lose nor repeat an event: after a pass every entry is "
        "offered once, in its list's order, as its unit and the new state less the old one, and "
        "nothing else is.",
        harness=ListHarness,
        for_traces=partial(ListHarness, stages=False),
        depth=4,
        method="Any entry of either list, at any pace of the walker. Assumed: a pass appends at "
        "most 128 entries of either kind, not while the lists drain (asserted in the RTL), and "
        "only units that changed (the proof `gate`).",
        cover=16,
        mutants={
            Mutant(
                "the last entry is not read",
                EventList,
                "end.eq(Mux(self.replay, half, count))",
                "end.eq(Mux(self.replay, half, count - 1))",
            ): 12,
            Mutant(
                "the first entry is read twice",
                EventList,
                "index.eq(index + 1)",
                "index.eq(index + valid_1)",
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
                "move.eq(~(valid_2 & Mux(unit_2[0], blocked[1], blocked[0])))",
                "move.eq(1)",
            ): 12,
            Mutant(
                "a list that has come to its end is not left",
                EventList,
                "active[0].eq(left[0]),",
                "active[0].eq(1),",
            ): 16,
        },
    ),
)
