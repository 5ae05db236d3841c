"""The whole driver over a damaged line: every answer is right, or is an error to the caller."""

import numpy as np
import pytest

from host.errors import DeviceError
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from sim.faults.damage import Faults
from tests.host.fake_line import FakeLine
from tests.host.helpers import fake_device, open_over


def run_under_faults(kind, every, seed, steps=400):
    """Return (right answers, errors, faults) of `steps` steps in sequences of 8."""
    network = random_network(seed, inputs=5, units=(12,), outputs=4, mode="every")
    x = random_inputs(seed, network, steps // 8, 8)
    golden = GoldenModel(network).run(x)
    to_device, to_host = Faults(kind, every, seed), Faults(kind, every, seed + 1000)
    line = FakeLine(fake_device(network), seed, to_device, to_host)
    right = errors = 0
    device, todo = None, list(range(len(x)))
    while todo:
        try:
            if device is None:
                device = open_over(line)
                device.load(network)
            for index, result in zip(
                list(todo), device.run_many(x[i] for i in list(todo)), strict=True
            ):
                for step, answer in enumerate(result.every):
                    np.testing.assert_array_equal(answer.logits, golden.logits[index, step])
                todo.remove(index)
                right += 8
        except DeviceError:
            errors += 1
            assert errors < 20, f"seed {seed}: {kind} 1 in {every} hardly ever gets through"
            device = None
    return right, errors, to_device.count + to_host.count


@pytest.mark.parametrize("kind", Faults.KINDS)
@pytest.mark.parametrize("every", [100, 1000])
def test_answers_are_right_under_faults(kind, every):
    for seed in range(2):
        right, errors, faults = run_under_faults(kind, every, seed)
        print(f"{kind} 1 in {every}, seed {seed}: {right} right, {errors} errors, {faults} faults")
        assert right == 400 and faults > 0


def test_rare_faults_are_repaired_without_an_error():
    for kind in Faults.KINDS:
        _, errors, _ = run_under_faults(kind, 1000, 7)
        assert errors == 0, kind


def test_unplugging_in_the_middle_is_an_error_and_reopening_works():
    network = random_network(1)
    x = random_inputs(1, network, 40, 8)
    fake = fake_device(network)
    line = FakeLine(fake)
    device = open_over(line)
    device.load(network)
    line.unplugged_at = line.clock + 0.001
    done = []
    with pytest.raises(DeviceError, match="unplugged"):
        for result in device.run_many(x):
            done.append(result)
    assert 0 < len(done) < 40
    again = open_over(FakeLine(fake))
    again.load(network)
    golden = GoldenModel(network).run(x)
    for index, result in enumerate(done):
        np.testing.assert_array_equal(result.logits, golden.scores[index])
    for index, result in enumerate(again.run_many(x)):
        np.testing.assert_array_equal(result.logits, golden.scores[index])
