"""Finding boards among serial ports, without any."""

import threading
from types import SimpleNamespace

import pytest

from host.discovery import discover
from host.errors import DeviceBusy, DeviceTimeout
from host.transport import quicken
from tests.host.helpers import device_for

PATIENCE = 60


def port(device, vid=0x0403, pid=0x6010, location=None, serial_number=None):
    return SimpleNamespace(
        device=device, description=f"port {device}", vid=vid, pid=pid, location=location,
        serial_number=serial_number,
    )  # fmt: skip


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_only_ports_that_may_be_boards_are_opened_and_each_says_what_it_is(platform, monkeypatch):
    monkeypatch.setattr("sys.platform", platform)
    opened = []

    def open_device(where, **options):
        opened.append(where)
        if where == "busy":
            raise DeviceBusy("in use by another program")
        if where == "silent":
            raise DeviceTimeout("does not answer")
        return device_for("fake")

    found = discover(
        [
            port("silent", location="1-3:1.1"),
            port("busy"),
            port("a-modem", vid=0x0403, pid=0x6001),
            port("no-usb", vid=None, pid=None),
            port("flash-side", location="1-2:1.0", serial_number="ib1"),
            port("board", location="1-2:1.1", serial_number="ib1"),
            port("COM3", serial_number="FT7A"),
            port("COM4", serial_number="FT7B"),
        ],
        open_device,
    )
    # Only in Windows' serial numbers is the last letter the interface's.
    expected = ["COM3"] * (platform != "win32") + ["COM4", "board", "busy", "silent"]
    assert sorted(opened) == [item.port for item in found] == expected
    by_port = {item.port: item for item in found}
    assert by_port["board"].identity.capacity.lanes == 16
    assert by_port["board"].problem == "" and by_port["board"].serial_number == "ib1"
    assert by_port["busy"].identity is None and "in use" in by_port["busy"].problem
    assert "does not answer" in by_port["silent"].problem


def test_what_goes_wrong_at_one_port_hides_no_other():
    def open_device(where, **options):
        if where == "odd":
            raise OverflowError("a driver's whim")
        return device_for("fake")

    odd = port("odd")
    odd.description = None
    found = discover([odd, port("board"), port(None)], open_device)
    assert [item.port for item in found] == ["board", "odd"]
    assert found[0].identity and not found[0].problem
    assert found[1].problem == "OverflowError: a driver's whim" and found[1].description == ""


def test_ports_are_asked_at_the_same_time():
    together = threading.Barrier(3)

    def open_device(where, **options):
        together.wait(PATIENCE)
        return device_for("fake")

    assert len(discover([port("a"), port("b"), port("c")], open_device)) == 3


def test_no_port_is_no_error():
    assert discover([], None) == []


def test_an_ftdi_converter_is_made_quick_where_the_system_lets_us(tmp_path):
    timer = tmp_path / "ttyUSB7" / "latency_timer"
    timer.parent.mkdir()
    timer.write_text("16")
    assert quicken("/dev/ttyUSB7", tmp_path)
    assert timer.read_text() == "1"
    for other in ("/dev/ttyACM0", "COM3", "socket://127.0.0.1:5000", "a\0b"):
        assert not quicken(other, tmp_path)
