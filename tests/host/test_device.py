"""One API over the emulator and over a link: right answers, and the same errors."""

import numpy as np
import pytest

from host.device import Device
from host.errors import InputError, LinkError
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from models.spec import READOUT_MODES
from tests.host.fake_line import FakeLine
from tests.host.helpers import device_for, expected_scores, fake_device, open_over


@pytest.mark.parametrize("mode", READOUT_MODES)
@pytest.mark.parametrize("seed", range(4))
def test_answers_are_the_golden_models(kind, mode, seed):
    rng = np.random.default_rng(seed)
    network = random_network(
        seed,
        inputs=int(rng.integers(1, 40)),
        units=tuple(int(u) for u in rng.integers(1, 30, 1 + seed % 4)),
        outputs=int(rng.integers(1, 12)),
        hb=3 + seed,
        theta=seed,
        mode=mode,
        shuffled=seed % 2 == 1,
    )
    model = GoldenModel(network)
    with device_for(kind, network) as device:
        device.load(network)
        for number, steps in enumerate((1, 2, 40)):
            x = random_inputs(seed + number, network, 3, steps)
            golden = model.run(x)
            for index, result in enumerate(device.run_many(x)):
                assert result.label == golden.labels[index]
                np.testing.assert_array_equal(result.logits, golden.scores[index])
                assert result.logits.dtype == np.int64 and result.steps == steps
                assert len(result.every) == (steps if mode == "every" else 0)
                for step, each in enumerate(result.every):
                    np.testing.assert_array_equal(each.logits, golden.logits[index, step])
                    assert each.steps == step + 1


@pytest.mark.parametrize("mode", READOUT_MODES)
def test_step_and_stream_answer_every_step(kind, mode):
    network = random_network(5, inputs=4, units=(9, 6), mode=mode)
    x = random_inputs(2, network, 1, 50)[0]
    logits = GoldenModel(network).run(x[None]).logits[0].astype(np.int64)
    due = np.cumsum(logits, axis=0) if mode == "sum" else logits
    with device_for(kind, network) as device:
        device.load(network)
        stepped = [device.step(row) for row in x]
        for ahead in (1, 2, 7, 100):
            device.reset()
            streamed = list(device.stream(iter(x), ahead=ahead))
            for one, other, wanted in zip(stepped, streamed, due, strict=True):
                np.testing.assert_array_equal(one.logits, wanted)
                np.testing.assert_array_equal(other.logits, wanted)
                assert (one.label, one.steps) == (other.label, other.steps)
                assert one.cycles == other.cycles


def test_run_starts_anew_and_step_goes_on(kind):
    network = random_network(6, inputs=3, units=(8,))
    x = random_inputs(1, network, 1, 9)[0]
    with device_for(kind, network) as device:
        device.load(network)
        whole = device.run(x)
        device.run(x[:5])
        for row in x[5:]:
            last = device.step(row)
        np.testing.assert_array_equal(last.logits, whole.logits)
        assert last.steps == whole.steps == 9
        np.testing.assert_array_equal(device.run(x).logits, whole.logits)


def test_values_are_scores_as_numbers(kind):
    for mode, outputs in (("last", 1), ("sum", 1), ("sum", 3), ("every", 2)):
        network = random_network(3, outputs=outputs, mode=mode, target="value", hb=5)
        x = random_inputs(1, network, 1, 7)
        model = GoldenModel(network)
        wanted = model.value(model.run(x).scores, np.array([7]))[0]
        with device_for(kind, network) as device:
            device.load(network)
            result = device.run(x[0])
            np.testing.assert_array_equal(np.atleast_1d(result.value), wanted)
            assert isinstance(result.value, float) == (outputs == 1)


def test_labels_alone_are_the_same_labels_and_no_logits(kind):
    network = random_network(3, inputs=4, units=(12,), outputs=6, mode="every")
    x = random_inputs(1, network, 1, 30)[0]
    with device_for(kind, network) as device:
        device.load(network)
        full, short = device.run(x), device.run(x, logits=False)
        assert short.logits is None and short.label == full.label
        assert [r.label for r in short.every] == [r.label for r in full.every]
        assert short.cycles == full.cycles
        assert device.step(x[0], logits=False).logits is None


def test_labels_alone_are_refused_for_values(kind):
    network = random_network(3, outputs=1, target="value")
    with device_for(kind, network) as device:
        device.load(network)
        with pytest.raises(InputError, match="not labels alone"):
            device.run(np.zeros((2, 4)), logits=False)


def test_cycles_are_a_difference_modulo_2_to_the_32():
    network = random_network(3)
    x = random_inputs(1, network, 1, 9)[0]
    fake = fake_device(network)
    fake.busy = (1 << 32) - 20
    with open_over(FakeLine(fake)) as device:
        device.load(network)
        for _ in range(3):
            assert device.run(x).cycles == 7 + 9 * 11
        device.reset()
        assert device.step(x[0]).cycles == 11


def test_floats_are_quantized_by_the_network(kind):
    network = random_network(4, inputs=6, units=(10,))
    x = np.random.default_rng(0).normal(0, 2, (15, 6))
    quantized = network.normalisation.quantize(x, network.spec.hb)
    with device_for(kind, network) as device:
        device.load(network)
        for given in (x, x.tolist()):
            np.testing.assert_array_equal(
                device.run(given).logits, expected_scores(network, quantized)
            )
        single = x.astype(np.float32)
        quantized = network.normalisation.quantize(single, network.spec.hb)
        np.testing.assert_array_equal(
            device.run(single).logits, expected_scores(network, quantized)
        )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64, np.uint64])
def test_integers_are_taken_as_they_are(kind, dtype):
    network = random_network(4, inputs=6, units=(10,))
    x = np.abs(random_inputs(1, network, 1, 8)[0]).astype(dtype)
    with device_for(kind, network) as device:
        device.load(network)
        wanted = expected_scores(network, x.astype(np.int8))
        np.testing.assert_array_equal(device.run(x).logits, wanted)


BAD = [
    (np.full((3, 4), 128), "must lie in"),
    (np.full((3, 4), -128, np.int8), "must lie in"),
    (np.full((3, 4), -(1 << 63)), "must lie in"),
    (np.full((3, 4), (1 << 64) - 1, np.uint64), "must lie in"),
    (np.full((3, 4), np.nan), "finite"),
    (np.array([[0.0, 0, 0, np.inf]]), "finite"),
    (np.zeros((3, 5)), r"shape \[T, I\] with I = 4"),
    (np.zeros(4), r"shape \[T, I\]"),
    (np.zeros((1, 3, 4)), r"shape \[T, I\]"),
    (np.zeros((0, 4)), "at least one"),
    (np.zeros((3, 4), bool), "real numbers"),
    (np.zeros((3, 4), complex), "real numbers"),
    (np.array([["a"] * 4]), "real numbers"),
    ([[1, 2, 3, 4], [1, 2]], "array"),
]


@pytest.mark.parametrize("sequence, message", BAD)
def test_bad_sequences_are_refused_and_do_no_harm(kind, sequence, message):
    network = random_network(1)
    good = random_inputs(1, network, 1, 5)[0]
    with device_for(kind, network) as device:
        device.load(network)
        for call in (device.run, lambda s: list(device.run_many([good, s]))):
            with pytest.raises(InputError, match=message):
                call(sequence)
            np.testing.assert_array_equal(device.run(good).logits, expected_scores(network, good))


def test_sequences_beyond_max_steps_are_refused(kind):
    network = random_network(1, mode="sum", shifts=(7, 7), bias=32767)
    object.__setattr__(network.spec, "max_steps", 6)
    x = np.zeros((7, 4), int)
    with device_for(kind, network) as device:
        device.load(network)
        with pytest.raises(InputError, match="at most 6 steps"):
            device.run(x)
        device.run(x[:6])
        with pytest.raises(InputError, match="at most 6 steps"):
            device.step(x[0])
        device.reset()
        with pytest.raises(InputError, match="at most 6 steps"):
            list(device.stream(x))


def test_a_closed_device_says_so(kind):
    network = random_network(1)
    device = device_for(kind, network)
    device.load(network)
    device.close()
    device.close()
    for call in (device.identify, device.reset, lambda: device.run(np.zeros((1, 4)))):
        with pytest.raises(LinkError, match="closed"):
            call()


def test_several_devices_at_once_do_not_mix(kind):
    networks = [random_network(seed, units=(6 + seed,)) for seed in range(3)]
    devices = [device_for(kind, network) for network in networks]
    x = [random_inputs(1, network, 1, 9)[0] for network in networks]
    for device, network in zip(devices, networks, strict=True):
        device.load(network)
    last = [None] * 3
    for step in range(9):
        for index, device in enumerate(devices):
            last[index] = device.step(x[index][step])
    for index, network in enumerate(networks):
        np.testing.assert_array_equal(last[index].logits, expected_scores(network, x[index]))
        devices[index].close()


def test_counters_count_steps(kind):
    network = random_network(1)
    with device_for(kind, network) as device:
        device.load(network)
        before = device.counters()
        device.run(np.zeros((9, 4)))
        after = device.counters()
        assert after.steps - before.steps == 9 and after.cycles > before.cycles
        assert after.link_errors == 0 and after.frames > before.frames


def test_unknown_options_are_named():
    with pytest.raises(TypeError, match="lunes"):
        Device.open("emulator", lunes=3)
