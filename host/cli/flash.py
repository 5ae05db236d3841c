"""`flash`: a board that works by itself, its bitstream and network in its flash."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from host.cli.common import EXIT_OK, Commands, add_command, print_facts, print_json, say
from host.flash import Build, read_build, standalone
from host.programmer import PROGRAMMERS, find_programmer, program, programmer_command
from models.file import load
from models.writing import check_output, write_whole

_EXAMPLES = """\
python -m hdl.build --board icebreaker --network none --weights spram --output build/standalone
python -m host flash models/zoo/digits.safetensors --build build/standalone
python -m host flash models/zoo/digits.safetensors --build build/standalone --output digits.bin
python -m host flash --build build/icebreaker        the network is in the bitstream
"""

_DETAILS = """
An engine that was built without a network (hdl.build --network none) loads the one in its board's
flash at power-up; flash writes both, bitstream and network. A bitstream that carries its network
in block RAM is written alone. docs/howto/standalone-board.md says more.
"""


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "flash",
        _perform,
        "write bitstream and network to a board's flash",
        _EXAMPLES,
        _DETAILS,
    )
    command.add_argument(
        "network",
        metavar="NETWORK",
        nargs="?",
        help="network file (.safetensors); needed if the bitstream carries none",
    )
    command.add_argument(
        "--build",
        type=Path,
        default=Path("build/icebreaker"),
        metavar="DIR",
        help="output folder of hdl.build (default: build/icebreaker)",
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--output", type=Path, metavar="FILE", help="write the flash's contents to a file instead"
    )
    where.add_argument(
        "--programmer", choices=PROGRAMMERS, help="default: the first of them on PATH"
    )


def _perform(options: argparse.Namespace) -> int:
    build = read_build(options.build)
    network = None if options.network is None else load(options.network)
    contents = standalone(build, network)
    if options.output is None:
        written = _program(build, contents, options.programmer)
    else:
        check_output(options.output)
        write_whole(options.output, contents)
        written = str(options.output)
    offset = build.network_offset if build.preloaded is None else None
    name = build.preloaded if network is None else network.spec.name
    if options.json:
        facts = {"board": build.board, "network": name, "network_offset": offset}
        print_json({**facts, "bytes": len(contents), "written": written})
    else:
        where = "in the bitstream" if offset is None else f"at 0x{offset:x}"
        print_facts(
            [
                ("board", build.board),
                ("network", f"{name}, {where}"),
                ("size", f"{len(contents)} bytes"),
                ("written", written),
            ]
        )
    return EXIT_OK


def _program(build: Build, contents: bytes, wanted: str | None) -> str:
    """Write a board's flash, and return what did it."""
    programmer = find_programmer(wanted)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{build.board}-flash.bin"
        file.write_bytes(contents)
        try:
            program(programmer_command(programmer, build.openfpgaloader, file), _show)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "interrupted: the flash may be half-written; write it again before the board is "
                "used"
            ) from None
    return f"to the flash, by {programmer}"


def _show(text: str) -> None:
    say(text, end="")  # whatever becomes of it: half a flash is worse
