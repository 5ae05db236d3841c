"""`python -m bench.sparsity`: what fewer events are worth in engine cycles.

Takes what `python -m models.train digits --sparsity` left: the first fold's network of each setting
runs over the digits that it was not trained on, the final one over the test digits, on the
emulator, whose cycle model agrees with the gateware exactly (16 lanes, link excluded, the reset of
each digit spread over its steps).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.record import write
from host.compare import compare
from host.device import Device
from models.file import load
from models.tasks import digits
from models.tasks.data import Part, folds

NETWORK = Path("build/digits.safetensors")


def emulate(network: Path, part: Part) -> dict[str, Any]:
    """Accuracy and cycles a step of a network file on the emulator."""
    with Device.open("emulator", network=load(network)) as device:
        result = compare(device, part.x, part.y, part.lengths)
    return {
        "accuracy": result.score,
        "exact": result.exact,
        "cycles_mean": result.cycles_per_step_mean,
        "cycles_worst": result.cycles_per_step_worst,
    }


def main(argv: list[str] | None = None) -> int:
    """Run everything; 0, or 1 when the emulator and the golden model differ, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m bench.sparsity", description=__doc__)
    parser.add_argument(
        "network", type=Path, nargs="?", default=NETWORK, help=f"the final one (default {NETWORK})"
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench/sparsity.json"))
    options = parser.parse_args(argv)
    folder = options.network.with_suffix(".sparsity")
    try:
        sweep = json.loads((folder / "sparsity.json").read_text())
    except (OSError, ValueError) as error:
        print(
            f"error: {error}\nrun `python -m models.train digits --sparsity` first", file=sys.stderr
        )
        return 2
    task = digits.load()
    part = folds(task, len(sweep["trials"][0]["folds"]))[0].validation
    rows = []
    print("| hold | theta | accuracy | events a step | cycles a step, mean | worst | |")
    print("|---|---|---|---|---|---|---|")
    for number, trial in enumerate(sweep["trials"]):
        row = {**trial, "emulator": emulate(folder / trial["network"], part)}
        rows.append(row)
        mark = "chosen" if number == sweep["chosen"] else ""
        found, events = row["emulator"], sum(row["folds"][0]["events"])
        print(f"| {row['hold']:g} | {row['theta']} | {100 * found['accuracy']:.2f} % | "
              f"{events:.1f} | {found['cycles_mean']:.1f} | {found['cycles_worst']:.0f} | {mark} |",
              flush=True)  # fmt: skip
    test = emulate(options.network, task.test)
    print(f"\n{options.network}, test digits: {100 * test['accuracy']:.2f} %, cycles a step: "
          f"{test['cycles_mean']:.1f} mean, {test['cycles_worst']:.0f} worst")  # fmt: skip
    write(options.output, {"trials": rows, "chosen": sweep["chosen"], "test": test})
    same = test["exact"] and all(row["emulator"]["exact"] for row in rows)
    if not same:
        print("error: the emulator and the golden model differ", file=sys.stderr)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
