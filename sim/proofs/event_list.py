"""The event list: every entry leaves once, in order, with the right delta."""

from functools import partial

from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed

from hdl.core.events import LIST_WORDS, EventList
from hdl.core.signatures import Event
from sim.mutants import Mutant
from sim.proofs.base import Harness, Opened, Proof, implies


class ListHarness(Harness):
    """Lists of any length and contents, appended to before and while they are drained, at any pace.

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
        events = EventList()
        inside = self.add("dut", events)
        self.free_inputs(events, "state_data", "replay", "state_base", "units")

        # The walker takes what is there of both at the same time.
        self.assume(events.even_events.ready == events.odd_events.ready)
        # What the engine keeps to: a pass appends, and its lists are drained from the time on in
        # which its end is near.
        odd = self.rigid(1, "odd")  # the list looked at
        counts = (inside["count_even"], inside["count_odd"])
        self.assume(~events.append | (Mux(events.odd, counts[1], counts[0]) != LIST_WORDS))
        self.assume(~events.append | ~events.clear)
        self.assume(~events.drain | (~events.busy & ~events.clear))
        self.assume(~events.busy | ~events.clear)
        # `more` stands in the cycle of an append to lists that are drained, and in the one after
        # it; it rises no more once it has fallen.
        self.assume(implies(events.append & events.busy, events.more))
        self.assume(implies(self.before(events.append) & events.busy, events.more))
        self.assume(
            implies(
                events.busy & ~self.before(events.drain) & events.more, self.before(events.more)
            )
        )

        # The entry looked at.
        slot = self.rigid(7, "slot")
        half_unit = self.rigid(7, "half_unit")
        delta = self.rigid(signed(9), "delta")
        count = Mux(odd, counts[1], counts[0])
        here = events.append & (events.odd == odd) & (count == slot)
        entry = events.entry
        self.assume(implies(here, (entry.half_unit == half_unit) & (entry.delta == delta)))

        stream = {
            name: Mux(odd, Value.cast(of_odd), Value.cast(of_even))
            for name, of_odd, of_even in (
                ("valid", events.odd_events.valid, events.even_events.valid),
                ("ready", events.odd_events.ready, events.even_events.ready),
                ("payload", events.odd_events.payload, events.even_events.payload),
            )
        }
        payload = Signal(Event)
        m.d.comb += payload.eq(stream["payload"])
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
        ended = draining & ~events.busy
        self.claim(implies(ended & ~events.append, taken == count), "an event is lost")
        mine = stream["valid"] & (taken == slot)
        self.claim(
            implies(mine, (payload.source == half_unit) & (payload.delta == delta)),
            "not the entry's event",
        )
        if stages:
            packed = Cat(half_unit, delta)
            self._claim_stages(inside, events, odd, slot, packed, taken)
        self.see(ended & (counts[0] == 2) & (counts[1] == 1), "the end of lists of two and of one")
        self.see(accepted & mine & (slot == 1) & self.before(~stream["ready"]), "a late event")
        appended = Signal()
        with m.If(events.drain):
            m.d.sync += appended.eq(0)
        with m.If(events.append & events.busy & here & (slot == 1)):
            m.d.sync += appended.eq(1)
        self.see(accepted & mine & appended, "an event that was appended while others left")

    def _claim_stages(
        self,
        inside: Opened,
        events: EventList,
        odd: Signal,
        slot: Signal,
        packed: Value,
        taken: Signal,
    ) -> None:
        """Say what the stages hold while an induction looks at them."""
        busy, turn, started = events.busy, inside["turn"], inside["started"]
        starting = inside["starting"]
        there = Mux(odd, inside["there_odd"], inside["there_even"])
        self.claim(implies(busy, ~inside["replaying"]), "a replay")
        self.claim(~(starting & started), "started twice")
        # What is held back is alone, and what follows it is of the other list.
        odd_1 = inside["odd_1"]
        self.claim(implies(inside["valid_1"], turn != odd_1), "the lists do not take turns")
        self.claim(
            implies(events.holds, inside["there_even"] ^ inside["there_odd"]), "held, not alone"
        )
        self.claim(
            implies(
                events.holds & inside["valid_1"],
                ~Mux(odd_1, inside["there_odd"], inside["there_even"]),
            ),
            "held, and followed by its own list's",
        )
        self.claim(implies(busy & events.more, starting | started), "ended too early")
        self.claim(implies(starting, ~inside["valid_1"] & ~there), "not from idle")
        for number, name in enumerate(("even", "odd")):
            count, index, left = (inside[f"{what}_{name}"] for what in ("count", "index", "left"))
            self.claim(count <= LIST_WORDS, "more entries than words")
            self.claim(implies(busy, index <= count), "beyond the end")
            # `left` is a cycle late, but right in the list's turn.
            self.claim(implies(self.past, left == self.before(index != count)), "left")
            self.claim(implies(started & left & (turn == number), index < count), "nothing is left")
            self.claim(implies(busy & ~started & ~starting, index == count), "something is left")
        count = Mux(odd, inside["count_odd"], inside["count_even"])
        index = Mux(odd, inside["index_odd"], inside["index_even"])
        word = inside.word("memory", Cat(odd, slot))
        self.claim(implies(count > slot, word == packed), "an entry is lost")
        in_1 = inside["valid_1"] & (inside["odd_1"] == odd)
        self.claim(
            implies(busy, taken + there + in_1 == index),
            "entries read are neither taken nor in a stage",
        )
        self.claim(
            implies(
                in_1 & (taken + there == slot),
                inside["payload"] == Cat(packed[:7], Const(0, 1), packed[7:]),
            ),
            "not the entry, in stage 1",
        )


PROOFS = (
    Proof(
        name="event-list",
        claim="The event lists neither lose nor repeat an event: every entry of a pass is offered "
        "once, in its list's order, and nothing else is.",
        harness=ListHarness,
        for_traces=partial(ListHarness, stages=False),
        depth=4,
        method="Any entry of either list, at any pace of the walker, appended before or while the "
        "lists drain. Assumed: a pass appends at most 128 entries of either kind (asserted in the "
        "RTL), and `more` stands as long as it may append.",
        cover=16,
        mutants={
            Mutant(
                "the last entry is not read",
                EventList,
                "left[number].eq(here != end)",
                "left[number].eq(here + 1 != end)",
            ): 12,
            Mutant(
                "the first entry is read twice",
                EventList,
                "here.eq(here + 1)",
                "here.eq(here + valid_1)",
            ): 12,
            Mutant(
                "an entry's delta is not kept",
                EventList,
                "payload.delta.eq(read.data.delta)",
                "payload.delta.eq(self.entry.delta)",
            ): 12,
            Mutant(
                "an event moves on while the walker is busy",
                EventList,
                "stuck.eq(valid_1 & Mux(odd_1, there[1], there[0]))",
                "stuck.eq(0)",
            ): 12,
            Mutant(
                "draining ends though entries are appended",
                EventList,
                "started.eq(self.more | left[0] | left[1])",
                "started.eq(left[0] | left[1])",
            ): 16,
            Mutant(
                "lists share the even one's length",
                EventList,
                "Mux(self.odd, counts[1], counts[0])",
                "counts[0]",
            ): 12,
        },
    ),
)
