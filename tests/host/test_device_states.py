"""Saved states: taken, put back, moved to another device, and refused where they cannot be one."""

import dataclasses

import numpy as np
import pytest

from host.errors import InputError, WrongNetwork
from host.results import State
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from models.spec import READOUT_MODES
from tests.host.fake_line import FakeLine
from tests.host.helpers import device_for, expected_scores, fake_device, open_over


@pytest.mark.parametrize("mode", READOUT_MODES)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_saved_state_continues_as_if_never_interrupted(kind, mode, shuffled):
    sizes = {"inputs": 3, "units": (176, 80), "target": "value"}
    network = random_network(7, mode=mode, shuffled=shuffled, **sizes)
    x = random_inputs(1, network, 1, 12)[0]
    with device_for(kind, network) as device:
        device.load(network)
        whole = device.run(x)
        device.reset()
        for row in x[:5]:
            device.step(row)
        saved = device.state()
        assert saved.h.dtype == np.int8 and saved.h.shape == (256,) and saved.steps == 5
        device.run(random_inputs(2, network, 1, 20)[0])
        device.set_state(saved)
        again = device.state()
        np.testing.assert_array_equal(saved.h, again.h)
        np.testing.assert_array_equal(saved.scores, again.scores)
        for row in x[5:]:
            last = device.step(row)
        np.testing.assert_array_equal(last.logits, whole.logits)
        assert last.steps == 12
        np.testing.assert_array_equal(last.value, whole.value)


def test_a_state_is_in_the_order_of_the_networks_units(kind):
    """Wherever the engine holds them: as the golden model gives it, and takes it."""
    network = random_network(8, inputs=3, units=(40, 31), mode="sum", shuffled=True)
    x = random_inputs(1, network, 1, 6)
    golden = GoldenModel(network).run(x)
    given = dataclasses.replace(golden.state, h=tuple(h[:, ::-1] for h in golden.state.h))
    with device_for(kind, network) as device:
        device.load(network)
        device.run(x[0])
        state = device.state()
        np.testing.assert_array_equal(state.h, np.concatenate([h[0] for h in golden.state.h]))
        h = np.concatenate([h[0] for h in given.h])
        device.set_state(dataclasses.replace(state, h=h))
        np.testing.assert_array_equal(device.state().h, h)
        after = device.step(x[0, 0])
    np.testing.assert_array_equal(
        after.logits, GoldenModel(network).run(x[:, :1], state=given).scores[0]
    )


def test_a_state_moves_between_devices():
    network = random_network(7, inputs=3, units=(8,), mode="sum", shuffled=True)
    x = random_inputs(1, network, 1, 12)[0]
    with device_for("emulator") as one, device_for("link", network) as other:
        one.load(network)
        other.load(network)
        for row in x[:6]:
            one.step(row)
        other.set_state(one.state())
        for row in x[6:]:
            last = other.step(row)
        np.testing.assert_array_equal(last.logits, expected_scores(network, x))


def test_a_state_of_another_network_is_refused(kind):
    one, two = random_network(1, units=(6,)), random_network(2, units=(6,))
    with device_for(kind, one, two) as device:
        device.load(one)
        saved = device.state()
        device.load(two)
        with pytest.raises(WrongNetwork, match="belongs to network"):
            device.set_state(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": np.full(8, np.nan)}, "h must be 8 integers, not float64"),
        ({"h": np.full(8, 0.7)}, "h must be 8 integers, not float64"),
        ({"h": np.zeros(7, np.int8)}, r"h must be 8 integers, not int8 of shape \(7,\)"),
        ({"h": np.full(8, -128)}, r"h must lie in \[-127, 127\]"),
        ({"scores": np.zeros(2, np.int64)}, "scores must be 3 integers"),
        ({"scores": np.full(3, 1 << 40)}, "scores must lie in"),
        ({"h": np.full(8, -1 << 63)}, r"h must lie in \[-127, 127\]"),
        ({"h": np.full(8, (1 << 64) - 1, np.uint64)}, r"h must lie in \[-127, 127\]"),
        ({"steps": -9}, "steps must be an integer from 0( to [0-9]+)?, not -9"),
        ({"steps": (1 << 31) + 1}, "steps must be an integer from 0 to [0-9]+, not"),
        ({"scores": np.full(3, (1 << 31) - 1), "steps": 1}, "scores must lie in"),
        ({"scores": np.ones(3, np.int64)}, r"scores must lie in \[-0, 0\]"),
        ({"steps": 1.5}, "steps must be an integer from 0( to [0-9]+)?, not 1.5"),
    ],
)
def test_a_state_that_cannot_be_one_is_refused(kind, change, message):
    network = random_network(7, inputs=3, units=(8,), outputs=3, mode="sum")
    with device_for(kind, network) as device:
        device.load(network)
        state = device.state()
        with pytest.raises(InputError, match=message):
            device.set_state(dataclasses.replace(state, **change))


def test_a_state_that_was_kept_in_a_file_is_as_good(kind, tmp_path):
    """NumPy's integers are integers."""
    network = random_network(7, inputs=3, units=(8,), mode="sum")
    x = random_inputs(1, network, 1, 4)[0]
    with device_for(kind, network) as device:
        device.load(network)
        for row in x[:3]:
            device.step(row)
        np.savez(tmp_path / "state.npz", **dataclasses.asdict(device.state()))
        device.reset()
        with np.load(tmp_path / "state.npz") as kept:
            device.set_state(State(kept["h"], kept["scores"], kept["steps"][()], kept["network"]))
        assert type(device.state().steps) is int
        result = device.step(x[3])
    np.testing.assert_array_equal(result.logits, expected_scores(network, x))


@pytest.mark.parametrize("what", ["step", "stream", "run"])
@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("place", ["send", "receive"])
def test_an_interrupt_leaves_the_count_of_steps_right(what, at, place):
    """Ctrl-C where the driver sends or waits: nothing goes out twice, and all that went counts."""
    network = random_network(3, inputs=4, units=(8,), outputs=3)
    x = random_inputs(3, network, 2, 8)
    made = fake_device(network)
    line = FakeLine(made)
    device = open_over(line)
    device.load(network)
    before = getattr(line, place)
    left = at

    def interrupted(argument):
        nonlocal left
        left -= 1
        if left or place == "send":
            answer = before(argument)
        if not left:
            raise KeyboardInterrupt
        return answer

    setattr(line, place, interrupted)
    try:
        if what == "step":
            device.step(x[0, 0])
        elif what == "stream":
            list(device.stream(list(x[0]), ahead=2))
        else:
            device.run(x[0])
    except KeyboardInterrupt:
        pass
    setattr(line, place, before)
    assert device.state().steps == made.steps
    np.testing.assert_array_equal(device.run(x[1]).logits, expected_scores(network, x[1]))
