"""From the shipped network to a bitstream, and real digits through both of its models.

`make icebreaker` runs this. It builds the bitstream (`python -m hdl.build`), classifies the 450
test digits in the emulator and on the simulated board, the gateware's RTL behind its serial
port, and compares every logit with the golden model. Exit status 1 if the build fails or
anything disagrees.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from host.device import Device
from models.file import load
from models.golden import GoldenModel, GoldenResult
from models.network import Network
from models.tasks import digits

ROOT = Path(__file__).resolve().parent.parent
LEAST_SIMULATED = 20
Item = TypeVar("Item")


@dataclass(frozen=True)
class Run:
    """What one device answered.

    Attributes
    ----------
    labels : int64 [N]
    wrong_logits : int
        Logits that differ from the golden model's.
    logits : int
        Logits compared.
    cycles : int64 [N]
        Clock cycles of each sequence, its reset included.
    """

    labels: NDArray[np.int64]
    wrong_logits: int
    logits: int
    cycles: NDArray[np.int64]


def run(device: Device, x: NDArray[np.int8], golden: GoldenResult, title: str) -> Run:
    """Run sequences on a device and compare it with the golden model."""
    expected = golden.scores[: len(x)]
    results = list(_progress(device.run_many(x), len(x), title))
    given = [r.logits for r in results]
    wrong = sum(
        expected.shape[1] if logits is None else int(np.count_nonzero(logits != want))
        for logits, want in zip(given, expected, strict=True)
    )
    return Run(
        labels=np.array([r.label for r in results], dtype=np.int64),
        wrong_logits=wrong,
        logits=expected.size,
        cycles=np.array([r.cycles for r in results], dtype=np.int64),
    )


def worst_step(device: Device, x: NDArray[np.int8]) -> int:
    """Return the most cycles that any single step took, its answer included."""
    worst = 0
    for sequence in _progress(x, len(x), "emulator, step by step"):
        device.reset()
        worst = max(worst, *(result.cycles for result in device.stream(sequence)))
    return worst


def _progress(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    # A log gets a line now and then, a terminal a moving bar.
    pause = 0.1 if sys.stdout.isatty() else 5.0
    yield from tqdm(
        items, total=total, desc=title, unit="digit", file=sys.stdout, mininterval=pause
    )


def build(board: str, network: Path, output: Path, extra: list[str]) -> dict[str, Any]:
    """Run the build as its own program and return its report."""
    command = [sys.executable, "-m", "hdl.build", "--board", board]
    command += ["--network", str(network), "--output", str(output), *extra]
    print("$ python " + " ".join(command[1:]), flush=True)
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    report: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return report


def table(rows: list[tuple[str, str]]) -> str:
    """Return two columns as text."""
    width = max(len(name) for name, _ in rows)
    line = "-" * (width + 44)
    return "\n".join([line, *(f"{name:<{width}}  {value}" for name, value in rows), line])


def _agreement(run: Run) -> str:
    right = run.logits - run.wrong_logits
    verdict = "yes" if not run.wrong_logits else "NO"
    return f"{verdict}: {right} of {run.logits} logits of {len(run.labels)} digits"


def demonstrate(options: argparse.Namespace) -> int:
    """Build, run and compare; return the exit status."""
    network: Network = load(options.network)
    print("loading the digits ...", flush=True)
    test = digits.load().test
    x = network.normalisation.quantize(test.features, network.spec.hb)
    golden = GoldenModel(network).run(x)

    output = options.output or ROOT / "build" / options.board
    report = build(options.board, options.network, output, options.build)

    engine = {"lanes": report["lanes"], "weights": report["weights"]}
    clock_hz = round(report["target_mhz"] * 1e6)
    with Device.open("emulator", clock_hz=clock_hz, **engine) as device:
        device.load(network)
        emulated = run(device, x, golden, "emulator")
        worst = worst_step(device, x)

    count = min(options.simulated, len(x))
    print("compiling the simulated board (the first time takes a minute or two) ...", flush=True)
    with Device.open("simulator", clock_hz=clock_hz, network=options.network, **engine) as device:
        simulated = run(device, x[:count], golden, "simulated board")

    steps = x.shape[1]
    mean = emulated.cycles.sum() / (len(x) * steps)
    cycles_agree = bool((simulated.cycles == emulated.cycles[:count]).all())
    labels_agree = bool(
        (emulated.labels == golden.labels).all()
        and (simulated.labels == golden.labels[:count]).all()
    )
    right = int((emulated.labels == test.y).sum())
    before = report["multiplier_cells_before_mapping"]
    after = report["multiplier_cells_after_mapping"]
    available = report["available"]
    rows = [
        ("bitstream", str(_short(output / report["bitstream"]))),
        ("logic cells", f"{report['logic_cells']} of {available['logic_cells']}"),
        ("EBR", f"{report['ebr']} of {available['ebr']}"),
        ("SPRAM", f"{report['spram']} of {available['spram']}"),
        ("DSP", f"{report['dsp']} of {available['dsp']}"),
        ("multiplier cells", f"{before} before technology mapping, {after} after"),
        ("clock", f"{report['clock_mhz']:g} MHz reached, {report['target_mhz']:g} MHz wanted"),
        ("cycles per step", f"{mean:.1f} mean (reset included), {worst} worst"),
        ("time per step", f"{mean / report['target_mhz']:.2f} us mean at the wanted clock"),
        ("accuracy", f"{right / len(x):.2%} ({right} of {len(x)} test digits)"),
        ("emulator equals golden model", _agreement(emulated)),
        ("simulated board equals golden model", _agreement(simulated)),
        ("simulated board takes the emulator's cycles", "yes" if cycles_agree else "NO"),
    ]
    print(f"\n{table(rows)}", flush=True)
    wrong = emulated.wrong_logits + simulated.wrong_logits
    if wrong or not cycles_agree or not labels_agree:
        print("error: the devices and the golden model disagree", file=sys.stderr)
        return 1
    return 0


def _short(path: Path) -> Path:
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--board", default="icebreaker")
    parser.add_argument(
        "--network", type=Path, default=ROOT / "models" / "zoo" / "digits.safetensors"
    )
    parser.add_argument("--output", type=Path, help="folder of the build (default: build/BOARD)")
    parser.add_argument(
        "--simulated",
        type=int,
        default=450,
        metavar="N",
        help="digits to run on the simulated board (default: all 450)",
    )
    parser.add_argument(
        "build", nargs="*", metavar="...", help="after --: more options of hdl.build"
    )
    options = parser.parse_args()
    if options.simulated < LEAST_SIMULATED:
        parser.error(f"--simulated must be at least {LEAST_SIMULATED}, not {options.simulated}")
    try:
        return demonstrate(options)
    except subprocess.CalledProcessError as error:
        return int(error.returncode) or 1
    except (RuntimeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
