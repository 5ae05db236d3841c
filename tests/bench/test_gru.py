"""The conventional GRU: the core against its integer model, the model against PyTorch."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.gru.core import accumulator_bits, weight_words
from bench.gru.image import loads
from bench.gru.model import SIGMOID, TANH, Network, Sizes, random_network
from bench.gru.quantize import quantize, quantize_inputs
from bench.gru.simulation import simulate

DIGITS = Sizes(8, 64, 10)
#: One group of units; input no multiple of anything, several passes of the readout; the digits'.
SIZES = [Sizes(7, 8, 9), Sizes(13, 24, 19), Sizes(40, 16, 1)]


def inputs(rng, steps, sizes):
    return rng.integers(-128, 127, (steps, sizes.inputs), endpoint=True)


def check(network, sequences, due, dsp):
    trace = simulate(network, sequences, due, dsp)
    runs = [network.run(x) for x in sequences]
    states = np.concatenate([states for states, _ in runs])
    logits = np.concatenate([logits for _, logits in runs])
    np.testing.assert_array_equal(trace.states, states)
    for step, answer in enumerate(trace.logits):
        if answer is not None:
            np.testing.assert_array_equal(answer, logits[step], f"step {step}")
    return trace.cycles


@pytest.mark.parametrize("dsp", [True, False], ids=["dsp", "logic"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_core_equals_model(sizes, dsp, seed):
    rng = np.random.default_rng(seed)
    due = [True, False, True, False, False, True]
    sequences = [inputs(rng, 4, sizes), inputs(rng, 2, sizes)]
    check(random_network(sizes, rng), sequences, due, dsp)


@pytest.mark.parametrize("dsp", [True, False], ids=["dsp", "logic"])
def test_core_equals_model_where_everything_saturates(dsp):
    sizes = Sizes(13, 24, 19)
    rng = np.random.default_rng(3)
    x = rng.choice([-128, 127], (4, sizes.inputs))
    check(random_network(sizes, rng, extreme=True), [x], [True] * 4, dsp)


@pytest.mark.parametrize("dsp", [True, False], ids=["dsp", "logic"])
def test_cycles_of_a_step_at_the_digits_sizes(dsp):
    rng = np.random.default_rng(4)
    cycles = check(random_network(DIGITS, rng), [inputs(rng, 2, DIGITS)], [False, True], dsp)
    assert cycles == ([1863, 1948] if dsp else [1864, 1950])
    for count, due in zip(cycles, (False, True), strict=True):
        assert count <= 1.08 * DIGITS.products(due) / 8


def test_totals_never_leave_the_accumulator():
    sizes = Sizes(13, 24, 19)
    most = sizes.columns * 128 * 127
    assert most < 1 << (accumulator_bits(sizes) - 1) <= 2 * most


def test_tables_are_monotonic_and_odd():
    assert (np.diff(SIGMOID) >= 0).all() and (np.diff(TANH) >= 0).all()
    np.testing.assert_array_equal(TANH[1:], -TANH[:0:-1])
    assert SIGMOID[256] == 128 and SIGMOID[0] == 0 and SIGMOID[-1] == 255 and TANH[-1] == 127


@pytest.mark.parametrize("seed", range(3))
def test_model_approximates_pytorch(seed):
    """Small random weights: no state is off by more than 0.025, no logit by more than 0.025."""
    torch.manual_seed(seed)
    gru, readout = nn.GRU(8, 64, batch_first=True), nn.Linear(64, 10)
    x = torch.rand(20, 16, 8) * 2 - 1
    with torch.no_grad():
        wanted, _ = gru(x)
        answers = readout(wanted).numpy()
    network = quantize(gru, readout)
    states, logits = network.run(quantize_inputs(x.numpy().astype(np.float64)))
    np.testing.assert_allclose(states / 128, wanted.numpy(), atol=0.025)
    scale = 2.0 ** -(network.readout_fraction + 7)
    np.testing.assert_allclose(logits * scale, answers, atol=0.025)


def test_largest_update_gate_holds_a_state():
    """z is 255/256 at most; with n = 0, rounding keeps states up to 127 where they are."""
    sizes = Sizes(8, 8, 1)
    network = random_network(sizes, np.random.default_rng(0))
    held = Network(
        **{**vars(network), "W": network.W * 0, "U": network.U * 0,
           "bias": np.array([[0] * 8, [32767] * 8, [0] * 8, [0] * 8])}
    )  # fmt: skip
    h = np.full(8, 100)
    np.testing.assert_array_equal(held.step(np.zeros(8, np.int64), h), h)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((6, 8, 1), "'inputs' must be at least 7, not 6"),
        ((8, 12, 1), "'hidden' must be a positive multiple of 8, not 12"),
        ((64, 200, 1), "'inputs' \\+ 'hidden' must be at most 256, not 264"),
        ((8, 8, 0), "'outputs' must be 1 to 256, not 0"),
    ],
)
def test_sizes_out_of_range_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        Sizes(*sizes)


def test_weights_out_of_range_are_refused():
    network = random_network(Sizes(8, 8, 2), np.random.default_rng(0))
    with pytest.raises(ValueError, match="'U' must be -127 to 127, not -127 to 128"):
        Network(**{**vars(network), "U": np.where(network.U == network.U.max(), 128, -127)})


def test_a_network_is_loaded_whole():
    network = random_network(DIGITS, np.random.default_rng(0))
    addresses = [(region, address) for region, address, _ in loads(network)]
    assert len(set(addresses)) == len(addresses)
    assert len(addresses) == 4 * weight_words(DIGITS) + 4 * 64 + 16 + 4
