"""No lane reads and writes one address in a cycle: the engine's control, for any network."""

from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest import mock

from amaranth.asserts import AnySeq
from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import wiring

import hdl.core.engine
from hdl.core.engine import Engine
from hdl.core.events import LIST_WORDS
from hdl.core.one_event_walker import OneEventWalker
from hdl.core.parameters import EngineParameters
from hdl.core.reader import Reader
from hdl.core.sequencer import Sequencer
from hdl.core.walker import Walker
from models.image import MIN_LANES
from sim.mutants import Mutant
from sim.proofs.base import Harness, Opened, Proof, implies

#: Parts of the engine whose outputs the solver chooses: what they compute does not matter here.
FREE_PARTS = ("BlockRAMStore", "GateUnit", "StateMemory", "Readout", "Tally")

#: States after those in which a record is asked for: it is read in these.
READ_HEADER = ("header_end", "header_wait")
READ_EDGE = ("step_pass", "pass", "skip_wait", "replay_pass", "replay_wait")
READ_PASS = ("input", "skip_pass", "replay_edge")


def anything(component: type[wiring.Component]) -> type[wiring.Component]:
    """Return a component with the same ports that delivers anything."""

    class Anything(wiring.Component):
        def __init__(self, *arguments: Any) -> None:
            real = component(*arguments)
            real._MustUse__used = True  # or Amaranth would complain that it is not
            super().__init__(real.signature)

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            for _, member, value in self.signature.flatten(self):
                if member.flow == wiring.Out:
                    m.d.comb += Value.cast(value).eq(AnySeq(Value.cast(value).shape()))
            return m

    return Anything


class CollisionHarness(Harness):
    """The engine with any store, and so any network and any commands, resets at any time.

    Parameters
    ----------
    events, packed
        Of the engine's parameters.
    """

    def __init__(self, events: int = 2, packed: bool = False) -> None:
        super().__init__()
        engine = Engine(EngineParameters(lanes=MIN_LANES, events=events, packed=packed))
        walker_class = "Walker" if events == 2 else "OneEventWalker"
        made: dict[str, Any] = {}

        def keep(name: str) -> Any:
            """Return a component's class that remembers what it made."""
            component = getattr(hdl.core.engine, name)
            return lambda *arguments: made.setdefault(name, component(*arguments))

        with ExitStack() as patches:
            for name in ("EventList", walker_class):
                patches.enter_context(mock.patch.object(hdl.core.engine, name, keep(name)))
            for name in FREE_PARTS:
                free = anything(getattr(hdl.core.engine, name))
                patches.enter_context(mock.patch.object(hdl.core.engine, name, free))
            # The order's other rules are for simulation; some are about the image.
            patches.enter_context(mock.patch.object(Engine, "_assert_order"))
            inside = self.add("dut", engine)
        self.free_inputs(engine)

        def in_state(*names: str) -> Value:
            return Cat(inside[f"sequencer.fsm.in_{name}"] for name in names).any()

        # The event list's own assertions.
        listed, walker = made["EventList"], made[walker_class]
        count = Mux(listed.odd, inside["events.count_odd"], inside["events.count_even"])
        replays = listed.busy & inside["events.replaying"]
        self.assume(~listed.append | ((count != LIST_WORDS) & ~replays))
        self.assume(~(listed.append & listed.busy) | listed.more)
        # An edge has two words at least: `models.layout.MIN_WALK`.
        taken = inside["walker.some"] & inside["walker.free"]
        before_last, first = walker.edge.before_last, walker.first
        self.assume(implies(walker.busy | taken, (before_last + 1)[:7] != first))

        self._claim_phases(inside, in_state)
        free, walked = inside["walker.free"], walker.busy
        at = walker.accumulator
        self.claim(free | walked, "the walker is held up by nothing")
        self.claim(
            implies(walked & free, at == (before_last + 1)[:7]), "a walk ends somewhere else"
        )
        self.claim(implies(~walked, at == 0), "an idle walker addresses something")
        self.see(walked & ~free & self.before(walked & free), "events without a gap")
        self.see(in_state("clear") & self.before(in_state("clear"), 2), "a reset")

    def _claim_phases(self, inside: Opened, in_state: Any) -> None:
        """Say which phase each part works in."""
        names = inside.signals("sequencer.fsm", lambda name: name.startswith("in_"))
        states = Cat(*names)
        self.claim((states != 0) & ((states & (states - 1)) == 0), "two phases at once, or none")
        self.claim(
            implies(inside["inputs.busy"], in_state("step_pass", "input")),
            "inputs outside of their phase",
        )
        self.claim(
            implies(inside["events.busy"], in_state("drain")), "events outside of their phase"
        )
        self.claim(
            implies(inside["walker.busy"], in_state("input", "drain")), "a walk in another phase"
        )
        self._claim_reads(inside, in_state)
        self.claim(
            implies(
                inside["row_pass.busy"]
                | (inside["row_pass.low_accumulator"] != 0)
                | (inside["row_pass.high_accumulator"] != 0),
                in_state("pass") | (in_state("readout") & ~inside["sequencer.finished"]),
            ),
            "a pass reads in another phase",
        )

    def _claim_reads(self, inside: Opened, in_state: Any) -> None:
        """Say when the reader reads, and that it does not while events are walked."""
        walks = inside["walker.busy"] | (inside["walker.some"] & inside["walker.free"])
        awaited = inside["reader.awaited"]
        valid = [inside[f"row_pass.valid_{stage}"] for stage in range(1, 4)]
        for name, read, states in (
            ("header", inside["reader.header_is_read"], READ_HEADER),
            ("edge", inside["reader.edge_is_read"], READ_EDGE),
        ):
            self.claim(implies(read, in_state(*states)), f"the {name} is read in another phase")
            self.claim(
                ~(inside[f"reader.{name}_arrives"] & walks),
                f"the {name} arrives while events are walked",
            )
        self.claim(
            implies(inside["reader.pass_is_read"], in_state(*READ_PASS, "drain")),
            "a pass is read in another phase",
        )
        self.claim(
            implies(inside["reader.checking"], in_state("checking")), "a checksum in another phase"
        )
        # The next pass is read when the last parameters have been, before the first event comes.
        self.claim(implies(awaited, in_state("drain")), "a pass is awaited in another phase")
        self.claim(
            implies(in_state("begin_drain", "drain"), ~inside["row_pass.busy"] & ~valid[0]),
            "a pass is not at its end",
        )
        self.claim(implies(in_state("drain"), ~valid[1]), "a pass is not at its end")
        self.claim(
            implies(in_state("drain") & valid[2], inside["events.starting"]),
            "parameters are read later",
        )
        self.claim(
            implies(inside["walker.busy"], inside["reader.address"] == 0),
            "record read while events are walked",
        )
        self.see(
            in_state("drain") & inside["reader.pass_is_read"] & inside["events.busy"],
            "the next pass is read before a layer's events",
        )


_METHOD = (
    "Free: what store, gate unit, state memory, readout and tally deliver. Assumed: an edge has at "
    "least two words (by the image's construction: MIN_WALK), and what the event list asserts."
)
_MUTANTS = {
    Mutant(
        "a walk ends with its last word but one",
        Walker,
        "free.eq(self.accumulator == self.edge.before_last)",
        "free.eq(1)",
    ): 20,
    Mutant(
        "clearing takes two cycles for the first accumulator",
        Sequencer,
        "clearing.eq(clearing + 1),",
        "clearing.eq(clearing + self.state_fresh),",
    ): 20,
    Mutant(
        "the next pass is read again and again",
        Reader,
        "awaited.eq(self.prefetch | (awaited & self.advance))",
        "awaited.eq(self.prefetch | awaited)",
    ): 20,
}


def _of_a_format(name: str, what: str, events: int, packed: bool) -> Proof:
    """Return the proof for another word format: walker, lanes and pass have other latencies."""
    walker = OneEventWalker if events == 1 else Walker
    ends = Mutant(
        f"a walk ends with its last word but one ({name})",
        walker,
        "free.eq(self.accumulator == self.edge.before_last)",
        "free.eq(1)",
    )
    return Proof(
        name=f"collision-{name}",
        claim=f"The same of an engine of {what}.",
        harness=partial(CollisionHarness, events, packed),
        depth=5,
        method=_METHOD,
        cover=26,
        mutants={ends: 20},
    )


PROOFS = (
    Proof(
        name="collision",
        claim="A lane never reads and writes one address in a cycle (the assertion in Lanes, and "
        "the assumption behind block RAM without collision logic), and the store has one reader at "
        "a time: in the whole engine, with any commands, any inputs, and soft resets at any time.",
        harness=CollisionHarness,
        depth=4,
        method=_METHOD,
        cover=24,
        mutants=_MUTANTS,
    ),
    _of_a_format("packed", "packed weights", 2, True),
    _of_a_format("one-event", "one event a cycle", 1, False),
    _of_a_format("packed-one-event", "packed weights and one event a cycle", 1, True),
)
