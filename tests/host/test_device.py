"""One API over the emulator and over a link: right answers, the same errors, states that move."""

import dataclasses

import numpy as np
import pytest

from host.device import Device
from host.errors import (
    DeviceError,
    InputError,
    LinkError,
    NetworkDoesNotFit,
    NoNetwork,
    WrongNetwork,
)
from models.file import save
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from tests.host.fake_line import FakeLine
from tests.host.helpers import expected_scores, fake_device, open_over

MODES = ("last", "sum", "every")
KINDS = ("emulator", "link")


def device_for(kind, *networks, **options):
    if kind == "emulator":
        return Device.open("emulator", **options)
    return open_over(FakeLine(fake_device(*networks, **options)))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.mark.parametrize("mode", MODES)
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


@pytest.mark.parametrize("mode", MODES)
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


def test_stream_takes_no_more_than_it_may_ahead(kind):
    network = random_network(5, inputs=2, units=(4,))
    with device_for(kind, network) as device:
        device.load(network)
        for ahead in (1, 3, 8):
            taken, given = 0, 0

            def steps():
                nonlocal taken
                for _ in range(40):
                    taken += 1
                    yield [1, -1]

            device.reset()
            for _ in device.stream(steps(), ahead=ahead):
                given += 1
                assert taken - given < ahead + 1
            assert given == 40


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


@pytest.mark.parametrize("mode", MODES)
def test_a_saved_state_continues_as_if_never_interrupted(kind, mode):
    network = random_network(7, inputs=3, units=(176, 80), mode=mode, target="value")
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


def test_a_state_moves_between_devices():
    network = random_network(7, inputs=3, units=(8,), mode="sum")
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


def test_calls_without_a_network_say_so(kind):
    with device_for(kind) as device:
        for call in (
            lambda: device.run([[0, 0]]),
            lambda: device.step([0]),
            device.reset,
            device.state,
            lambda: device.run_many([]),
        ):
            with pytest.raises(NoNetwork, match="load"):
                call()


def test_a_network_that_does_not_fit_is_refused_before_anything_is_sent(kind):
    small, large = random_network(1), random_network(2, inputs=200, units=(100,))
    with device_for(kind, small, store_words=1000) as device:
        device.load(small)
        with pytest.raises(
            NetworkDoesNotFit, match=r"\d+ words of weight store \(there are 1000\)"
        ):
            device.load(large)
        x = random_inputs(1, small, 1, 5)[0]
        np.testing.assert_array_equal(device.run(x).logits, expected_scores(small, x))


def test_loading_b_after_a_equals_a_fresh_b(kind):
    a, b = random_network(1, units=(20, 5), inputs=9), random_network(2)
    x = random_inputs(1, b, 3, 9)
    with device_for(kind, a, b) as device, device_for(kind, b) as fresh:
        device.load(a)
        device.run(random_inputs(1, a, 1, 9)[0])
        device.load(b)
        fresh.load(b)
        for one, other in zip(device.run_many(x), fresh.run_many(x), strict=True):
            np.testing.assert_array_equal(one.logits, other.logits)
            assert one.cycles == other.cycles


def test_load_takes_a_path_and_reports_progress(kind, tmp_path):
    network = random_network(1, units=(30,))
    path = tmp_path / "n.safetensors"
    save(network, path)
    seen = []
    with device_for(kind, network) as device:
        device.load(path, progress=lambda done, total: seen.append((done, total)))
        identity = device.identify()
    total = seen[-1][1]
    assert seen[-1] == (total, total) and [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert identity.network_valid and identity.image_words * 4 == total


def test_a_network_that_is_there_is_not_sent_again_but_reset():
    network = random_network(1)
    fake = fake_device(network)
    line = FakeLine(fake)
    with open_over(line) as device:
        device.load(network)
        device.step([1, 2, 3, 4])
        sent = line.sent_bytes
        device.load(network)
        assert line.sent_bytes - sent < 100
        x = random_inputs(1, network, 1, 5)[0]
        for row in x:
            last = device.step(row)
        np.testing.assert_array_equal(last.logits, expected_scores(network, x))


def test_a_store_that_does_not_hold_what_was_sent_is_an_error():
    network = random_network(1)
    with open_over(FakeLine(fake_device(network, stuck_bit=True))) as device:
        with pytest.raises(WrongNetwork, match="does not hold what was sent"):
            device.load(network)
        with pytest.raises(NoNetwork):
            device.run(np.zeros((1, 4)))


def test_a_device_of_other_fraction_bits_is_refused():
    with pytest.raises(LinkError, match="6 fraction bits"):
        open_over(FakeLine(fake_device(fraction_bits=6)))


def test_an_unfinished_generator_blocks_other_work_until_it_is_closed(kind):
    network = random_network(1)
    x = random_inputs(1, network, 8, 5)
    with device_for(kind, network) as device:
        device.load(network)
        for generator in (device.run_many(x, ahead=3), device.stream(x[0], ahead=3)):
            next(generator)
            device.counters()
            with pytest.raises(DeviceError, match="in progress"):
                device.run(x[0])
            with pytest.raises(DeviceError, match="in progress"):
                device.set_state(None)
            generator.close()
            np.testing.assert_array_equal(device.run(x[0]).logits, expected_scores(network, x[0]))


def test_an_error_in_the_callers_iterable_leaves_the_device_usable(kind):
    network = random_network(1)
    x = random_inputs(1, network, 1, 5)[0]

    def broken():
        yield x
        yield x
        raise OSError("sensor unplugged")

    with device_for(kind, network) as device:
        device.load(network)
        with pytest.raises(OSError, match="sensor"):
            list(device.run_many(broken()))
        one = device.run(x)
        assert one.cycles == device.run(x).cycles
        np.testing.assert_array_equal(one.logits, expected_scores(network, x))


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


def test_the_emulators_store_is_the_boards():
    plan = pytest.importorskip("hdl.plan", reason="Amaranth is not installed")
    from hdl.boards import load_board
    from host.emulator import default_store_words

    memories = load_board("icebreaker").memories
    for weights in ("spram", "bram"):
        for lanes in (12, 16, 20):
            wanted = plan.store_words(memories, lanes, weights)
            assert default_store_words(weights, lanes) == wanted


def test_unknown_options_are_named():
    with pytest.raises(TypeError, match="lunes"):
        Device.open("emulator", lunes=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h": np.full(8, np.nan)}, "h must be 8 integers, not float64"),
        ({"h": np.full(8, 0.7)}, "h must be 8 integers, not float64"),
        ({"h": np.zeros(7, np.int8)}, r"h must be 8 integers, not int8 of shape \(7,\)"),
        ({"h": np.full(8, -128)}, r"h must lie in \[-127, 127\]"),
        ({"scores": np.zeros(2, np.int64)}, "scores must be 3 integers"),
        ({"scores": np.full(3, 1 << 40)}, "scores must lie in"),
        ({"steps": -9}, "steps must be at least 0, not -9"),
    ],
)
def test_a_state_that_cannot_be_one_is_refused(kind, change, message):
    network = random_network(7, inputs=3, units=(8,), outputs=3, mode="sum")
    with device_for(kind, network) as device:
        device.load(network)
        state = device.state()
        with pytest.raises(InputError, match=message):
            device.set_state(dataclasses.replace(state, **change))
