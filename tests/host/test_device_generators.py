"""`run_many` and `stream` at work: how far ahead they take, and what they keep out."""

import numpy as np
import pytest

from host.errors import DeviceError, LinkError, WrongNetwork
from models.random_networks import random_inputs, random_network
from tests.host.helpers import device_for, expected_scores


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


def generators(device, x):
    return device.run_many(x, ahead=3), device.stream(x[0], ahead=3)


def test_a_generator_of_the_network_before_is_refused(kind):
    one, two = random_network(1), random_network(2)
    x = random_inputs(1, two, 8, 5)
    with device_for(kind, one, two) as device:
        for index, name in enumerate(("run_many", "stream")):
            device.load(one)
            stale = generators(device, x)[index]
            device.load(two)
            with pytest.raises(WrongNetwork, match=rf"{name}\(\) was called before load\(\)"):
                next(stale)
            np.testing.assert_array_equal(device.run(x[0]).logits, expected_scores(two, x[0]))


def test_a_started_generator_ends_with_an_error_when_the_device_is_closed(kind):
    network = random_network(1)
    x = random_inputs(1, network, 8, 5)
    for index in range(2):
        device = device_for(kind, network)
        device.load(network)
        started = generators(device, x)[index]
        next(started)
        device.close()
        with pytest.raises(LinkError, match="the device was closed"):
            next(started)


def test_a_generator_that_was_not_started_is_refused_after_close(kind):
    network = random_network(1)
    x = random_inputs(1, network, 8, 5)
    device = device_for(kind, network)
    device.load(network)
    waiting = generators(device, x)
    device.close()
    for generator in waiting:
        with pytest.raises(LinkError, match="the device was closed"):
            next(generator)


@pytest.mark.parametrize("ahead", [1, 32])
def test_a_source_that_closes_the_device_and_ends_is_an_error(kind, ahead):
    network = random_network(1)
    x = random_inputs(1, network, 1, 3)[0]
    device = device_for(kind, network)
    device.load(network)

    def source():
        yield from x
        device.close()

    with pytest.raises(LinkError, match="the device was closed"):
        list(device.stream(source(), ahead=ahead))
