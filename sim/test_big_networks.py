"""Networks as large as the engine takes, from SPRAM on the simulated board, UART included."""

from typing import Any

import numpy as np
import pytest

from hdl.boards import load_board
from hdl.plan import make_plan
from host.device import Device
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network

pytestmark = pytest.mark.usefixtures("verilator")

BOARD = load_board("icebreaker")
SIZES: dict[str, dict[str, Any]] = {
    "H = 256": {"inputs": 8, "units": (256,), "outputs": 10},
    "2 x 128": {"inputs": 16, "units": (128, 128), "outputs": 10},
    "257 sources a row": {"inputs": 257, "units": (256,), "outputs": 17},
}
STEPS = 3


@pytest.mark.parametrize("name", SIZES)
def test_runs_from_spram_exactly(name):
    network = random_network(5, density=0.6, mode="every", shuffled=True, **SIZES[name])
    plan = make_plan(BOARD, network)
    assert plan.parameters.weights == "spram", "small enough for block RAM: not what is tested"
    assert 0 < plan.network_words <= plan.parameters.store_words
    x = random_inputs(5, network, 1, STEPS)[0]
    golden = GoldenModel(network).run(x[None])
    answers, states = {}, {}
    for where in ("emulator", "simulator"):
        with Device.open(where, weights="spram") as device:
            device.load(network)
            answers[where] = device.run(x)
            states[where] = device.state().h
    simulated, emulated = answers["simulator"], answers["emulator"]
    for answer in (simulated, emulated):
        np.testing.assert_array_equal([step.logits for step in answer.every], golden.logits[0])
    assert [step.label for step in simulated.every] == [step.label for step in emulated.every]
    assert [step.cycles for step in simulated.every] == [step.cycles for step in emulated.every]
    assert simulated.cycles == emulated.cycles
    for h in states.values():
        np.testing.assert_array_equal(h, np.concatenate([part[0] for part in golden.state.h]))
