"""Dropout before the readout: in training only, the same units at every step, and exact after."""

import numpy as np
import pytest
import torch

from models.export import export
from models.float_network import AdditiveGatedNetwork
from models.golden import GoldenModel
from models.network import Normalisation
from models.qat import prepare_qat


def network(dropout, mode="sum"):
    torch.manual_seed(0)
    unit = Normalisation(np.zeros(3), np.ones(3))
    return AdditiveGatedNetwork(3, 40, 4, mode=mode, dropout=dropout, normalisation=unit)


X = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (5, 7, 3)))


@pytest.mark.parametrize("quantized", [False, True])
def test_evaluation_is_as_if_there_were_none(quantized):
    with_it, without = network(0.5), network(0.0)
    if quantized:
        with_it, without = prepare_qat(with_it), prepare_qat(without)
    a, b = with_it.eval()(X), without.eval()(X)
    assert torch.equal(a.logits, b.logits) and torch.equal(a.scores, b.scores)


def test_training_hides_units_of_a_sequence_at_every_step_alike():
    module = network(0.5).train()
    with torch.no_grad():
        module.readout.weight.copy_(torch.eye(40)[:4])  # each logit shows one unit
        states = module.eval()(X).logits
        shown = module.train()(X).logits
    seen = (shown != 0).any(dim=1, keepdim=True)  # by sequence and unit
    # What is left is doubled, so that a sum stays as large on average.
    torch.testing.assert_close(shown, 2 * states * seen)
    assert 0 < seen.float().mean() < 1 and (states != 0).any(dim=1).all()


def test_states_are_those_without_it():
    module = network(0.5)
    assert torch.equal(module.train()(X).states[0], module.eval()(X).states[0])


def test_none_draws_no_random_number():
    module = network(0.0).train()
    torch.manual_seed(1)
    module(X)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))


def test_what_is_exported_is_bit_for_bit_what_evaluates():
    module = prepare_qat(network(0.3)).eval()
    exported = export(module)
    golden = GoldenModel(exported).run(exported.quantize(X.numpy()))
    scale = 1 << (exported.spec.hb + 5)
    assert np.array_equal(module(X).logits.detach().double().numpy() * scale, golden.logits)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_an_impossible_share_is_refused(dropout):
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), not"):
        network(dropout)
