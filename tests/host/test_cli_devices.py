"""`list` and `load`: which devices there are, and what one holds afterwards."""

import io
import json
import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest

from host.cli import main
from host.device import Device
from host.results import Identity
from models.file import save
from models.image import compile_image
from models.random_networks import random_network
from tests.host.helpers import device_for

NETWORK = random_network(1, inputs=3, units=(6,))


@dataclass(frozen=True)
class Found:
    port: str
    description: str
    serial_number: str | None
    identity: Identity | None
    problem: str


@pytest.fixture
def ports(monkeypatch):
    """A function that decides what `host.discovery.discover` finds."""

    def decide(*found):
        module = ModuleType("host.discovery")
        module.discover = lambda: list(found)
        module.KNOWN_PORTS = {(0x0403, 0x6010): 1}
        others = [SimpleNamespace(device=name) for name in ("/dev/ttyS1", "/dev/ttyS0")]
        monkeypatch.setattr("serial.tools.list_ports.comports", lambda: others)
        monkeypatch.setitem(sys.modules, "host.discovery", module)

    return decide


@pytest.fixture
def file(tmp_path):
    save(NETWORK, tmp_path / "n.safetensors")
    return str(tmp_path / "n.safetensors")


@pytest.fixture
def opened(monkeypatch):
    """A function that puts a device behind every name, and a list of the names asked for."""
    names = []

    def put(kind, *networks, **options):
        made = device_for(kind, *networks, **options)

        def open_made(where, **given):
            names.append((where, given))
            return made

        monkeypatch.setattr(Device, "open", staticmethod(open_made))
        return names

    return put


def test_list_shows_what_answers_and_what_stands_against_it(ports, capsys):
    with Device.open("emulator", lanes=20, packed=True, network=NETWORK) as device:
        identity = device.identify()
    ports(
        Found("/dev/ttyUSB1", "iCEBreaker V1.0e", "IB1234", identity, ""),
        Found("/dev/ttyS0", "n/a", None, None, "nothing answers"),
    )
    assert main(["list"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["PORT", "DEVICE", "SERIAL", "NUMBER", "DESCRIPTION"]
    image = compile_image(NETWORK, 20, identity.capacity.word_format)
    assert first == (
        f"/dev/ttyUSB1  20 lanes, spram, network: {len(image.words)} words, "
        f"CRC-32 {image.crc32:08x}  IB1234         iCEBreaker V1.0e"
    )
    assert second.split("  ")[:2] == ["/dev/ttyS0", ""] and "nothing answers  " in second
    assert second.index("nothing") == first.index("20 lanes") == head.index("DEVICE")


def test_list_as_json_has_every_field(ports, capsys):
    with Device.open("emulator") as device:
        ports(Found("COM3", "USB", None, device.identify(), ""), Found("COM4", "", "7", None, "?"))
    assert main(["list", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["identity"]["capacity"]["lanes"] == 16 and first["serial_number"] is None
    assert second == {
        "port": "COM4",
        "description": "",
        "serial_number": "7",
        "identity": None,
        "problem": "?",
    }


def test_no_port_is_said_and_is_no_failure(ports, capsys):
    ports()
    assert main(["list"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == (
        "no port with a board's USB ids (0403:6010) found; other ports: /dev/ttyS0, /dev/ttyS1\n"
    )
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_load_says_what_the_device_holds_then(kind, opened, file, capsys):
    names = opened(kind, NETWORK)
    assert main(["load", file, "--device", "/dev/board", "--baud", "115200"]) == 0
    image = compile_image(NETWORK, 16)
    out = capsys.readouterr().out
    assert "network       random-1\n" in out and "device        /dev/board\n" in out
    assert f"holds         {len(image.words)} words, CRC-32 {image.crc32:08x}, verified\n" in out
    assert names == [("/dev/board", {"baud": 115200})]


def test_load_as_json(file, capsys):
    assert main(["load", file, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["network"] == "random-1" and found["identity"]["network_valid"]
    assert found["identity"]["image_crc32"] == compile_image(NETWORK, 16).crc32


def test_load_shows_a_bar_on_a_terminal_only(opened, file, monkeypatch):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    shown = []
    for terminal in (True, False):
        stream = io.StringIO()
        stream.isatty = lambda terminal=terminal: terminal
        monkeypatch.setattr(sys, "stderr", stream)
        opened("link", NETWORK)
        assert main(["load", file]) == 0
        shown.append(stream.getvalue())
    assert "random-1: 100%" in shown[0] and shown[1] == ""


def test_a_store_that_keeps_something_else_is_exit_status_3(opened, file, capsys):
    opened("link", NETWORK, stuck_bit=True)
    assert main(["load", file]) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and not captured.out


def test_load_refuses_a_network_that_does_not_fit(tmp_path, capsys):
    save(random_network(1, inputs=64, units=(120,)), tmp_path / "large.safetensors")
    assert main(["load", str(tmp_path / "large.safetensors"), "--weights", "bram"]) == 3
    assert "words of weight store (there are" in capsys.readouterr().err


def test_load_names_an_absent_file(capsys):
    assert main(["load", "absent.safetensors"]) == 2
    assert "absent.safetensors" in capsys.readouterr().err
