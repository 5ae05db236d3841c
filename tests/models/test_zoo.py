"""The shipped networks: what they are, how good they are, and that QAT and integers agree."""

from pathlib import Path

import pytest
import torch

import models
from models.evaluate import evaluate, load_part
from models.file import load
from models.golden import GoldenModel
from models.golden_torch import TorchGoldenModel
from models.marks import better, shown
from models.tasks import digits
from tests.shared_data import data_of

ZOO = Path(models.__file__).parent / "zoo"
#: File: theta, and the accuracy and the events a step that it must at least and at most have.
PROMISED = {
    "digits": (16, 0.96, 12.5),  # 433 of 450 are right
    "digits-dense": (0, 0.975, 34.0),  # 440 of 450
}


@pytest.fixture(scope="module", params=PROMISED)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def network(name):
    return load(ZOO / f"{name}.safetensors")


#: Of other tasks: inputs, units, outputs, readout, and what the test part must give (at least; of
#: bits, at most).
OTHERS = {
    "digits-pixels": (1, (64,), 10, "last", 0.98),
    "spoken-digits": (32, (64,), 10, "sum", 0.98),
    "spoken-digits-stream": (32, (64,), 11, "sum", 0.965),
    "text": (65, (128,), 65, "every", 2.6),
}


def test_every_shipped_network_is_tested_and_described():
    assert {path.stem for path in ZOO.glob("*.safetensors")} == {*PROMISED, *OTHERS}
    about = (ZOO / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}.safetensors`" in about for name in (*PROMISED, *OTHERS))


@pytest.mark.parametrize("name", OTHERS)
def test_networks_of_other_tasks_are_as_good_as_they_are_said_to_be(name):
    inputs, units, outputs, mode, promised = OTHERS[name]
    network = load(ZOO / f"{name}.safetensors")
    spec = network.spec
    assert (spec.name, spec.task) == (name, name)
    assert (spec.inputs, spec.units, spec.outputs, spec.readout.mode) == (
        inputs, units, outputs, mode
    )  # fmt: skip
    assert spec.labels is not None and len(spec.labels) == outputs
    result = evaluate(network, load_part(network, name, data_of(name)))
    assert result.agree and result.integer == result.qat
    sign = better(result.measure)
    assert sign * result.integer >= sign * promised
    about = (ZOO / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in about.splitlines() if line.startswith(f"| `{name}.safetensors`")]
    assert f"**{shown(result.measure, result.integer)}**" in row


def test_it_is_a_digits_network(name, network):
    spec = network.spec
    assert (spec.name, spec.task, spec.target) == ("digits", "digits", "class")
    assert (spec.inputs, spec.units, spec.outputs, spec.hb) == (8, (64,), 10, 7)
    assert (spec.readout.mode, spec.readout.planes) == ("last", 1)
    assert spec.layers[0].theta == PROMISED[name][0]
    assert spec.labels == tuple("0123456789")


def test_its_normalisation_is_the_tasks(network):
    task = digits.load()
    assert (network.normalisation.mean == task.normalisation.mean).all()
    assert (network.normalisation.scale == task.normalisation.scale).all()
    assert not network.quantize(task.test.x[:1] * 0).any()  # paper makes no events


def test_it_reads_real_digits_and_agrees_bit_for_bit(name, network):
    _, accuracy, events = PROMISED[name]
    result = evaluate(network, digits.load().test)
    assert result.agree and result.logits_compared == 450 * 8 * 10
    assert result.integer == result.qat >= accuracy
    assert sum(result.events) <= events
    assert result.hold > 0.3 and result.zero_weights > 0.3


def test_the_sparse_network_makes_less_than_half_the_events_of_the_dense_one():
    part = digits.load().test
    sparse, dense = (
        sum(evaluate(load(ZOO / f"{name}.safetensors"), part).events)
        for name in ("digits", "digits-dense")
    )
    assert 2 * sparse < dense


def test_the_zoo_says_how_many_digits_each_network_reads():
    about = (ZOO / "README.md").read_text(encoding="utf-8")
    part = digits.load().test
    (row,) = [line for line in about.splitlines() if line.startswith("| the 450 test digits")]
    for name, cell in zip(PROMISED, row.split("|")[2:], strict=False):
        accuracy = evaluate(load(ZOO / f"{name}.safetensors"), part).integer
        assert cell.strip() == f"**{100 * accuracy:.2f} %** ({round(450 * accuracy)})"


def test_both_golden_models_agree_on_every_digit(network):
    x = network.quantize(digits.load().test.x)
    numpy, tensors = GoldenModel(network).run(x), TorchGoldenModel(network).run(torch.from_numpy(x))
    assert (tensors.logits.numpy() == numpy.logits).all()
    assert (tensors.states[0].numpy() == numpy.states[0]).all()
    assert (tensors.labels.numpy() == numpy.labels).all()
