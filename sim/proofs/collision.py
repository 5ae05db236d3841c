"""No lane reads and writes one address in a cycle: the engine's control, for any network."""

from contextlib import ExitStack
from typing import Any
from unittest import mock

from amaranth.asserts import AnySeq
from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import wiring

import hdl.core.engine
from hdl.core.engine import Engine
from hdl.core.events import LIST_WORDS
from hdl.core.parameters import EngineParameters
from hdl.core.sequencer import Sequencer
from hdl.core.walker import Walker
from models.image import MIN_LANES
from sim.mutants import Mutant
from sim.proofs.base import Harness, Opened, Proof, implies

#: Parts of the engine whose outputs the solver chooses: what they compute does not matter here.
FREE_PARTS = ("BlockRAMStore", "GateUnit", "StateMemory", "Readout")


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
    """The engine with any store, and so any network and any commands, resets at any time."""

    def __init__(self) -> None:
        super().__init__()
        engine = Engine(EngineParameters(lanes=MIN_LANES))
        made: dict[str, Any] = {}

        def keep(name: str) -> Any:
            """Return a component's class that remembers what it made."""
            component = getattr(hdl.core.engine, name)
            return lambda *arguments: made.setdefault(name, component(*arguments))

        with ExitStack() as patches:
            for name in ("EventList", "Walker"):
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
        events, walker = made["EventList"], made["Walker"]
        count = Mux(events.odd, inside["events.count_odd"], inside["events.count_even"])
        replays = events.busy & inside["events.replaying"]
        self.assume(~events.append | ((count != LIST_WORDS) & ~replays))
        self.assume(~(events.append & events.busy) | events.more)
        # An edge has two words at least: `models.layout.MIN_WALK`.
        accumulator, before_last = walker.edge.accumulator, walker.edge.before_last
        walking = in_state("input", "drain")
        self.assume(implies(walking, (before_last + 1)[:7] != accumulator))

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
            implies(inside["inputs.busy"], in_state("input")), "inputs outside of their phase"
        )
        self.claim(
            implies(inside["events.busy"], in_state("drain")), "events outside of their phase"
        )
        self.claim(
            implies(inside["walker.busy"], in_state("input", "drain")), "a walk in another phase"
        )
        self.claim(
            implies(
                inside["reader.loading"] | inside["reader.arriving"],
                in_state("read_header", "read_input", "skip_input", "read_layer", "read_readout"),
            ),
            "a record arrives in another phase",
        )
        self.claim(
            implies(
                inside["row_pass.busy"]
                | (inside["row_pass.low_accumulator"] != 0)
                | (inside["row_pass.high_accumulator"] != 0),
                in_state("pass") | (in_state("readout") & ~inside["sequencer.finished"]),
            ),
            "a pass reads in another phase",
        )


PROOFS = (
    Proof(
        name="collision",
        claim="A lane never reads and writes one address in a cycle (the assertion in Lanes, and "
        "the assumption behind block RAM without collision logic): in the whole engine, with any "
        "commands, any inputs, and soft resets at any time.",
        harness=CollisionHarness,
        depth=4,
        method="Free: what store, gate unit, state memory and readout deliver. Assumed: an edge "
        "has at least two words (by the image's construction: MIN_WALK), and what the event list "
        "asserts.",
        cover=24,
        mutants={
            Mutant(
                "a walk ends with its last word but one",
                Walker,
                "free.eq(self.accumulator == self.edge.before_last)",
                "free.eq(1)",
            ): 20,
            Mutant(
                "clearing takes two cycles an accumulator",
                Sequencer,
                "clearing.eq(clearing + 1),",
                "clearing.eq(clearing + cycles[0]),",
            ): 20,
        },
    ),
)
