"""The how-tos' programs, run as they stand, on the emulator."""

import re
from pathlib import Path

import numpy as np
import pytest

from models import file
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from tests.host.helpers import device_for

ROOT = Path(__file__).resolve().parent.parent.parent
DIGITS = ROOT / "models" / "zoo" / "digits.safetensors"


def program(name):
    """Return the one Python program of a how-to, its port replaced by the emulator."""
    text = (ROOT / "docs" / "howto" / f"{name}.md").read_text()
    (found,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    made, count = re.subn(r'^PORT = ".*?"', 'PORT = "emulator"', found, flags=re.MULTILINE)
    assert count == 1
    return compile(made, name, "exec")


def test_first_inference(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    exec(program("first-inference"), {})
    network = file.load(DIGITS)
    picture = np.zeros((1, 8, 8), np.float32)
    picture[:, :, 3:5] = 16
    golden = GoldenModel(network).run(network.quantize(picture))
    label = int(golden.scores[0].argmax())
    out = capsys.readouterr().out
    assert re.match(rf"a {label}, in \d+ cycles, \d+\.\d us\n\[", out)


def test_many_sensors(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    network = file.load(DIGITS)
    x = random_inputs(1, network, 5, 12)
    rng = np.random.default_rng(1)
    turns = rng.permuted(np.repeat(np.arange(5), 4))
    taken = [0] * 5

    def arrivals():
        for sensor in turns:
            yield sensor, x[sensor, taken[sensor] : taken[sensor] + 3]
            taken[sensor] += 3

    exec(program("many-sensors"), {"arrivals": arrivals})
    golden = GoldenModel(network).run(x).logits
    lines = [tuple(map(int, line.split())) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 60
    for sensor, steps, label in lines:
        assert label == int(golden[sensor, steps - 1].argmax())


@pytest.mark.parametrize("mode", ["last", "sum", "every"])
def test_twenty_streams_on_one_device(kind, mode):
    """Samples in any order of sensors: each stream's results are as if it were alone."""
    network = random_network(6, inputs=3, units=(20, 9), outputs=4, mode=mode)
    x = random_inputs(6, network, 20, 6)
    golden = GoldenModel(network).run(x)
    expected = golden.logits.astype(np.int64)
    if mode == "sum":
        expected = expected.cumsum(axis=1)
    turns = np.random.default_rng(6).permuted(np.repeat(np.arange(20), 6))
    with device_for(kind, network) as device:
        device.load(network)
        device.reset()
        states = [device.state()] * 20
        for stream in turns:
            device.set_state(states[stream])
            step = states[stream].steps
            result = device.step(x[stream, step])
            np.testing.assert_array_equal(result.scores, expected[stream, step])
            assert result.steps == step + 1
            states[stream] = device.state()
