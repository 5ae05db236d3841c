"""Ternary weights and activations, as wrappers of any module."""

import numpy as np
import pytest
import torch

from models.family.ternary import TernaryActivation, ternary_weights
from tests.models.formulas import cut, ttq


@pytest.mark.parametrize("gate", [False, True])
def test_bernoulli_draws_are_right_on_average_and_gradients_go_through(gate):
    torch.manual_seed(0)
    activation = TernaryActivation(gate=gate, slope=1.5)
    p = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    smooth = torch.sigmoid(1.5 * p) if gate else torch.tanh(1.5 * p)
    drawn = torch.stack([activation(p) for _ in range(4000)])
    assert set(drawn.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert (drawn.mean(dim=0) - smooth).abs().max() < 0.05
    (ours,) = torch.autograd.grad(activation(p).sum(), p)
    (theirs,) = torch.autograd.grad(smooth.sum(), p)
    torch.testing.assert_close(ours, theirs)
    activation.eval()
    np.testing.assert_array_equal(activation(p).detach(), cut(smooth.detach().numpy()))


def test_a_steeper_slope_leaves_less_to_chance():
    """A draw that is 1 with probability a has the variance a (1 - a)."""
    p = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    noises = []
    for slope in (1.0, 2.0, 4.0):
        torch.manual_seed(1)
        smooth = torch.tanh(slope * p)
        noise = (TernaryActivation(slope=slope)(p) - smooth).square().mean()
        expected = (smooth.abs() * (1 - smooth.abs())).mean()
        assert float(noise) == pytest.approx(float(expected), abs=0.03)
        noises.append(float(noise))
    assert noises == sorted(noises, reverse=True)


def test_any_matrix_of_a_module_can_be_made_ternary():
    linear = torch.nn.Linear(6, 4)
    original = linear.weight.detach().clone()
    ternary_weights(linear, ["weight"])
    np.testing.assert_allclose(linear.weight.detach(), ttq(original.numpy()), rtol=1e-6)
    linear(torch.ones(2, 6)).sum().backward()
    assert (linear.parametrizations.weight.original.grad == 2).all(), "straight through"
    with pytest.raises(ValueError, match="Linear has no parameter 'wait'"):
        ternary_weights(linear, ["wait"])
    with torch.no_grad():
        linear.parametrizations.weight.original.zero_()
    assert (linear.weight == 0).all()
