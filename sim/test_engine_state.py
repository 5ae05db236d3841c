"""State rules: load, reset, save and restore, and a soft reset in the middle of anything.

A script compares every state, score, label, event and cycle with the golden model of a fresh
sequence, so "equals a fresh engine" needs nothing to be run twice.
"""

import numpy as np
import pytest

from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from sim.engine_script import EngineScript
from sim.test_engine import LANES, STORES, play

MODES = ("last", "sum", "every")


def network(seed, **changes):
    sizes = {"inputs": 9, "units": (13, 10), "outputs": 5, "shifts": (0, 6), "shuffled": True}
    return random_network(seed, **{**sizes, **changes})


def inputs(of, steps, seed=0):
    return random_inputs(seed, of, 1, steps)[0]


@pytest.mark.parametrize("store", STORES)
def test_network_loaded_after_another_runs_as_in_a_fresh_engine(simulator, store):
    large = network(1, inputs=20, units=(30, 20, 25), outputs=30, planes=2, mode="sum")
    small = network(2, units=(3,), inputs=3, outputs=2)
    script = EngineScript(LANES)
    for order in (large, small, large, small):
        script.load(order)
        # No reset before or after: the load itself must clear everything.
        script.sequence(inputs(order, 4), reset=False)
    play(script, simulator, store, "load")


def test_sequence_after_reset_runs_as_in_a_fresh_engine(simulator):
    script = EngineScript(LANES)
    for mode in MODES:
        script.load(network(3, mode=mode))
        script.reset()
        script.reset()
        for seed in range(3):
            script.sequence(inputs(script.network, 4, seed))
        # A sequence that begins as the last one ended: nothing may be left to compare with.
        script.sequence(inputs(script.network, 4, seed=2)[::-1])
    play(script, simulator, "bram", "reset")


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("mode", MODES)
def test_saved_and_restored_sequence_equals_an_uninterrupted_one(simulator, store, mode):
    first = network(4, mode=mode, theta=2)
    other = network(5, units=(40,), outputs=9)
    x = inputs(first, 9)
    x[3:6] = x[2]
    uninterrupted = GoldenModel(first).run(x[None])
    script = EngineScript(LANES)
    for saved_after in (1, 5):
        script.load(first)
        script.sequence(x[:saved_after])
        state = script.state
        script.sequence(inputs(first, 3, seed=1))
        script.restore(state)
        script.load(other)
        script.sequence(inputs(other, 2))
        script.load(first)
        script.restore(state)
        script.sequence(x[saved_after:], reset=False)
        for h, expected in zip(script.state.h, uninterrupted.state.h, strict=True):
            assert np.array_equal(h, expected)
        assert np.array_equal(script.state.scores, uninterrupted.state.scores)
        assert script.operations[-1]["label"] == uninterrupted.labels[0]
    play(script, simulator, store, f"restore-{mode}")


def test_soft_reset_in_the_middle_of_a_command_leaves_a_fresh_engine(simulator):
    script = EngineScript(LANES)
    script.load(network(6, mode="sum"))
    x = inputs(script.network, 3)
    script.sequence(x)
    longest = script.operations[-1]["cycles"]
    moments = {"verilator": 5, "icarus": 37}[simulator]
    for after in range(0, longest + moments, moments):
        script.step(x[0])
        script.abandon("step", after, x[1])
        script.sequence(x, reset=False)
    for command, latest in (("reset", 20), ("replay", 60), ("configure", 20), ("check", 100)):
        for after in range(1, latest, moments):
            script.abandon(command, after)
            script.sequence(x[:2], reset=False)
    # A checksum that was abandoned leaves nothing to the next one.
    for after in (35, 38, 42):
        script.abandon("check", after)
        script.load(script.network, check=True)
    play(script, simulator, "bram", "soft-reset")
