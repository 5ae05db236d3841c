"""The shipped network: what it is, how good it is, and that it agrees with itself bit for bit."""

from pathlib import Path

import pytest
import torch

import models
from models.evaluate import evaluate
from models.file import load
from models.golden import GoldenModel
from models.golden_torch import TorchGoldenModel
from models.tasks import digits

DIGITS = Path(models.__file__).parent / "zoo" / "digits.safetensors"


@pytest.fixture(scope="module")
def network():
    return load(DIGITS)


def test_it_is_the_digits_network(network):
    spec = network.spec
    assert (spec.name, spec.task, spec.target) == ("digits", "digits", "class")
    assert (spec.inputs, spec.units, spec.outputs, spec.hb) == (8, (64,), 10, 7)
    assert (spec.readout.mode, spec.readout.planes, spec.layers[0].theta) == ("last", 1, 0)
    assert spec.labels == tuple("0123456789")


def test_its_normalisation_is_the_tasks(network):
    task = digits.load()
    assert (network.normalisation.mean == task.normalisation.mean).all()
    assert (network.normalisation.scale == task.normalisation.scale).all()
    assert not network.quantize(task.test.x[:1] * 0).any()  # paper makes no events


def test_it_reads_real_digits_and_agrees_bit_for_bit(network):
    result = evaluate(network, digits.load().test)
    assert result.agree and result.logits_compared == 450 * 8 * 10
    assert result.integer == result.qat >= 0.97
    assert result.hold > 0.3 and result.zero_weights > 0.3


def test_both_golden_models_agree_on_every_digit(network):
    x = network.quantize(digits.load().test.x)
    numpy, tensors = GoldenModel(network).run(x), TorchGoldenModel(network).run(torch.from_numpy(x))
    assert (tensors.logits.numpy() == numpy.logits).all()
    assert (tensors.states[0].numpy() == numpy.states[0]).all()
    assert (tensors.labels.numpy() == numpy.labels).all()
