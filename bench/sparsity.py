"""`python -m bench.sparsity`: what fewer events are worth in engine cycles.

Takes what `python -m models.train digits --sparsity` left: the first fold's network of each setting
runs over the digits that it was not trained on, the final one over the test digits, on the
emulator, whose cycle model agrees with the gateware exactly (16 lanes, link excluded, the reset of
each digit spread over its steps). Accuracies and cycles are simulated; the events are the sweep's,
measured on the same digits.

    python -m bench.sparsity                        build/digits.safetensors and its sweep
    python -m bench.sparsity build/mine.safetensors
    python -m bench.sparsity --quick                the setting chosen only, 50 digits

Exit status 1 when the emulator and the golden model differ, or on an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.arguments import bench_parser, guarded
from bench.record import write
from host.compare import compare
from host.device import Device
from host.errors import DeviceError
from models.file import load
from models.tasks import digits
from models.tasks.data import Part, folds

NETWORK = Path("build/digits.safetensors")
#: Digits of each part that --quick looks at.
QUICK = 50
#: What each figure is, for the table and the JSON.
WHAT = {
    "events": "measured by models.train --sparsity, on the first fold's validation digits",
    "emulator": "simulated on the emulator: 16 lanes, link excluded",
}
_HOW = "run `python -m models.train digits --sparsity` first"


def read_sweep(folder: Path) -> dict[str, Any]:
    """Return what a sweep has written, its settings ("trials") and which was "chosen".

    Parameters
    ----------
    folder : Path
        With sparsity.json and the network files that it names.

    Raises
    ------
    ValueError
        If these are no whole sweep; says what was expected, what was found and what to do.
    """
    path = folder / "sparsity.json"
    if not path.is_file():
        raise ValueError(f"{path}: expected a sweep's figures, found no file; {_HOW}")
    try:
        sweep: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        trials = sweep["trials"]
        for trial in trials:
            float(trial["hold"]), int(trial["theta"]), sum(trial["folds"][0]["events"])
            if len(trial["folds"]) != len(trials[0]["folds"]):
                raise ValueError("settings with different numbers of folds")
        if sweep["chosen"] not in range(len(trials)):
            raise ValueError(f"setting {sweep['chosen']!r} of {len(trials)} as the chosen one")
        networks = [folder / trial["network"] for trial in trials]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        found = error if type(error) is ValueError else repr(error)
        raise ValueError(
            f"{path}: expected the figures of a whole sweep, found {found}; {_HOW}"
        ) from error
    for network in networks:
        _check_network(network)
    return sweep


def _check_network(network: Path) -> None:
    if not network.is_file():
        raise ValueError(f"{network}: expected a network of the sweep, found no file; {_HOW}")


def emulate(network: Path, part: Part) -> dict[str, Any]:
    """Return accuracy and cycles a step of a network file on the emulator.

    Raises
    ------
    ValueError
        Naming the file, if it is no network, or none that can run over these sequences.
    """
    try:
        with Device.open("emulator", network=load(network)) as device:
            result = compare(device, part)
    except DeviceError as error:
        raise ValueError(f"{network}: {error}") from error
    return {
        "sequences": result.sequences,
        "accuracy": result.score,
        "exact": result.exact,
        "cycles_mean": result.cycles_per_step_mean,
        "cycles_worst": result.cycles_per_step_worst,
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("sparsity", __doc__)
    parser.add_argument(
        "network", type=Path, nargs="?", default=NETWORK, help=f"the final one ({NETWORK})"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"of the settings only the chosen one, of each part only the first {QUICK} digits",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    folder = options.network.with_suffix(".sparsity")
    sweep = read_sweep(folder)
    _check_network(options.network)
    task = digits.load()
    part, test = folds(task, len(sweep["trials"][0]["folds"]))[0].validation, task.test
    numbers: Sequence[int] = range(len(sweep["trials"]))
    if options.quick:
        numbers = [sweep["chosen"]]
        part, test = part.take(np.arange(QUICK)), test.take(np.arange(QUICK))
    rows = []
    print(f"Events: {WHAT['events']}.\nThe rest: {WHAT['emulator']}; {len(part)} digits.\n")
    print("| hold | theta | accuracy | events a step | cycles a step, mean | worst | |")
    print("|---|---|---|---|---|---|---|")
    for number in numbers:
        trial = sweep["trials"][number]
        row = {**trial, "emulator": emulate(folder / trial["network"], part)}
        rows.append(row)
        mark = "chosen" if number == sweep["chosen"] else ""
        found, events = row["emulator"], sum(row["folds"][0]["events"])
        print(f"| {row['hold']:g} | {row['theta']} | {100 * found['accuracy']:.2f} % | "
              f"{events:.1f} | {found['cycles_mean']:.1f} | {found['cycles_worst']:.0f} | {mark} |",
              flush=True)  # fmt: skip
    final = emulate(options.network, test)
    print(
        f"\n{options.network}, {len(test)} test digits: {100 * final['accuracy']:.2f} %, "
        f"cycles a step: {final['cycles_mean']:.1f} mean, {final['cycles_worst']:.0f} worst"
    )
    chosen = list(numbers).index(sweep["chosen"])
    write(options.output, {"what": WHAT, "trials": rows, "chosen": chosen, "test": final})
    same = final["exact"] and all(row["emulator"]["exact"] for row in rows)
    if not same:
        print("error: the emulator and the golden model differ", file=sys.stderr)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
