"""docs/link.md says what the code does: its example, constants and tables are compared."""

import re
import struct

import pytest

from host.frames import crc16
from models import protocol
from models.image import word_bytes
from tests.host.link_example import DOCUMENT, END, example, parts

TEXT = DOCUMENT.read_text()


def test_the_example_is_the_drivers():
    assert parts()[1] == example(), "run: python -m tests.host.link_example"


def test_the_check_value_is_right():
    assert f"**0x{crc16(b'123456789'):04X}**" in TEXT


def test_the_version_is_the_codes():
    assert f"Protocol version: {protocol.PROTOCOL_VERSION}." in TEXT


@pytest.mark.parametrize("command", protocol.Command)
def test_every_command_is_listed(command):
    assert f"| {command.value} | {command.name} |" in TEXT


@pytest.mark.parametrize("status", protocol.Status)
def test_every_status_is_listed(status):
    assert f"{status.value} {status.name}" in TEXT


@pytest.mark.parametrize("flag", protocol.StepFlags)
def test_every_step_flag_is_listed(flag):
    assert f"| {flag.value.bit_length() - 1} | {flag.name} |" in TEXT


def test_the_limits_are_the_codes():
    longest = f"0 to {protocol.MAX_REQUEST_PAYLOAD} bytes (requests), "
    assert longest + f"0 to {protocol.MAX_RESPONSE_PAYLOAD} bytes (responses)" in TEXT


def test_the_time_outs_are_the_drivers():
    from host.opening import _PORT_PATIENCE, _SIMULATOR_PATIENCE, _URL_PATIENCE
    from host.session import MAX_IN_FLIGHT

    text = " ".join(TEXT.split())
    timeout, retries = _PORT_PATIENCE
    assert f"repeats after {timeout:g} s plus" in text and f"after {retries} repetitions" in text
    assert f"{timeout * (retries + 1):g} s and the line's time" in text
    assert f"it is {_URL_PATIENCE[0]:g} s and {_URL_PATIENCE[1]} repetitions" in text
    assert f"{_SIMULATOR_PATIENCE[0]:g} s and {_SIMULATOR_PATIENCE[1]}, because" in text
    assert f"At most {MAX_IN_FLIGHT} may be without response" in text


def test_the_identity_table_adds_up():
    table = TEXT.split("**IDENTIFY**")[1].split("**WRITE**")[0]
    rows = re.findall(r"^\| (\d+) \| (u\d+) \|", table, re.MULTILINE)
    sizes = {"u8": "B", "u16": "H", "u32": "I"}
    layout = "<"
    for offset, kind in rows:
        assert struct.calcsize(layout) == int(offset)
        layout += sizes[kind]
    assert struct.calcsize(layout) == 33 and "33 bytes" in TEXT


def test_the_bytes_of_a_word_are_the_codes():
    assert f"in which a store word travels, ceil({word_bytes(80) // 10} P / 8)" in TEXT


def test_the_example_has_its_end():
    assert TEXT.rstrip().endswith(END)
