"""What the commands share: options, exit statuses, tables, the progress bar."""

from __future__ import annotations

import argparse
import json
import os
import reprlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import indent
from typing import Any, TextIO

from host.device import Device

EXIT_OK, EXIT_DIFFERENT, EXIT_USAGE, EXIT_DEVICE = 0, 1, 2, 3
EXIT_FAULT, EXIT_INTERRUPTED = 70, 130

DEVICES = """\
devices:
  emulator     the integer model in this process, nothing to install or compile
  simulator    the real RTL in Verilator (compiled at the first start)
  PORT         a board: /dev/ttyUSB1, COM3, or a pyserial URL such as socket://127.0.0.1:5000
"""

EXIT_STATUSES = """\
exit status:
    0  all is well
    1  the device's answers differ from the golden model's
    2  wrong arguments, network file, build or data; the answers could not be written
    3  the device is absent, busy, silent, or refuses; its flash could not be written
   70  a fault of this program, not of the device
  130  interrupted (Ctrl-C)
"""

#: The most that an option may count: of steps, of lines, of bauds.
MOST_COUNT = 10**9

#: What a command line's subparsers are.
Commands = Any

#: Called with (done, in all).
Advance = Callable[[int, int], None]


def add_command(
    commands: Commands,
    name: str,
    perform: Callable[[argparse.Namespace], int],
    summary: str,
    examples: str,
    details: str = "",
    *,
    notes: str = EXIT_STATUSES,
) -> argparse.ArgumentParser:
    """Add a command whose help ends with its examples and notes.

    Parameters
    ----------
    commands : subparsers
    name, summary : str
        The summary is one sentence without its full stop.
    perform : callable
        Takes the options and returns the exit status.
    examples : str
        Command lines, one a line.
    details : str
        More of its description.
    notes : str
        What follows the examples.
    """
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n{details}",
        epilog=f"examples:\n{indent(examples, '  ')}\n{notes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(perform=perform)
    made.add_argument("--json", action="store_true", help="machine-readable output")
    return made


def add_device_command(
    *arguments: Any, default: str | None = "emulator"
) -> argparse.ArgumentParser:
    """Add a command with --device and what a device is opened with.

    Parameters
    ----------
    *arguments
        Of `add_command`.
    default : str or None
        The device if none is named; None: one must be.
    """
    command = add_command(*arguments, notes=f"{DEVICES}\n{EXIT_STATUSES}")
    command.add_argument(
        "--device",
        default=default,
        required=default is None,
        metavar="D",
        help="emulator, simulator, a port or a URL"
        + ("" if default is None else f" (default: {default})"),
    )
    command.add_argument("--baud", type=count, help="baud rate of a port (default 3000000)")
    command.add_argument(
        "--weights", choices=["bram", "spram"], help="weight store of emulator or simulator"
    )
    add_engine_options(command, "emulator or simulator")
    return command


def add_engine_options(command: argparse.ArgumentParser, whose: str) -> None:
    """Add what decides how an engine's store words look."""
    command.add_argument("--lanes", type=int, help=f"lanes of {whose} (default: 16)")
    command.add_argument(
        "--events", type=int, choices=[1, 2], help=f"events a cycle of {whose} (default: 2)"
    )
    command.add_argument(
        "--packed",
        action="store_true",
        default=None,
        help=f"{whose} with five weights in a byte",
    )


def count(text: str) -> int:
    """Return an argument that must be an integer from 1 to `MOST_COUNT`."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= MOST_COUNT:
        raise argparse.ArgumentTypeError(
            f"expected an integer from 1 to {MOST_COUNT}, found {reprlib.repr(text)}"
        )
    return value


def open_device(options: argparse.Namespace, **more: Any) -> Device:
    """Open the device that the options name."""
    names = ("baud", "lanes", "weights", "events", "packed")
    given = {name: getattr(options, name) for name in names}
    kept = {name: value for name, value in given.items() if value is not None}
    return Device.open(options.device, **kept, **more)


def say(text: str, end: str = "\n") -> None:
    """Write a message to standard error, or nothing if nobody can read it any more."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Have a stream that cannot be written take everything, what waits in it included."""
    # The interpreter would try it again at exit, complain, and end with a status of its own.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def progress_bar(description: str, unit: str) -> Iterator[Advance]:
    """A bar on a terminal, silence in a pipe, plain silence where tqdm is missing."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda done, total: None
        return
    with tqdm(unit=unit, desc=description, file=sys.stderr, disable=not sys.stderr.isatty()) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance


def print_json(facts: object) -> None:
    """Print one JSON document."""
    print(json.dumps(facts, indent=2))


def print_facts(rows: Sequence[tuple[str, object]]) -> None:
    """Print names and values, aligned."""
    print_table([(name, str(value)) for name, value in rows])


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, each column as wide as it must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
