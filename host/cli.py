"""The command line: `python -m host run` and `python -m host info`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from host.compare import Comparison, compare
from host.device import Device
from host.errors import DeviceError
from models.network import Network, NetworkError

EXIT_OK, EXIT_DIFFERENT, EXIT_USAGE, EXIT_DEVICE, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

EPILOG = """\
devices:
  emulator     the integer model in this process, nothing to install or compile
  simulator    the real RTL in Verilator (compiled at the first start)
  PORT         a board: /dev/ttyUSB1, COM3, or a pyserial URL such as socket://127.0.0.1:5000

exit status:
  0  all is well
  1  the device's answers differ from the golden model's
  2  wrong arguments, network file or data
  3  the device is absent, busy, silent, or refuses
"""

RUN_EXAMPLES = """\
examples:
  python -m host run models/zoo/digits.safetensors digits --device emulator
  python -m host run models/zoo/digits.safetensors digits --device simulator --limit 20
  python -m host run mine.safetensors mine.npz --device /dev/ttyUSB1 --json
"""

INFO_EXAMPLES = """\
examples:
  python -m host info --device /dev/ttyUSB1
  python -m host info --device emulator --weights bram --json
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    raw = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(
        prog="python -m host",
        description="Drive a board, a simulated board or the emulator.",
        epilog=RUN_EXAMPLES + "  python -m host info --device simulator\n\n" + EPILOG,
        formatter_class=raw,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a network over a data set and compare every logit with the golden model",
        description="Run a network over a data set; compare every logit with the golden model.",
        epilog=RUN_EXAMPLES + "\n" + EPILOG,
        formatter_class=raw,
    )
    run.add_argument("file", metavar="FILE", help="network file (.safetensors)")
    run.add_argument(
        "data",
        metavar="DATA",
        help="digits, adding (their test parts), or an .npz with x [N, T, I], y [N] and "
        "optionally lengths [N]",
    )
    run.add_argument("--limit", type=int, metavar="N", help="run the first N sequences only")
    info = commands.add_parser(
        "info",
        help="say what a device is and holds",
        description="Say what a device is and holds.",
        epilog=INFO_EXAMPLES + "\n" + EPILOG,
        formatter_class=raw,
    )
    for command in (run, info):
        command.add_argument("--device", default="emulator", metavar="D", help="default: emulator")
        command.add_argument("--baud", type=int, help="baud rate of a port (default 3000000)")
        command.add_argument("--lanes", type=int, help="lanes of emulator or simulator")
        command.add_argument(
            "--weights", choices=["bram", "spram"], help="weight store of emulator or simulator"
        )
        command.add_argument(
            "--events", type=int, choices=[1, 2], help="events a cycle of emulator or simulator"
        )
        command.add_argument(
            "--packed",
            action="store_true",
            default=None,
            help="emulator or simulator with five weights in a byte",
        )
        command.add_argument("--json", action="store_true", help="machine-readable output")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        return _info(options) if options.command == "info" else _run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; keep the interpreter from saying so at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except DeviceError as error:
        status = EXIT_USAGE if isinstance(error, ValueError) else EXIT_DEVICE
        print(f"error: {error}", file=sys.stderr)
        return status
    except (NetworkError, OSError, ValueError, TypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE


def _device_options(options: argparse.Namespace) -> dict[str, Any]:
    names = ("baud", "lanes", "weights", "events", "packed")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _info(options: argparse.Namespace) -> int:
    with Device.open(options.device, **_device_options(options)) as device:
        identity = device.identify()
        counters = device.counters()
    if options.json:
        print(json.dumps({"identity": asdict(identity), "counters": asdict(counters)}, indent=2))
        return EXIT_OK
    capacity = identity.capacity
    if identity.image_words and identity.network_valid:
        holds = f"{identity.image_words} words, CRC-32 {identity.image_crc32:08x}"
    else:
        holds = "none"
    _table(
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
            ("network", holds),
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


def _run(options: argparse.Namespace) -> int:
    from models.file import load

    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit must be at least 1, not {options.limit}")
    network = load(options.file)
    part = _data(options.data)
    x, y = part.x[: options.limit], part.y[: options.limit]
    lengths = None if part.lengths is None else part.lengths[: options.limit]
    _check_data(network, x, y, options.data)
    with Device.open(options.device, network=network, **_device_options(options)) as device:
        with _progress_bar(len(x), options.device) as advance:
            found = compare(device, x, y, lengths, advance)
    if options.json:
        facts = {"network": network.spec.name, "data": options.data, "device": options.device}
        more = {"exact": found.exact, "microseconds_per_step": found.microseconds_per_step}
        print(json.dumps({**facts, **asdict(found), **more}, indent=2))
    else:
        _table(_rows(network, options, found))
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


@contextmanager
def _progress_bar(total: int, device: str) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal, silence in a pipe, plain silence where tqdm is missing."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda n: None
        return
    with tqdm(
        total=total, unit="seq", desc=device, file=sys.stderr, disable=not sys.stderr.isatty()
    ) as bar:
        yield bar.update


def _table(rows: list[tuple[str, object]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
