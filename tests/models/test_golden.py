"""The integer golden model against the numeric contract, written out one number at a time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.golden import GoldenModel
from models.network import NetworkError
from models.random_networks import random_inputs, random_network
from models.spec import FRACTION_BITS


def scalar_step(network, x, states):
    """One step in plain Python integers, unit by unit."""
    limit, source, after = network.spec.M, [int(v) for v in x], []
    for layer, weights, h in zip(network.spec.layers, network.layers, states, strict=True):
        h = [int(v) for v in h]

        def p(row, weights=weights, source=source, h=h):
            total = int(weights.b[row])
            for plane, shift in zip(weights.W, weights.W_shift, strict=True):
                raw = sum(int(w) * v for w, v in zip(plane[row], source, strict=True))
                assert -(2**15) <= raw < 2**15
                total += raw << int(shift[row])
            for plane, shift in zip(weights.U, weights.U_shift, strict=True):
                raw = sum(int(w) * v for w, v in zip(plane[row], h, strict=True))
                total += raw << int(shift[row])
            assert -(2**23) <= total < 2**23
            return total >> FRACTION_BITS

        new = []
        for unit in range(layer.units):
            z = min(max(p(unit), 0), 2 * limit + 1)
            c = min(max(p(layer.units + unit), -limit), limit)
            d = c - h[unit]
            d = max(d - layer.theta, 0) if d > 0 else min(d + layer.theta, 0)
            new.append(h[unit] + min(max(d, -z), z))
        after.append(new)
        source = new
    logits = []
    readout = network.readout
    for row in range(network.spec.outputs):
        total = int(readout.b[row])
        for plane, shift in zip(readout.R, readout.R_shift, strict=True):
            total += sum(int(w) * v for w, v in zip(plane[row], source, strict=True)) << int(
                shift[row]
            )
        logits.append(total)
    return logits, after


NETWORKS = [
    {"units": (6,)},
    {"units": (5, 4), "theta": (3, 0), "hb": 4, "mode": "every"},
    {"units": (4, 3, 5), "hb": 3, "mode": "sum", "shifts": (0, 7), "bias": 32768},
    {"units": (3, 4, 2, 3), "hb": 6, "planes": 2, "theta": 5},
    {"units": (4,), "planes": 4, "shifts": (7, 7), "density": 1.0, "hb": 5},
]


@pytest.mark.parametrize("settings", NETWORKS)
def test_run_equals_the_contract_in_plain_integers(settings):
    network = random_network(11, **settings)
    x = random_inputs(12, network, 4, 9)
    result = GoldenModel(network).run(x)
    for n in range(len(x)):
        states, total = [[0] * units for units in network.spec.units], 0
        for t in range(9):
            logits, states = scalar_step(network, x[n, t], states)
            assert result.logits[n, t].tolist() == logits
            assert [layer[n, t].tolist() for layer in result.states] == states
            total = total + np.array(logits)
        scores = total if network.spec.readout.mode == "sum" else np.array(logits)
        assert result.scores[n].tolist() == scores.tolist()
        assert result.labels[n] == scores.tolist().index(max(scores))


@given(st.integers(0, 10**6), st.integers(3, 7))
@settings(max_examples=40, deadline=None)
def test_the_gate_holds_overwrites_and_stays_between(seed, hb):
    network = random_network(seed, units=(12,), hb=hb, shifts=(0, 6), bias=3000)
    model, limit = GoldenModel(network), network.spec.M
    x = random_inputs(seed, network, 5, 6)
    states = model.run(x).states[0].astype(int)
    before = np.concatenate([np.zeros_like(states[:, :1]), states[:, :-1]], axis=1)
    weights = network.layers[0]
    total = (x.astype(int) @ weights.W[0].T) << weights.W_shift[0].astype(int)
    total = total + ((before @ weights.U[0].T) << weights.U_shift[0].astype(int)) + weights.b
    p = total >> FRACTION_BITS
    z, c = np.maximum(p[..., :12], 0), np.clip(p[..., 12:], -limit, limit)
    assert (states[z == 0] == before[z == 0]).all()
    free = z >= np.abs(c - before)
    assert (states[free] == c[free]).all()
    assert (states >= np.minimum(before, c)).all() and (states <= np.maximum(before, c)).all()


@pytest.mark.parametrize("mode", ["last", "sum", "every"])
def test_padded_sequences_equal_each_alone(mode):
    network = random_network(2, units=(6, 5), mode=mode, theta=2)
    model, x, lengths = GoldenModel(network), random_inputs(3, network, 6, 8), [1, 8, 3, 5, 8, 2]
    together = model.run(x, lengths)
    for n, length in enumerate(lengths):
        alone = model.run(x[n : n + 1, :length])
        assert (together.scores[n] == alone.scores[0]).all()
        assert together.labels[n] == alone.labels[0]
        assert together.state.steps[n] == length
        for layer, single in zip(together.states, alone.states, strict=True):
            assert (layer[n, :length] == single[0]).all()
            assert (layer[n, length:] == single[0, -1]).all()


@pytest.mark.parametrize("mode", ["last", "sum", "every"])
def test_continuing_equals_uninterrupted(mode):
    network = random_network(4, units=(6, 5), mode=mode)
    model, x = GoldenModel(network), random_inputs(5, network, 3, 10)
    whole = model.run(x)
    first = model.run(x[:, :4])
    second = model.run(x[:, 4:], state=first.state)
    assert (second.scores == whole.scores).all()
    assert (second.state.steps == 10).all()
    assert (second.logits == whole.logits[:, 4:]).all()
    state = model.initial_state(3)
    for t in range(10):
        logits, state = model.step(x[:, t], state)
        assert (logits == whole.logits[:, t]).all()
    assert all((a == b).all() for a, b in zip(state.h, whole.state.h, strict=True))
    assert (state.scores == whole.state.scores).all()


def test_a_tie_goes_to_the_lowest_index():
    network = random_network(0, outputs=4)
    readout = network.readout
    tied = replace(readout, R=np.zeros_like(readout.R), b=np.array([3, 9, 9, 9], np.int16))
    network = replace(network, readout=tied)
    assert GoldenModel(network).run(random_inputs(0, network, 2, 3)).labels.tolist() == [1, 1]


def test_value_divides_by_the_weight_of_a_logit_and_in_sum_by_the_steps():
    for mode, expected in (("last", [2.0, -0.5]), ("sum", [0.5, -0.125])):
        network = random_network(0, outputs=2, mode=mode, target="value", hb=6)
        scores = np.array([[2 * 2**11, -(2**10)]])
        assert GoldenModel(network).value(scores, np.array([4]))[0].tolist() == expected


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full((1, 2, 4), 16), r"must lie in \[-15, 15\], but x\[0, 0, 0\] is 16"),
        (np.full((1, 2, 4), -16), r"is -16"),
        (np.full((1, 2, 4), 2**40), r"is 1099511627776"),
        (np.zeros((1, 2, 4)), "array of integers, not of float64"),
        (np.zeros((1, 2, 3), int), r"I = 4, not \(1, 2, 3\)"),
        (np.zeros((2, 4), int), r"shape \[N, T, I\]"),
        (np.zeros((1, 0, 4), int), "at least one time step"),
    ],
)
def test_wrong_inputs_are_refused(x, message):
    with pytest.raises(NetworkError, match=message):
        GoldenModel(random_network(0, hb=4)).run(x)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [([0, 1], "from 1 to 3"), ([1, 4], "from 1 to 3"), ([1], "2 integers"), ([1.0, 2.0], "2 int")],
)
def test_wrong_lengths_are_refused(lengths, message):
    network = random_network(0)
    with pytest.raises(NetworkError, match=message):
        GoldenModel(network).run(np.zeros((2, 3, 4), int), lengths)


def test_a_sequence_beyond_max_steps_is_refused():
    network = random_network(0, mode="sum")
    network = replace(network, spec=replace(network.spec, max_steps=5))
    model = GoldenModel(network)
    state = model.run(np.zeros((1, 5, 4), int)).state
    with pytest.raises(NetworkError, match="at most 5 steps .* not 6"):
        model.step(np.zeros((1, 4), int), state)
    with pytest.raises(NetworkError, match="at most 5 steps"):
        model.run(np.zeros((1, 6, 4), int))


def test_a_state_of_another_network_is_refused():
    model = GoldenModel(random_network(0, units=(8,)))
    other = GoldenModel(random_network(0, units=(9,))).initial_state(1)
    with pytest.raises(NetworkError, match=r"h of layer 0 must be \(1, 8\), not \(1, 9\)"):
        model.step(np.zeros((1, 4), int), other)
    two = GoldenModel(random_network(0, units=(8, 8))).initial_state(1)
    with pytest.raises(NetworkError, match="h of 1 layers, not 2"):
        model.step(np.zeros((1, 4), int), two)
    state = model.initial_state(1)
    low = replace(state, h=(np.full((1, 8), -128, np.int8),))
    with pytest.raises(NetworkError, match=r"must lie in \[-127, 127\]"):
        model.step(np.zeros((1, 4), int), low)
