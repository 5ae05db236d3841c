"""`stream`: steps in, an answer for each out; a stage of a pipe."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, BinaryIO

import numpy as np

from host.cli.common import (
    EXIT_OK,
    Commands,
    add_device_command,
    count,
    open_device,
)
from host.results import Result
from host.steps import FORMATS, StepReader, guess_format
from models.file import load
from models.spec import NetworkSpec

_EXAMPLES = """\
python -m host stream models/zoo/digits.safetensors rows.npy --device simulator
python -m host stream mine.safetensors log.csv --reset-every 100 --json > answers.jsonl
sensor | python -m host stream mine.safetensors --device /dev/ttyUSB1 | act
"""

_DETAILS = """
DATA has one time step a line (CSV, numbers with commas between), a row (NPY, [T, I]) or every I
bytes (raw int8). Integers are taken as they are; floats are quantized by the network's
normalisation. In CSV the first line decides: if all its numbers are integers, all lines' are.

Answers are CSV with a header: step, label, cycles, and logit_0 ... (in readout mode "sum" the sum
so far), for networks of values also value_0 ...; with --json an object a line. A bad step ends it
with its number, once all steps before it are answered.
"""

#: Steps taken before their answers are given: from a file, and from standard input.
_AHEAD_FILE, _AHEAD_LIVE = 32, 1


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_device_command(
        commands,
        "stream",
        _perform,
        "answer every time step of a file or of standard input",
        _EXAMPLES,
        _DETAILS,
    )
    command.add_argument("file", metavar="FILE", help="network file (.safetensors)")
    command.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        default="-",
        help="a file; -, the default: standard input",
    )
    command.add_argument(
        "--format", choices=FORMATS, help="of DATA (default: by its suffix; standard input: csv)"
    )
    command.add_argument(
        "--ahead",
        type=count,
        metavar="N",
        help="steps to take before their answers are given (default: 1 for standard input, so that "
        f"each is answered at once, {_AHEAD_FILE} for a file)",
    )
    command.add_argument("--labels", action="store_true", help="labels only, without logits")
    command.add_argument(
        "--reset-every", type=count, metavar="N", help="begin a new sequence every N steps"
    )


def _perform(options: argparse.Namespace) -> int:
    network = load(options.file)
    spec = network.spec
    every, logits = options.reset_every, not options.labels
    _check(spec, every, logits)
    form = options.format or guess_format(options.data)
    ahead = options.ahead or (_AHEAD_LIVE if options.data == "-" else _AHEAD_FILE)
    # Whoever waits at the other end of a pipe gets each answer when there is one.
    live = not os.path.isfile(options.data)
    line = _json_line if options.json else _csv_line
    with (
        _open_data(options.data) as stream,
        open_device(options, network=network) as device,
    ):
        if not options.json:
            print(_csv_header(spec, logits), flush=True)
        reader = StepReader(network, stream, form, spec.max_steps if every is None else None)
        steps, number, more = iter(reader), 0, True
        while more:
            device.reset()
            answered = 0
            for result in device.stream(islice(steps, every), logits, ahead):
                number += 1
                answered += 1
                print(line(number, result), flush=live)
            more = answered == every
        reader.check()
    return EXIT_OK


def _check(spec: NetworkSpec, every: int | None, logits: bool) -> None:
    """Refuse options that this network cannot answer with."""
    if every is not None and spec.max_steps is not None and every > spec.max_steps:
        raise ValueError(
            f"--reset-every must be at most {spec.max_steps} for network {spec.name!r}, or its sum "
            f"leaves 32 bits; not {every}"
        )
    if spec.target == "value" and not logits:
        raise ValueError(f"--labels: network {spec.name!r} gives values, not labels")


@contextmanager
def _open_data(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        if sys.stdin is None:
            raise OSError("standard input is closed: expected time steps there, or a file")
        yield sys.stdin.buffer
    else:
        with open(name, "rb") as stream:
            yield stream


def _csv_header(spec: NetworkSpec, logits: bool) -> str:
    names = ["logit"] * logits + ["value"] * (spec.target == "value")
    columns = [f"{name}_{index}" for name in names for index in range(spec.outputs)]
    return ",".join(["step", "label", "cycles", *columns])


def _csv_line(number: int, result: Result) -> str:
    fields = [number, result.label, result.cycles, *chain(*_outputs(result).values())]
    return ",".join(map(str, fields))


def _json_line(number: int, result: Result) -> str:
    facts = {"step": number, "label": result.label, "cycles": result.cycles}
    return json.dumps(facts | _outputs(result))


def _outputs(result: Result) -> dict[str, list[Any]]:
    """Return what there is of an answer's logits and values."""
    both = {"logits": result.logits, "values": result.value}
    return {name: np.atleast_1d(x).tolist() for name, x in both.items() if x is not None}
