"""Networks on a device: loaded, loaded again, refused, and never half there."""

import numpy as np
import pytest

from host.device import Device
from host.errors import DeviceError, LinkError, NetworkDoesNotFit, NoNetwork, WrongNetwork
from models.file import save
from models.image import compile_image
from models.random_networks import random_inputs, random_network
from models.word_format import PLAIN, WordFormat
from tests.host.fake_line import FakeLine
from tests.host.helpers import device_for, expected_scores, fake_device, open_over

FORMATS = [PLAIN, WordFormat(events=1), WordFormat(packed=True), WordFormat(1, True)]


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
    # A word of 16 lanes travels in 8 bytes.
    total = seen[-1][1]
    assert seen[-1] == (total, total) and [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert identity.network_valid and identity.image_words * 8 == total


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


def test_the_emulators_store_is_the_boards():
    plan = pytest.importorskip("hdl.plan", reason="Amaranth is not installed")
    from hdl.boards import load_board
    from host.emulator import default_store_words

    memories = load_board("icebreaker").memories
    for weights in ("spram", "bram"):
        for lanes in (12, 16, 20, 24):
            for form in FORMATS:
                wanted = plan.store_words(memories, lanes, weights, form)
                assert default_store_words(weights, lanes, form) == wanted


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_the_image_is_laid_out_as_the_device_holds_weights(form):
    network = random_network(7, inputs=4, units=(9,), outputs=3)
    device = open_over(FakeLine(fake_device(network, lanes=20, word_format=form)))
    assert device.identify().capacity.word_format == form
    device.load(network)
    emulator = Device.open(
        "emulator", network=network, lanes=20, events=form.events, packed=form.packed,
        store_words=16384,
    )  # fmt: skip
    x = np.ones((3, 4), np.int8)
    assert device.run(x).logits.tolist() == emulator.run(x).logits.tolist()
    held, wanted = device.identify(), emulator.identify()
    assert (held.image_words, held.image_crc32) == (wanted.image_words, wanted.image_crc32)
    assert held.image_crc32 == compile_image(network, 20, form).crc32


def test_a_device_of_another_length_of_words_is_refused():
    device = fake_device(lanes=20, word_format=WordFormat(packed=True), unknown_bytes=2)
    with pytest.raises(LinkError, match=r"words have 10 bytes; .*five weights in a byte.* 8"):
        open_over(FakeLine(device))


def test_a_network_that_a_packed_store_has_no_room_for_says_so():
    with Device.open("emulator", lanes=20, packed=True, weights="bram") as device:
        with pytest.raises(NetworkDoesNotFit, match=r"words of weight store \(there are 256\)"):
            device.load(random_network(8, inputs=16, units=(128,), outputs=10))


def test_a_device_that_refuses_what_it_holds_is_to_be_built_anew():
    """Everything has arrived, but the image's header is not one that the gateware takes."""
    device = fake_device()
    with open_over(FakeLine(device)) as opened:
        with pytest.raises(WrongNetwork, match=r"no image of this format .0xad35.: build"):
            opened.load(random_network(8, inputs=3, units=(4,)))


def test_progress_may_not_call_what_changes_the_device_and_ends_the_load_if_it_fails(kind):
    a, b = random_network(1), random_network(2)
    with device_for(kind, a, b) as device:
        device.load(a)

        def nested(done, total):
            with pytest.raises(DeviceError, match=r"load\(\) is in progress"):
                device.load(a)

        device.load(b, nested)
        device.verify()
        assert device.network is b

        def broken(done, total):
            raise ArithmeticError

        with pytest.raises(ArithmeticError):
            device.load(a, broken)
        with pytest.raises(NoNetwork):
            device.step([0] * a.spec.inputs)
        device.load(a)
        x = random_inputs(1, a, 1, 5)[0]
        np.testing.assert_array_equal(device.run(x).logits, expected_scores(a, x))
