"""`list`: the serial ports of this computer, and what answers at them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from host.cli.common import EXIT_OK, Commands, add_command, print_json, print_table
from host.cli.info import held
from host.results import Identity

_EXAMPLES = """\
python -m host list
python -m host list --json
"""

_DETAILS = """
Each port is opened and asked what it is. A port that another program uses is listed with that
problem, as is one where nothing answers that speaks the protocol.
"""

_COLUMNS = ("PORT", "DEVICE", "SERIAL NUMBER", "DESCRIPTION")


def add(commands: Commands) -> None:
    """Add the command."""
    add_command(
        commands,
        "list",
        _perform,
        "list this computer's serial ports and what answers at them",
        _EXAMPLES,
        _DETAILS,
    )


def _perform(options: argparse.Namespace) -> int:
    from host.discovery import discover

    found = discover()
    if options.json:
        print_json([asdict(one) for one in found])
    elif not found:
        print("no serial port found", file=sys.stderr)
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


def _summary(identity: Identity) -> str:
    return f"{identity.capacity.lanes} lanes, {identity.weights}, network: {held(identity)}"
