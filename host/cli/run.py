"""`run`: a network over a data set, every logit compared with the golden model."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np

from host.cli.common import (
    EXIT_DIFFERENT,
    EXIT_OK,
    Commands,
    add_device_command,
    count,
    open_device,
    print_facts,
    print_json,
    progress_bar,
)
from host.compare import Comparison, compare
from host.results import Result
from models.file import load
from models.marks import collapse, shown, spelled
from models.network import Network
from models.tasks import arrays, named
from models.tasks.data import Part

_EXAMPLES = """\
python -m host run models/zoo/digits.safetensors digits --device emulator
python -m host run models/zoo/digits.safetensors digits --device simulator --limit 20
python -m host run build/text.safetensors text --data book.txt --device simulator --limit 2
python -m host run mine.safetensors mine.npz --device /dev/ttyUSB1 --json
"""


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_device_command(
        commands,
        "run",
        _perform,
        "run a network over a data set and compare every logit with the golden model",
        _EXAMPLES,
    )
    command.add_argument("file", metavar="FILE", help="network file (.safetensors)")
    command.add_argument(
        "task",
        metavar="DATA",
        help=f"{named.LISTED} (their test parts), or an .npz with x [N, T, I], y [N] and "
        "optionally lengths [N]",
    )
    named.add_options(command)
    command.add_argument(
        "--show", type=int, default=5, metavar="N", help="strings to print, where there are any (5)"
    )
    command.add_argument("--limit", type=count, metavar="N", help="run the first N sequences only")


def _perform(options: argparse.Namespace) -> int:
    network = load(options.file)
    part = _part(network, options).first(options.limit)
    _check_data(network, part, options.task)
    done = 0
    strings: list[tuple[str, str]] = []

    def another(result: Result) -> None:
        nonlocal done
        if part.y_lengths is not None and done < options.show:
            wanted = part.y[done, : part.y_lengths[done]].tolist()
            found = collapse(np.array([step.label for step in result.every], np.int64))
            labels = network.spec.labels
            strings.append((spelled(found, labels), spelled(wanted, labels)))
        done += 1
        advance(done, len(part))

    with (
        open_device(options, network=network) as device,
        progress_bar(options.device, "seq") as advance,
    ):
        found = compare(device, part, another)
    if options.json:
        facts = {"network": network.spec.name, "data": options.task, "device": options.device}
        more: dict[str, Any] = {
            "exact": found.exact,
            "microseconds_per_step": found.microseconds_per_step,
        }
        if part.y_lengths is not None:
            more["strings"] = strings
        print_json({**facts, **asdict(found), **more})
    else:
        print_facts(_rows(network, options, found))
        for read, wanted in strings:
            print(f"{read or '(nothing)'}{'' if read == wanted else f'   (it is {wanted})'}")
    return EXIT_OK if found.exact else EXIT_DIFFERENT


def _rows(
    network: Network, options: argparse.Namespace, found: Comparison
) -> list[tuple[str, object]]:
    score, golden = (shown(found.measure, v) for v in (found.score, found.golden_score))
    equal = found.logits_compared - found.logits_different
    return [
        ("network", network.spec.name),
        ("device", options.device),
        ("sequences, steps", f"{found.sequences}, {found.steps}"),
        (found.measure, f"{score} (golden model: {golden})"),
        ("logits equal", f"{equal} of {found.logits_compared}"),
        ("cycles per step", f"{found.cycles_per_step_mean:.1f} mean, "
         f"{found.cycles_per_step_worst:.1f} worst sequence"),
        ("time per step", f"{found.microseconds_per_step:.2f} us at {found.clock_hz / 1e6:g} MHz"),
        ("verdict", "every answer equals the golden model's" if found.exact
         else f"DIFFERENT: {found.logits_different} logits, {found.labels_different} labels"),
    ]  # fmt: skip


def _part(network: Network, options: argparse.Namespace) -> Part:
    """Return the sequences behind a name or a path, as a network reads them."""
    if options.task in named.TASKS:
        return named.load_chosen(options, network.spec.labels).test
    if options.task.endswith(".npz"):
        return arrays.read(options.task)
    raise ValueError(f"DATA must be {named.LISTED} or a path ending in .npz, not {options.task!r}")


def _check_data(network: Network, part: Part, name: str) -> None:
    spec, features = network.spec, part.x.shape[2]
    if features != spec.inputs:
        raise ValueError(
            f"{name} has {features} features a step, network {spec.name!r} takes {spec.inputs}"
        )
    if spec.target == "class" and part.y.dtype.kind not in "iu":
        raise ValueError(f"network {spec.name!r} gives classes, but y of {name} is {part.y.dtype}")
