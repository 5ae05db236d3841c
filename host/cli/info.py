"""`info`: what a device is and holds."""

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
)
from host.results import Identity

_EXAMPLES = """\
python -m host info --device /dev/ttyUSB1
python -m host info --device emulator --weights bram --json
"""


def add(commands: Commands) -> None:
    """Add the command."""
    add_device_command(commands, "info", _perform, "say what a device is and holds", _EXAMPLES)


def held(identity: Identity) -> str:
    """Say which network a device holds, as far as it knows."""
    if identity.image_words and identity.network_valid:
        return f"{identity.image_words} words, CRC-32 {identity.image_crc32:08x}"
    return "none"


def _perform(options: argparse.Namespace) -> int:
    with open_device(options) as device:
        identity = device.identify()
        counters = device.counters()
    if options.json:
        print_json({"identity": asdict(identity), "counters": asdict(counters)})
        return EXIT_OK
    capacity = identity.capacity
    print_facts(
        [
            ("protocol version", identity.protocol),
            ("lanes", capacity.lanes),
            ("clock", f"{identity.clock_hz / 1e6:g} MHz"),
            ("fraction bits", identity.fraction_bits),
            ("weight store", f"{identity.weights}, {capacity.store_words} words"),
            ("words hold", capacity.word_format.name),
            ("accumulators per lane", capacity.accumulator_words),
            ("hidden units", f"{capacity.state_units}, at most {capacity.layer_units} a layer"),
            ("inputs, outputs", f"at most {capacity.input_size}, {capacity.outputs}"),
            ("network", held(identity)),
            ("network in the flash", identity.flash),
            ("busy cycles", counters.cycles),
            ("  adding events", counters.adding),
            ("  reading sums", counters.reading),
            ("waiting for inputs", counters.starved),
            ("idle cycles", counters.idle),
            ("steps", counters.steps),
            ("events", counters.events),
            ("link errors", counters.link_errors),
        ]
    )
    return EXIT_OK
