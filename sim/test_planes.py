"""Networks that were trained with several ternary planes, on the real RTL."""

import numpy as np
import pytest
import torch

from host.device import Device
from models.export import export
from models.float_network import AdditiveGatedNetwork
from models.golden import GoldenModel
from models.qat import Planes, prepare_qat
from models.random_networks import random_inputs
from sim.lockstep import LockstepBoard

pytestmark = pytest.mark.usefixtures("verilator")


@pytest.fixture(scope="module")
def board():
    with LockstepBoard() as made:
        yield made


def trained(planes, hb, seed):
    """A network after a few steps of training; what it learns does not matter."""
    torch.manual_seed(seed)
    module = prepare_qat(AdditiveGatedNetwork(5, (20, 9), 7, 2, mode="sum"), hb, planes=planes)
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(6):
        output = module(torch.randn(16, 7, 5))
        loss = torch.nn.functional.cross_entropy(output.scores, torch.randint(7, (16,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return export(module)


@pytest.mark.parametrize(
    "planes, hb", [(Planes(1, 1, 4), 7), (Planes(4, 2, 3), 5), (Planes(2, 4, 1), 3)], ids=str
)
def test_they_answer_as_the_golden_model_does(board, planes, hb):
    network = trained(planes, hb, hb)
    assert network.spec.readout.planes == planes.readout and network.spec.hb == hb
    x = random_inputs(1, network, 4, 9)
    expected = GoldenModel(network).run(x)
    with Device(board.engine()) as device:
        device.load(network)
        for sequence, scores, logits in zip(x, expected.scores, expected.logits, strict=True):
            np.testing.assert_array_equal(device.run(sequence).logits, scores)
            device.reset()
            sums = [result.logits for result in device.stream(sequence)]
            np.testing.assert_array_equal(sums, np.cumsum(logits, axis=0))
