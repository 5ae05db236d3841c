"""Engines of other word formats: packed weights, one event a cycle. One script for each."""

from typing import Any

import numpy as np
import pytest

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from models import file
from models.random_networks import random_inputs, random_network
from models.tasks import digits
from sim.engine_cases import LARGEST, draw_network, draw_sequences, with_extreme_rows
from sim.engine_script import EngineScript
from sim.runner import run_bench
from sim.test_engine import SEED, STORES, ZOO

FORMATS: dict[str, dict[str, Any]] = {
    "one event, 16 lanes": {"lanes": 16, "weights": "spram", "events": 1},
    "one event, 24 lanes": {"lanes": 24, "weights": "spram", "events": 1},
    "packed, 20 lanes": {"lanes": 20, "weights": "spram", "packed": True},
    "packed, 16 lanes, block RAM": {"lanes": 16, "weights": "bram", "packed": True},
    "packed, one event, 24 lanes": {"lanes": 24, "weights": "spram", "events": 1, "packed": True},
}

SMALLER = {**LARGEST, "units": (240,)}


def script_for(parameters, first, bounds):
    """All that an engine must do: digits, drawn networks, a state replayed.

    With `bounds`, all of them at once, too: that is most of the work, and too much for Icarus.
    """
    script = EngineScript(parameters.lanes, SEED, 0.2, parameters.word_format)
    network = file.load(ZOO / "digits.safetensors")
    script.load(network, check=True)
    for sequence in network.normalisation.quantize(digits.load().test.x[:6], network.spec.hb):
        script.sequence(sequence)
    for seed in range(first, first + 6):
        network = draw_network(seed)
        script.load(network)
        for sequence in draw_sequences(seed, network):
            script.sequence(sequence)
    # Odd numbers of units: a block begins with a source that there is not. A state saved and put
    # back; a burst without an idle cycle.
    network = random_network(SEED, inputs=9, units=(13, 11, 7), outputs=5, planes=2, mode="sum")
    script.load(network)
    x = random_inputs(SEED, network, 1, 8)[0]
    script.sequence(x[:4])
    state = script.state
    script.sequence(x[4:])
    script.restore(state)
    begin = len(script.operations)
    script.sequence(x[4:], reset=False)
    script.sequence(x)
    script.burst(begin)
    if not bounds:
        return script
    # 256 units on 16 lanes need more words of one source than there are.
    largest = LARGEST if parameters.lanes > 16 or parameters.events == 2 else SMALLER
    network = with_extreme_rows(random_network(SEED, **largest), np.random.default_rng(SEED))
    script.load(network)
    limit = network.spec.M
    script.sequence([[limit] * 257, [-limit] * 257])
    return script


@pytest.mark.parametrize("name", FORMATS)
def test_engine_of_a_word_format_equals_golden_and_cycle_model(simulator, name):
    settings = FORMATS[name]
    store_words = 16384  # the largest network needs more than a board's block RAM has
    assert store_words == STORES["spram"]
    parameters = EngineParameters(store_words=store_words, **settings)
    first = SEED + 100 * list(FORMATS).index(name)
    print(f"ADDGATE_SEED={SEED}: networks {first} to {first + 5}")
    case = "engine-" + name.replace(", ", "-").replace(" ", "-")
    run_bench(
        Engine(parameters),
        "sim.benches.engine",
        simulator,
        name=case,
        case=case,
        data={"operations": script_for(parameters, first, simulator == "verilator").operations},
    )
