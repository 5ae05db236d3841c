"""`monitor`: what a device does, interval by interval."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict
from itertools import islice

from host.cli.common import (
    EXIT_OK,
    Commands,
    add_device_command,
    count,
    open_device,
    print_facts,
)
from host.rates import Rates, watch

_EXAMPLES = """\
python -m host monitor --device socket://127.0.0.1:5000
python -m host monitor --device /dev/ttyUSB1 --interval 0.2 --count 50
python -m host monitor --device socket://127.0.0.1:5000 --json > rates.jsonl
"""

_DETAILS = """
A serial port has one user at a time: a program that drives a board through its port keeps
monitor out, and reads Device.counters() itself. monitor is for a board reached over a URL, or for
one that works by itself. To open a device ends the sequence that it is in.

Utilisation is shares of all clock cycles: adding events, reading sums, other work, starved (a
step waits for its inputs), idle. On a terminal the table stays in its place; in a pipe there is a
line an interval. It ends after --count intervals, or with Ctrl-C.
"""

#: The longest interval, in seconds.
_DAY = 24 * 60 * 60

#: Cursor up so many lines, and erase from there on.
_BACK = "\x1b[{}A\x1b[J"


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_device_command(
        commands,
        "monitor",
        _perform,
        "show what a device does: rates, utilisation, link errors",
        _EXAMPLES,
        _DETAILS,
        default=None,
    )
    command.add_argument(
        "--interval", type=_seconds, default=1.0, metavar="S", help="seconds (default: 1)"
    )
    command.add_argument("--count", type=count, metavar="N", help="end after N intervals")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= _DAY:
        raise argparse.ArgumentTypeError(
            f"expected seconds above 0, up to {_DAY} (a day), found {text!r}"
        )
    return value


def _perform(options: argparse.Namespace) -> int:
    with open_device(options) as device:
        intervals = watch(device.counters, options.interval, time.monotonic, time.sleep)
        for number, found in enumerate(islice(intervals, options.count)):
            if options.json:
                print(json.dumps(asdict(found)))
            elif sys.stdout.isatty():
                _print_in_place(_cells(found), again=number > 0)
            else:
                _print_line(_cells(found), header=number == 0)
            sys.stdout.flush()
    return EXIT_OK


def _cells(found: Rates) -> list[tuple[str, str]]:
    """Return names and values for people."""
    shares = ("adding", "reading", "other", "starved", "idle")
    return [
        ("steps/s", f"{found.steps_per_second:.1f}"),
        ("events/s", f"{found.events_per_second:.1f}"),
        ("busy cycles", f"{found.cycles}"),
        ("cycles/step", f"{found.cycles_per_step:.1f}"),
        *((name, f"{getattr(found, name):.1%}") for name in shares),
        ("link errors", f"{found.link_errors}"),
    ]


def _print_in_place(cells: list[tuple[str, str]], again: bool) -> None:
    if again:
        print(_BACK.format(len(cells)), end="")
    print_facts(cells)


def _print_line(cells: list[tuple[str, str]], header: bool) -> None:
    for row in (0, 1) if header else (1,):
        print(" ".join(f"{cell[row]:>11}" for cell in cells))
