"""Several devices, several networks, several threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from host.errors import DeviceError, LinkError
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from tests.host.helpers import device_for, expected_scores

NETWORK = random_network(5, inputs=4, units=(10,), outputs=3)
X = random_inputs(5, NETWORK, 30, 5)
PATIENCE = 60

both = pytest.mark.parametrize("kind", ["emulator", "fake"])


@both
def test_threads_share_a_device(kind):
    """Each call is whole: all answers are right, and everything is counted."""
    expected = GoldenModel(NETWORK).run(X).scores
    begin = threading.Barrier(4)
    with device_for(kind, NETWORK) as device:
        device.load(NETWORK)

        def work(offset):
            begin.wait(PATIENCE)
            for index in range(offset, len(X), 4):
                np.testing.assert_array_equal(device.run(X[index]).logits, expected[index])
                assert device.counters().steps > 0
                device.verify()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert device.counters().steps == X[..., 0].size


@both
def test_devices_with_networks_of_their_own_in_threads_of_their_own(kind):
    networks = [random_network(seed, inputs=4) for seed in range(3)]

    def work(network):
        with device_for(kind, network) as device:
            device.load(network)
            scores = [result.logits for result in device.run_many(X)]
        np.testing.assert_array_equal(scores, GoldenModel(network).run(X).scores)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, networks))


@both
def test_while_one_thread_streams_another_may_only_look(kind):
    """Also while the source of the stream makes the other wait."""
    asked, go_on = threading.Event(), threading.Event()

    def sensor():
        yield X[0, 0]
        asked.set()
        assert go_on.wait(PATIENCE)
        yield X[0, 1]

    with device_for(kind, NETWORK) as device, ThreadPoolExecutor(1) as pool:
        device.load(NETWORK)
        streaming = pool.submit(lambda: list(device.stream(sensor(), ahead=1)))
        assert asked.wait(PATIENCE)
        try:
            for call in (lambda: device.run(X[0]), lambda: device.load(NETWORK), device.reset):
                with pytest.raises(DeviceError, match="stream"):
                    call()
            assert device.counters().steps == 1
            assert device.identify().network_valid
            device.verify()
        finally:
            go_on.set()
        assert len(streaming.result(PATIENCE)) == 2
        np.testing.assert_array_equal(device.run(X[3]).logits, expected_scores(NETWORK, X[3]))


@both
def test_a_device_closed_by_another_thread_ends_a_stream_with_an_error(kind):
    asked, go_on = threading.Event(), threading.Event()

    def sensor():
        yield X[0, 0]
        asked.set()
        assert go_on.wait(PATIENCE)
        yield X[0, 1]

    device = device_for(kind, NETWORK)
    device.load(NETWORK)
    with ThreadPoolExecutor(1) as pool:
        streaming = pool.submit(lambda: list(device.stream(sensor(), ahead=1)))
        assert asked.wait(PATIENCE)
        device.close()
        go_on.set()
        with pytest.raises(LinkError, match="closed"):
            streaming.result(PATIENCE)
