"""`python -m bench.fraction_bits`: F = 4, 5 and 6 compared, before F was fixed.

The same training with the same seeds for every F; accuracy and error of the quantized module,
whose arithmetic equals the integers bit for bit (tests/models/test_qat.py). Digits are judged on
the validation part, five folds of the training part: the test part chooses nothing, F neither.
Every figure is measured, on one thread.

    python -m bench.fraction_bits                   15 trainings on the digits, 6 of adding
    python -m bench.fraction_bits --fraction-bits 5 7 --adding-seeds
    python -m bench.fraction_bits --quick           one fold of the digits; a minute
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bench.arguments import bench_parser, count, guarded, seed_value
from bench.record import write
from models.qat import prepare_qat
from models.recipes import DEFAULTS, build, epochs_of
from models.tasks import adding, digits
from models.tasks.data import TaskData, folds
from models.training import fit, measure

FOLDS = 5


def train_with(task: TaskData, name: str, fraction_bits: int, seed: int) -> tuple[float, float]:
    """Accuracy or MSE on validation: of the epoch kept, and of the last one."""
    model, settings, iterations = DEFAULTS[name]
    torch.manual_seed(seed)
    module = prepare_qat(build(task, model), model.hb, model.freeze_scales, fraction_bits)
    epoch, batches = epochs_of(task, settings, iterations, seed)
    history = fit(module, epoch, batches, task.validation, settings)
    if name == "adding":
        return measure(module, task.test)[0], history.validation[-1]
    return history.validation[history.best], history.validation[-1]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("fraction_bits", __doc__)
    add = parser.add_argument
    add("--fraction-bits", type=count, nargs="+", default=[4, 5, 6], metavar="F", help="(4 5 6)")
    add(
        "--adding-seeds", type=seed_value, nargs="*", default=[0, 1], metavar="N",
        help="(0 1; none: no adding problem)",
    )  # fmt: skip
    add("--length", type=count, default=200, metavar="T", help="of the adding problem (200)")
    add(
        "--quick", action="store_true",
        help="the first of the digits' folds only: no mean over folds, no adding problem",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.quick:
        options.adding_seeds = []
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, write down every run once it is done; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    runs: list[dict[str, Any]] = []
    cuts = folds(digits.load(), FOLDS)[: 1 if options.quick else FOLDS]
    for name, tasks in (
        ("digits", list(enumerate(cuts))),
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
                figures = {"what": "measured", "torch": torch.__version__, "runs": runs}
                write(options.output, figures)
            own = [r for r in runs if r["task"] == name and r["fraction_bits"] == bits]
            if own:
                kept, last = (float(np.mean([r[key] for r in own])) for key in ("kept", "last"))
                print(f"{name} F = {bits}: mean kept {kept:.5f}, last {last:.5f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
