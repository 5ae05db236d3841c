"""Ports that are absent, busy, silent or vanish: typed errors within the stated time."""

import os
import pty
import socket
import threading
import time
import tty
from contextlib import contextmanager

import numpy as np
import pytest

from host.device import Device
from host.errors import DeviceBusy, DeviceError, DeviceNotFound, DeviceTimeout, LinkError
from models.random_networks import random_inputs, random_network
from tests.host.helpers import expected_scores, fake_device


@contextmanager
def serial_port(device=None):
    """A pseudo terminal, its other end a fake device, or nobody."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    stop = threading.Event()

    def serve():
        os.set_blocking(master, False)
        while not stop.is_set():
            try:
                device.feed(os.read(master, 4096))
            except (BlockingIOError, OSError):
                time.sleep(0.0005)
            out = device.take(4096)
            while out and not stop.is_set():
                try:
                    out = out[os.write(master, out) :]
                except BlockingIOError:
                    time.sleep(0.0005)

    thread = threading.Thread(target=serve, daemon=True)
    if device is not None:
        thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        if device is not None:
            thread.join()
        os.close(master)
        os.close(slave)


def test_a_serial_port_works():
    network = random_network(1, inputs=8, units=(20,))
    x = random_inputs(1, network, 5, 30)
    # Generous time-outs: nothing is lost here, and the machine may be busy.
    with serial_port(fake_device(network)) as port:
        with Device.open(port, network=network, timeout=10.0) as device:
            for row, result in zip(x, device.run_many(x), strict=True):
                np.testing.assert_array_equal(result.logits, expected_scores(network, row))


def test_an_absent_port_is_named_with_the_ports_there_are():
    with pytest.raises(DeviceNotFound, match="/dev/ttyABSENT.*Serial ports found"):
        Device.open("/dev/ttyABSENT")


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ("Emulator", "emulator"),
        ("EMULATOR", "emulator"),
        (" emulator", "emulator"),
        ("emulater", "emulator"),
        ("simulater", "simulator"),
        ("Simulator", "simulator"),
        ("simulation", "simulator"),
    ],
)
def test_a_misspelt_name_is_not_tried_as_a_port(where, meant):
    with pytest.raises(DeviceNotFound) as caught:
        Device.open(where, lanes=16)  # an option that a port would not take
    said = str(caught.value)
    assert "expected 'emulator', 'simulator', a serial port" in said
    assert f"found {where!r}. Did you mean {meant!r}?" in said


@pytest.mark.parametrize(
    "where", ["/dev/emulator", "./Emulator", "COM3", "com12", "ttyUSB7", "nosuch://simulator"]
)
def test_what_may_be_a_port_is_tried_as_one(where):
    with pytest.raises(DeviceNotFound) as caught:
        Device.open(where)
    assert "Did you mean" not in str(caught.value)


def test_an_address_where_nothing_listens_is_not_found():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it; not listening
        with pytest.raises(DeviceNotFound, match="refused"):
            Device.open(f"socket://127.0.0.1:{holder.getsockname()[1]}")


def test_an_unknown_kind_of_url_is_not_found():
    with pytest.raises(DeviceNotFound, match="nosuch"):
        Device.open("nosuch://board")


@pytest.mark.parametrize(
    "url", ["socket://", "socket://board", "socket://board:", "socket://board:0",
            "socket://board:99999999", "socket://board:serial", "socket://:5000"],
)  # fmt: skip
def test_an_address_without_host_or_port_says_what_is_expected(url):
    with pytest.raises(DeviceNotFound, match="expected socket://HOST:PORT, the port from 1 to"):
        Device.open(url)


def test_a_baud_rate_that_no_system_takes_is_an_error():
    with serial_port() as port, pytest.raises(DeviceError, match="cannot open"):
        Device.open(port, baud=10**12)


def test_a_busy_port_is_an_error():
    with serial_port(fake_device()) as port:
        with Device.open(port, timeout=10.0):
            with pytest.raises(DeviceBusy, match="in use"):
                Device.open(port)
        Device.open(port, timeout=10.0).close()


def test_a_silent_port_is_an_error_within_the_stated_time():
    with serial_port() as port:
        started = time.monotonic()
        with pytest.raises(DeviceTimeout, match="does not answer SYNC.*right port"):
            Device.open(port, timeout=0.05, retries=3)
        assert time.monotonic() - started >= 4 * 0.05
        # The port was given back.
        with pytest.raises(DeviceTimeout):
            Device.open(port, timeout=0.01, retries=0)


def test_the_default_patience_is_seconds():
    from host.opening import _PORT_PATIENCE, _URL_PATIENCE

    for timeout, retries in (_PORT_PATIENCE, _URL_PATIENCE):
        assert timeout * (retries + 1) <= 8


def test_a_silent_address_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(DeviceTimeout):
            Device.open(f"socket://127.0.0.1:{server.getsockname()[1]}", timeout=0.05, retries=1)


def test_an_address_that_hangs_up_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with pytest.raises(LinkError, match="broke"):
            Device.open(f"socket://127.0.0.1:{server.getsockname()[1]}", timeout=5.0)


def test_a_port_that_vanishes_is_an_error():
    master, slave = pty.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    opened = threading.Event()

    def vanish():
        os.read(master, 1)
        opened.set()
        os.close(slave)
        os.close(master)

    thread = threading.Thread(target=vanish)
    thread.start()
    with pytest.raises(LinkError, match="broke"):
        Device.open(name, timeout=5.0, retries=0)
    thread.join()
    assert opened.is_set()
