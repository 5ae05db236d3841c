"""The tests see every situation of the engine that there is (`sim.coverage.bins`)."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from models.random_networks import random_network
from sim.coverage.bins import names
from sim.coverage.cases import directed_cases, one_layer, random_cases
from sim.coverage.results import empty, folder, impossible
from sim.engine_script import EngineScript
from sim.test_engine import LANES, play

pytestmark = pytest.mark.usefixtures("verilator")

#: Not the other tests' seed: which bins drawn networks reach must not depend on the day.
SEED = 2026


def hits_of(script, case):
    play(script, "verilator", "spram", case)
    return Counter(json.loads((folder() / f"engine-spram-{case}.json").read_text())["hits"])


def test_counts_of_a_script_whose_events_are_known():
    """Not only that something is counted: exactly as often as it happens."""
    network = random_network(
        2, inputs=3, units=(5, 4), outputs=3, hb=5, theta=(0, 2), density=0, bias=0
    )
    script = EngineScript(LANES)
    script.load(network)
    # No weight and no bias: z = c = 0, so no unit ever changes.
    script.sequence([[1, 2, 0], [1, 3, 0], [1, 3, 0], [-31, 3, 1]])
    hits = hits_of(script, "coverage-known")
    assert {name: hits[name] for name in names() if hits[name]} == {
        "network: 2 layers": 4,
        "network: hb = 5": 4,
        # The third step runs no layer, the others the first; the second layer runs once, after
        # the reset, since the first never changes.
        **{f"network: 1 planes of {matrix}": 4 for matrix in "WU"},
        "network: 1 planes of R": 1,
        "network: theta 0": 3,
        "network: theta between": 1,
        "load: network loaded": 1,
        "input event: K = 2": 1 + 1 + 0 + 2,
        # The three inputs are numbered 3, 2, 1: the first step's events are walked together.
        "input event: an even and an odd one": 1,
        "input event: an odd one alone": 0 + 0 + 0 + 2,
        "input event: an even one alone": 0 + 1,
        "input event: held back for a companion that came": 1,
        "input event: held back for a companion that did not come": 0 + 1 + 0 + 1,
        "input event: delta 1": 1 + 1 + 1,
        "input event: none in a step": 1,
        "input event: one in a step": 1,
        "input event: some in a step": 2,
        "input event: after a gap": 3,
        "input event: without a gap": 1,
        "event list: empty": 4,
        "gate: pz = 0": 3 * 5 + 4,
        "gate: pc inside": 3 * 5 + 4,
        "pass: layer 1 runs": 3,
        "pass: layer 2 runs": 1,
        "pass: layer 1 skipped": 1,
        "pass: layer 2 skipped": 3,
        "pass: first layer of several skipped": 1,
        "pass: last layer of several skipped": 3,
        "pass: layer's read ahead": 3,
        "pass: readout's read ahead": 1,
        "pass: skipped above one that ran": 2,
        "pass: first after a reset": 1,
        "readout: in mode last": 1,
        "readout: not due": 3,
        "answer: tie in a pair": 1,
        # The counters before everything, after the reset and after each step.
        "tally: asked for": 1 + 1 + 4,
        # The configuration, the reset and the steps; a tally comes right after them.
        "stream: command after a pause": 1 + 1 + 4,
        "stream: byte after byte": 8,
    }


def test_counts_of_shifts_are_those_of_the_rows_whose_sums_are_not_zero():
    """Each row has a shift of its own, so a sum that meets another row's shift would show."""
    network = one_layer(1, 1, 3, 4, density=0)
    layer = network.layers[0]
    w = layer.W.copy()
    w[0, [1, 3, 5], 0] = 1  # z of unit 1, c of units 0 and 2
    w_shift = np.array([[0, 1, 2, 3, 4, 5]], np.uint8)
    u_shift = np.full((1, 6), 6, np.uint8)
    b = np.array([0, 320, 0, 0, 320, 0], np.int16)  # only unit 1 moves, to c = 10
    r = np.zeros((1, 4, 3), np.int8)
    r[0, [1, 2], 1] = 1
    readout = replace(network.readout, R=r, R_shift=np.array([[3, 2, 7, 1]], np.uint8))
    made = replace(layer, W=w, W_shift=w_shift, U_shift=u_shift, b=b)
    script = EngineScript(LANES)
    script.load(replace(network, layers=(made,), readout=readout))
    script.sequence([[1]])
    assert script.state.h[0].tolist() == [[0, 10, 0]]
    hits = hits_of(script, "coverage-shifts")
    assert {name: hits[name] for name in names() if "shift: " in name and hits[name]} == {
        "shift: z row by 1": 1,
        "shift: c row by 3": 1,
        "shift: c row by 5": 1,
        "shift: even readout row by 7": 1,
        "shift: odd readout row by 2": 1,
    }


def test_every_reachable_bin_is_hit_and_no_other():
    hits = hits_of(directed_cases(LANES, SEED), "coverage-directed")
    hits += hits_of(random_cases(LANES, SEED, 16), "coverage-random")
    assert not impossible(hits)
    assert not empty(hits)
