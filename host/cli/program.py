"""The parser of all commands, and how a failure becomes a message and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
import traceback

from host.cli import flash, image, info, listing, load, monitor, run, stream
from host.cli.common import (
    DEVICES,
    EXIT_DEVICE,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_STATUSES,
    EXIT_USAGE,
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
    for command in (listing, info, load, run, stream, monitor, image, flash):
        command.add(commands)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    if sys.stderr is None:  # closed; printing to it would go to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- for as long as the process lives
    options = parser().parse_args(arguments)
    try:
        if sys.stdout is None:
            raise OSError("standard output is closed: nobody would see an answer")
        try:
            status: int = options.perform(options)
        finally:
            _flush()  # what was answered stands before what is said of it
        return status
    except KeyboardInterrupt as interrupt:
        print(interrupt.args[0] if interrupt.args else "interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_OK  # whoever read our output has enough
    except DeviceError as error:
        status = EXIT_USAGE if isinstance(error, ValueError) else EXIT_DEVICE
        print(f"error: {error}", file=sys.stderr)
        return status
    except (NetworkError, OSError, ValueError, TypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except Exception:
        traceback.print_exc()
        return EXIT_FAULT


def _flush() -> None:
    """Write out what was printed, or forget it if it cannot be written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Keeps the interpreter from trying it again at exit, and from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OSError(f"cannot write the answers: {error}") from error
