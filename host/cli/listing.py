"""`list`: the serial ports where a board may be, and what answers at them."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from host.cli.common import EXIT_OK, Commands, add_command, print_json, print_table, say
from host.cli.info import held
from host.results import Identity

_EXAMPLES = """\
python -m host list
python -m host list --json
"""

_DETAILS = """
Each port with the USB ids of a board's converter (FTDI FT2232H, 0403:6010) is opened and asked what
it is. A port that another program uses is listed with that problem, as is one where nothing answers
that speaks the protocol.
"""

_COLUMNS = ("PORT", "DEVICE", "SERIAL NUMBER", "DESCRIPTION")


def add(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "list",
        _perform,
        "list the boards at this computer's serial ports",
        _EXAMPLES,
        _DETAILS,
    )


def _perform(options: argparse.Namespace) -> int:
    from host.discovery import discover

    found = discover()
    if options.json:
        print_json([asdict(one) for one in found])
    elif not found:
        say(f"no port with a board's USB ids ({_ids()}) found; other ports: {_others()}")
    else:
        rows = [
            (
                one.port,
                one.problem if one.identity is None else _summary(one.identity),
                one.serial_number or "-",
                one.description,
            )
            for one in found
        ]
        print_table([_COLUMNS, *rows])
    return EXIT_OK


def _ids() -> str:
    from host.discovery import KNOWN_PORTS

    return ", ".join(f"{vendor:04x}:{product:04x}" for vendor, product in KNOWN_PORTS)


def _others() -> str:
    from serial.tools import list_ports

    return ", ".join(sorted(port.device for port in list_ports.comports())) or "none"


def _summary(identity: Identity) -> str:
    return f"{identity.capacity.lanes} lanes, {identity.weights}, network: {held(identity)}"
