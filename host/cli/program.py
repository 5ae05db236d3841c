"""The parser of all commands, and how a failure becomes a message and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
import traceback

from host.cli import (
    flash,
    image,
    info,
    listen,
    listing,
    load,
    monitor,
    run,
    stream,
    words,
)
from host.cli.common import (
    DEVICES,
    EXIT_DEVICE,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_STATUSES,
    EXIT_USAGE,
    give_up,
    say,
)
from host.errors import DeviceError
from models.network import NetworkError

_EXAMPLES = """\
examples:
  python -m host run models/zoo/digits.safetensors digits --device simulator
  python -m host info --device /dev/ttyUSB1
  python -m host COMMAND --help    what a command takes, with examples
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(
        prog="python -m host",
        description="Drive a board, a simulated board or the emulator.",
        epilog=f"{_EXAMPLES}\n{DEVICES}\n{EXIT_STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        listing, info, load, run, stream, listen, words, monitor, image, flash
    ):  # fmt: skip
        command.add(commands)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    if sys.stderr is None:  # closed; printing to it would go to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- for as long as the process lives
    try:
        return _run(arguments)
    finally:
        say("", end="")


def _run(arguments: list[str] | None) -> int:
    try:
        try:
            options = parser().parse_args(arguments)
            if sys.stdout is None:
                raise OSError("standard output is closed: nobody would see an answer")
            status: int = options.perform(options)
        finally:
            _flush()  # what was answered stands before what is said of it
        return status
    except KeyboardInterrupt as interrupt:
        say(interrupt.args[0] if interrupt.args else "interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_OK  # whoever read our output has enough
    except DeviceError as error:
        say(f"error: {error}")
        return EXIT_USAGE if isinstance(error, ValueError) else EXIT_DEVICE
    except (NetworkError, OSError, ValueError, TypeError) as error:
        say(f"error: {error}")
        return EXIT_USAGE
    except Exception:
        say(traceback.format_exc(), end="")
        return EXIT_FAULT


def _flush() -> None:
    """Write out what was printed, or forget it if it cannot be written."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        give_up(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            raise OSError(f"cannot write the answers: {error}") from error
