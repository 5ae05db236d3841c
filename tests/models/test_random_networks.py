"""Random networks: legal, repeatable, and lively enough to test with."""

import numpy as np
import pytest

from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network


def test_the_same_seed_gives_the_same_network():
    assert random_network(5, units=(6, 7)) == random_network(5, units=(6, 7))
    assert random_network(5) != random_network(6)


@pytest.mark.parametrize("hb", range(3, 8))
def test_states_hold_and_move_and_labels_differ(hb):
    labels = set()
    for seed in range(8):
        network = random_network(seed, inputs=8, units=(24, 16), outputs=4, hb=hb)
        result = GoldenModel(network).run(random_inputs(seed, network, 20, 10))
        labels |= set(result.labels.tolist())
        for states in result.states:
            hold = (np.diff(states.astype(int), axis=1) == 0).mean()
            assert 0.1 < hold < 0.98
    assert labels == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "extremes",
    [
        {"planes": 4, "shifts": (7, 7), "density": 1.0, "units": (257,), "inputs": 257},
        {"bias": 32768, "units": (3, 3, 3, 3)},
        {"density": 0.0},
        {"inputs": 1, "units": (1,), "outputs": 1},
        {"theta": (300, 2), "units": (4, 4), "hb": 3},
    ],
)
def test_extremes_are_legal(extremes):
    network = random_network(0, **extremes)
    assert network.spec.inputs == extremes.get("inputs", 4)


def test_inputs_change_as_often_as_asked_and_reach_both_ends():
    network = random_network(0, inputs=10)
    x = random_inputs(0, network, 20, 50, change=0.25)
    assert (x.min(), x.max()) == (-127, 127)
    assert 0.2 < (np.diff(x.astype(int), axis=1) != 0).mean() < 0.3
