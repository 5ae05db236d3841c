"""What is counted of a device's answers is what `models.evaluate` counts of the golden model."""

from dataclasses import replace

import numpy as np
import pytest

from host.compare import compare
from host.device import Device
from models.evaluate import evaluate
from models.marks import collapse, edits
from models.random_networks import random_network
from models.tasks.data import OneHot, Part

RNG = np.random.default_rng(3)
X = RNG.uniform(-1, 1, (9, 7, 4))
LENGTHS = RNG.integers(3, 8, 9)

PARTS = {
    "accuracy": (Part(X, RNG.integers(0, 3, 9), LENGTHS), {"mode": "sum"}),
    "mse": (Part(X, RNG.normal(size=9)), {"target": "value", "outputs": 1}),
    "mse of sums": (Part(X, RNG.normal(size=9), LENGTHS),
                    {"target": "value", "outputs": 1, "mode": "sum"}),
    "bits": (Part(OneHot(RNG.integers(0, 4, (9, 7)), 4), RNG.integers(0, 3, (9, 7)), LENGTHS),
             {"mode": "every"}),
    "error rate": (Part(X, RNG.integers(1, 3, (9, 3)), LENGTHS, RNG.integers(1, 4, 9)),
                   {"mode": "every"}),
}  # fmt: skip


@pytest.mark.parametrize("measure", PARTS)
def test_a_device_is_judged_as_the_golden_model_is(measure):
    part, settings = PARTS[measure]
    network = random_network(1, **settings)
    with Device.open("emulator", network=network) as device:
        found = compare(device, part)
    wanted = evaluate(network, part)
    assert found.exact and found.measure == wanted.measure == measure.removesuffix(" of sums")
    assert found.score == pytest.approx(wanted.integer, rel=1e-12) == found.golden_score
    assert found.steps == (LENGTHS.sum() if part.lengths is not None else 63)


def test_a_host_spells_what_the_logits_of_every_step_say():
    part, settings = PARTS["error rate"]
    network = random_network(1, **settings)
    wrong = 0
    with Device.open("emulator", network=network) as device:
        for x, steps, y, length in zip(part.x, LENGTHS, part.y, part.y_lengths, strict=True):
            result = device.run(x[:steps])
            string = collapse(np.array([step.label for step in result.every]))
            wrong += edits(string, y[:length].tolist())
        found = compare(device, part)
    assert found.score == wrong / part.y_lengths.sum()


def test_a_network_that_answers_once_cannot_be_asked_at_every_step():
    part, _ = PARTS["bits"]
    with (
        Device.open("emulator", network=random_network(1, mode="last")) as device,
        pytest.raises(
            ValueError, match="must answer at every step, but its readout's mode is last"
        ),
    ):
        compare(device, part)


@pytest.mark.parametrize("wrong", ["label", "logits"])
def test_one_wrong_answer_is_no_longer_exact(monkeypatch, wrong):
    part, settings = PARTS["accuracy"]
    network = random_network(1, **settings)
    with Device.open("emulator", network=network) as device:
        whole = device.run_many

        def spoiled(sequences):
            for number, result in enumerate(whole(sequences)):
                if number == 4:
                    other = (result.label + 1) % 3 if wrong == "label" else result.label
                    logits = result.logits + (wrong == "logits") * np.array([0, 1, 0])
                    result = replace(result, label=other, logits=logits)
                yield result

        monkeypatch.setattr(device, "run_many", spoiled)
        found = compare(device, part)
    assert not found.exact
    assert (found.labels_different, found.logits_different) == (
        (1, 0) if wrong == "label" else (0, 1)
    )
