"""`python -m bench.fraction_bits`: F = 4, 5 and 6 compared, before F was fixed.

The same training with the same seeds for every F; accuracy and error of the quantized module,
whose arithmetic equals the integers bit for bit (tests/models/test_qat.py). Digits are judged on
the validation part, five folds of the training part: the test part chooses nothing, F neither.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.record import write
from models.qat import prepare_qat
from models.tasks import adding, digits
from models.tasks.data import TaskData, folds
from models.train import DEFAULTS, build, epochs_of
from models.training import fit, measure

FOLDS = 5


def train_with(task: TaskData, name: str, fraction_bits: int, seed: int) -> tuple[float, float]:
    """Accuracy or MSE on validation: of the epoch kept, and of the last one."""
    model, settings, iterations = DEFAULTS[name]
    torch.manual_seed(seed)
    module = prepare_qat(build(task, model), model.hb, model.freeze_scales, fraction_bits)
    epoch, count = epochs_of(task, settings, iterations, seed)
    history = fit(module, epoch, count, task.validation, settings)
    if name == "adding":
        return measure(module, task.test)[0], history.validation[-1]
    return history.validation[history.best], history.validation[-1]


def main() -> None:
    """Run everything and write it down."""
    parser = argparse.ArgumentParser(prog="python -m bench.fraction_bits", description=__doc__)
    parser.add_argument("--fraction-bits", type=int, nargs="+", default=[4, 5, 6])
    parser.add_argument("--adding-seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--length", type=int, default=200, help="of the adding problem")
    parser.add_argument("--output", type=Path, default=Path("build/bench/fraction_bits.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs: list[dict[str, Any]] = []
    for name, tasks in (
        ("digits", [(seed, task) for seed, task in enumerate(folds(digits.load(), FOLDS))]),
        ("adding", [(seed, adding.load(options.length)) for seed in options.adding_seeds]),
    ):
        for bits in options.fraction_bits:
            for seed, task in tasks:
                started = time.perf_counter()
                kept, last = train_with(task, name, bits, seed)
                seconds = time.perf_counter() - started
                runs.append({"task": name, "fraction_bits": bits, "seed": seed, "kept": kept,
                             "last": last, "seconds": seconds})  # fmt: skip
                print(f"{name} F = {bits} seed {seed}: kept {kept:.5f}, last {last:.5f}, "
                      f"{seconds:.0f} s", flush=True)  # fmt: skip
                write(options.output, {"torch": torch.__version__, "runs": runs})
            own = [r for r in runs if r["task"] == name and r["fraction_bits"] == bits]
            if own:
                kept, last = (float(np.mean([r[key] for r in own])) for key in ("kept", "last"))
                print(f"{name} F = {bits}: mean kept {kept:.5f}, last {last:.5f}", flush=True)


if __name__ == "__main__":
    main()
