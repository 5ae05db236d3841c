"""`load`: a network onto a device."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from host.cli.common import (
    EXIT_OK,
    Commands,
    add_device_command,
    open_device,
    print_facts,
    print_json,
    progress_bar,
)
from host.cli.info import held
from models.file import load

_EXAMPLES = """\
python -m host load models/zoo/digits.safetensors --device /dev/ttyUSB1
python -m host load mine.safetensors --device socket://127.0.0.1:5000 --json
python -m host load mine.safetensors --device emulator --lanes 20 --packed     does it fit?
"""

_DETAILS = """
The device's own CRC-32 over its store is compared with the network's. Nothing is sent if the
device holds this very network already; a network that does not fit leaves the device as it was.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_device_command(
        commands, "load", _perform, "load a network and verify it", _EXAMPLES, _DETAILS
    )
    command.add_argument("file", metavar="FILE", help="network file (.safetensors)")


def _perform(options: argparse.Namespace) -> int:
    network = load(options.file)
    with open_device(options) as device:
        with progress_bar(network.spec.name, "B") as advance:
            device.load(network, advance)
        identity = device.identify()
    if options.json:
        print_json({"network": network.spec.name, "identity": asdict(identity)})
    else:
        print_facts(
            [
                ("network", network.spec.name),
                ("device", options.device),
                ("holds", f"{held(identity)}, verified"),
                ("weight store", f"{identity.weights}, {identity.capacity.store_words} words"),
            ]
        )
    return EXIT_OK
