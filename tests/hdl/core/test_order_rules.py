"""The order of events (docs/architecture.md): mutants that break each rule are caught.

A mutant is the real source with one line changed; if that line is not there any more, the test
says so. Caught means that an assertion fails or that a result differs.
"""

import pytest

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from hdl.core.sequencer import Sequencer
from models.image import compile_image
from models.random_networks import random_inputs, random_network
from sim.engine_script import EngineScript
from sim.mutants import Mutant, mutated
from tests.hdl.core.play import play

LANES = 12
#: Bit of a layer's pass at which the first accumulator of its events begins (models/image.py).
EDGE_BIT = 26
#: Wide enough for a walk to last longer than a record takes to read, and soon at rest.
NETWORK = random_network(
    2, inputs=3, units=(80, 5), outputs=40, hb=4, mode="every", shifts=(0, 3), density=0.3
)


def script():
    made = EngineScript(LANES)
    made.load(NETWORK)
    x = random_inputs(1, NETWORK, 1, 3)[0]
    made.sequence([x[0], *[x[1]] * 5, x[2]])
    at_rest = [operation["events"] for operation in made.operations[2:]].index(0)
    assert made.operations[2 + at_rest + 1]["events"], "no change after a fixed point"
    # At rest, then a reset and inputs that do not move: what a reset forgets to clear shows.
    made.sequence([x[0], *[x[1]] * 5])
    assert made.operations[-1]["events"] == 0
    made.sequence([x[0] * 0, x[2]])
    return made


def test_unchanged_engine_keeps_the_rules():
    play(script())


WAIT_INPUT = """with m.If(~self.inputs_busy & ~self.walker_busy):
                with m.If(settled):"""
PASS_END = "with m.If(~self.pass_reads):"
WAIT_DRAIN = """with m.If(~self.list_busy & ~self.walker_busy):
                with m.If(last_layer):
                    fsm.go("END_STEP")"""
CLEARED = """self.scores_fresh.eq(1),
                unsettled.eq(1),"""
TOO_EARLY = "pass before its deltas|events do not begin"
MUTANTS = {
    "rule 1: the pass does not wait for the inputs' deltas": (
        WAIT_INPUT,
        WAIT_INPUT.replace(" & ~self.walker_busy", ""),
        TOO_EARLY,
    ),
    "rule 1: the next layer does not wait for the deltas of the layer below": (
        WAIT_DRAIN,
        WAIT_DRAIN.replace(" & ~self.walker_busy", ""),
        TOO_EARLY,
    ),
    "rule 2: events are walked while the pass reads": (
        PASS_END,
        PASS_END.replace("~self.pass_reads", "~self.pass_reads | ~self.list_empty"),
        "delta during a pass",
    ),
    "rule 4: the readout takes its sums before the events are walked": (
        WAIT_DRAIN,
        WAIT_DRAIN.replace("~self.list_busy & ~self.walker_busy", "last_layer | ~self.list_busy"),
        TOO_EARLY,
    ),
    "rule 5: reset does not wait for the events of a step": (
        WAIT_DRAIN,
        WAIT_DRAIN.replace(
            "~self.list_busy & ~self.walker_busy",
            "last_layer | (~self.list_busy & ~self.walker_busy)",
        ).replace("END_STEP", "CLEAR"),
        "reset while events are under way",
    ),
    "rule 6: a reset leaves the knowledge of a fixed point": (
        CLEARED,
        CLEARED.replace("unsettled.eq(1),", ""),
        "pass skipped after a reset",
    ),
    "rule 6: a pass is skipped though the layer itself has moved": (
        "emitted.bit_select(layer, 1).eq(~self.list_empty)",
        "emitted.bit_select(layer, 1).eq(0)",
        "is .*, not ",
    ),
    "rule 6: a pass is skipped though its inputs have changed": (
        "settled_now.eq(~(unsettled | emitted_below | ",
        "settled_now.eq(~(unsettled | (emitted_below & layer.any()) | ",
        "is .*, not ",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_caught(mutant):
    old, new, caught = MUTANTS[mutant]
    with mutated(Mutant(mutant, Sequencer, old, new)):
        with pytest.raises(AssertionError, match=caught):
            play(script())


@pytest.mark.parametrize(
    "layer, accumulator, caught",
    [
        (0, 0, "a layer's events do not begin at its own U"),
        (1, 0, "a layer's events do not begin at its own U"),
        (0, 30, "is .*, not "),
    ],
)
def test_rule_3_events_fed_to_another_layer_are_caught(layer, accumulator, caught):
    made = script()
    image = compile_image(NETWORK, LANES)
    at = image.layout.layers[layer].record
    words = made.operations[0]["words"]
    words[at] = words[at] & ~(0x7F << EDGE_BIT) | accumulator << EDGE_BIT
    with pytest.raises(AssertionError, match=caught):
        play(made)


@pytest.mark.parametrize(
    "port, caught",
    [
        ("state_write", "memory written while the engine works"),
        ("score_write", "memory written while the engine works"),
        ("store_write", "memory written while the engine works"),
        ("state_address", "state read while events are under way"),
    ],
)
def test_rule_5_memory_access_while_events_are_under_way_is_caught(port, caught):
    made = script()
    words = len(made.operations[0]["words"])
    engine = Engine(EngineParameters(lanes=LANES, store_words=words))

    async def disturb(ports):
        await ports.until("network_valid", 1, 100_000)
        await ports.until("busy", 0, 100_000)
        for _ in range(2):
            await ports.until("busy", 1, 100_000)
            await ports.tick(100)
            while ports.look("busy"):
                ports.put(port, 1)
                await ports.tick()
            ports.put(port, 0)

    with pytest.raises(AssertionError, match=caught):
        play(made, engine, disturb)
