"""`run`: a network over a data set, every logit compared with the golden model."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

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
from models.file import load
from models.network import Network

_EXAMPLES = """\
python -m host run models/zoo/digits.safetensors digits --device emulator
python -m host run models/zoo/digits.safetensors digits --device simulator --limit 20
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
        "data",
        metavar="DATA",
        help="digits, adding (their test parts), or an .npz with x [N, T, I], y [N] and "
        "optionally lengths [N]",
    )
    command.add_argument("--limit", type=count, metavar="N", help="run the first N sequences only")


def _perform(options: argparse.Namespace) -> int:
    network = load(options.file)
    part = _data(options.data)
    x, y = part.x[: options.limit], part.y[: options.limit]
    lengths = None if part.lengths is None else part.lengths[: options.limit]
    _check_data(network, x, y, options.data)
    done = 0

    def another(_: object) -> None:
        nonlocal done
        done += 1
        advance(done, len(x))

    with (
        open_device(options, network=network) as device,
        progress_bar(options.device, "seq") as advance,
    ):
        found = compare(device, x, y, lengths, another)
    if options.json:
        facts = {"network": network.spec.name, "data": options.data, "device": options.device}
        more = {"exact": found.exact, "microseconds_per_step": found.microseconds_per_step}
        print_json({**facts, **asdict(found), **more})
    else:
        print_facts(_rows(network, options, found))
    return EXIT_OK if found.exact else EXIT_DIFFERENT


def _rows(
    network: Network, options: argparse.Namespace, found: Comparison
) -> list[tuple[str, object]]:
    score = f"{found.score:.2%}" if found.measure == "accuracy" else f"{found.score:.6f}"
    golden = (
        f"{found.golden_score:.2%}" if found.measure == "accuracy" else f"{found.golden_score:.6f}"
    )
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


def _data(name: str) -> Any:
    """Return the sequences behind a name or a path."""
    if name == "digits":
        from models.tasks import digits

        return digits.load().test
    if name == "adding":
        from models.tasks import adding

        return adding.load().test
    if name.endswith(".npz"):
        from models.tasks import arrays

        return arrays.read(name)
    raise ValueError(f"DATA must be digits, adding or a path ending in .npz, not {name!r}")


def _check_data(network: Network, x: Any, y: Any, name: str) -> None:
    spec = network.spec
    if x.shape[2] != spec.inputs:
        raise ValueError(
            f"{name} has {x.shape[2]} features a step, network {spec.name!r} takes {spec.inputs}"
        )
    if spec.target == "class" and y.dtype.kind not in "iu":
        raise ValueError(f"network {spec.name!r} gives classes, but y of {name} is {y.dtype}")
