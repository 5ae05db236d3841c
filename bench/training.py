"""`python -m bench.training`: the accuracies and times that training promises, in full length.

Bars: digits, ternary, mean over seeds 0, 1, 2 of at least 97.5 % on the 450 test digits, at most
3 minutes a seed; the adding problem, T = 200, H = 32: MSE below 0.01 on 1,000 fresh sequences,
float within 300 iterations, ternary within 2000. Exit status 1 when one is missed, or on an error.
Every figure is measured, on one thread. Both networks of models/zoo are trained anew, where their
task and seed are asked for, and it is said whether they came out the same.

    python -m bench.training                        three seeds: digits, adding float and ternary
    python -m bench.training --only digits --seeds 3 4
    python -m bench.training --quick                digits with seed 0; a minute
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.arguments import bench_parser, guarded, seed_value
from bench.record import write
from models.evaluate import evaluate
from models.export import export
from models.file import load
from models.recipes import DEFAULTS, train
from models.tasks import adding, digits
from models.train import main as train_command
from models.training import History, measure

ACCURACY, SECONDS, MSE = 0.975, 180.0, 0.01
LENGTH = 200
ZOO = Path(__file__).parents[1] / "models" / "zoo"
DENSE, SPARSE = ZOO / "digits-dense.safetensors", ZOO / "digits.safetensors"
#: The arguments of models.train that made SPARSE; those of DENSE are "digits" alone.
SPARSE_COMMAND = "digits --hold 2 --theta 16 --learning-rate 0.01 --keep last --train-on all"
FLOAT_EPOCHS, FLOAT_ITERATIONS, FLOAT_RATE = 30, 10, 5e-3


def digits_run(seed: int) -> dict[str, Any]:
    """One digits network, trained with the defaults."""
    model, settings, _ = DEFAULTS["digits"]
    started = time.perf_counter()
    task = digits.load()
    module, history = train(task, model, settings, seed=seed)
    seconds = time.perf_counter() - started
    network = export(module, "digits", task.labels, "digits", task.train.features)
    result = evaluate(network, task.test)
    if seed == 0:
        print(f"seed 0 gives {DENSE.name} as shipped: {network == load(DENSE)}")
    figures = {
        "seed": seed,
        "seconds": seconds,
        "validation": history.validation[history.best],
        "agree": result.agree,
        **asdict(result),
    }
    print(f"digits seed {seed}: test {100 * result.integer:.2f} %, {seconds:.0f} s, held "
          f"{100 * result.hold:.0f} %, bit for bit: {result.agree}", flush=True)  # fmt: skip
    return figures


def sparse_run() -> dict[str, Any]:
    """The sparse digits network, by the very command that made the shipped one.

    Raises
    ------
    ValueError
        With what the command said, if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / SPARSE.name
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            status = train_command([*SPARSE_COMMAND.split(), "--output", str(output)])
        if status:
            raise ValueError(f"models.train {SPARSE_COMMAND}: {said.getvalue().strip()}")
        network = load(output)
        figures = json.loads(output.with_suffix(".metrics.json").read_text(encoding="utf-8"))
    same, test = network == load(SPARSE), figures["test"]
    print(f"digits, sparse: test {100 * test['integer']:.2f} %, {figures['seconds']:.0f} s, held "
          f"{100 * test['hold']:.0f} %, bit for bit: {test['agree']}; as shipped: {same}",
          flush=True)  # fmt: skip
    return {
        "arguments": SPARSE_COMMAND, "seconds": figures["seconds"], "as_shipped": same, **test
    }  # fmt: skip


def adding_run(seed: int, quantized: bool) -> dict[str, Any]:
    """One adding network; says also at which iteration validation first fell below the bar."""
    task = adding.load(LENGTH)
    model, settings, iterations = DEFAULTS["adding"]
    if not quantized:
        settings = replace(settings, epochs=FLOAT_EPOCHS, learning_rate=FLOAT_RATE)
        iterations = FLOAT_ITERATIONS
    first: list[int] = []

    def report(number: int, history: History) -> None:
        if not first and history.validation[-1] < MSE:
            first.append((number + 1) * iterations)

    started = time.perf_counter()
    module, _ = train(task, model, settings, iterations, seed, quantized, report)
    seconds = time.perf_counter() - started
    if quantized:
        result = evaluate(export(module), task.test)
        error, agree = result.integer, result.agree
    else:
        error, agree = measure(module, task.test)[0], None
    kind = "ternary" if quantized else "float"
    total = settings.epochs * iterations
    print(f"adding {kind} seed {seed}: MSE {error:.5f} after {total} iterations, below {MSE} first "
          f"at {first[0] if first else 'never'}, {seconds:.0f} s", flush=True)  # fmt: skip
    return {
        "seed": seed,
        "kind": kind,
        "iterations": total,
        "mse": error,
        "first_below": first[0] if first else None,
        "seconds": seconds,
        "agree": agree,
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("training", __doc__)
    parser.add_argument(
        "--seeds", type=seed_value, nargs="+", default=[0, 1, 2], metavar="N", help="(0 1 2)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only", choices=("digits", "adding"), help="one of the two tasks")
    what.add_argument(
        "--quick",
        action="store_true",
        help="digits with seed 0 only: no mean over seeds, no adding problem",
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.only, options.seeds = "digits", [0]
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    missed = []
    if options.only != "adding":
        runs = [digits_run(seed) for seed in options.seeds]
        mean = float(np.mean([run["integer"] for run in runs]))
        figures["digits"] = {"mean": mean, "runs": runs}
        if 0 in options.seeds:
            sparse = figures["digits"]["sparse"] = sparse_run()
            if not sparse["agree"]:
                missed.append("digits, sparse: QAT and integers differ")
        print(f"digits: mean {100 * mean:.2f} % (bar {100 * ACCURACY} %)")
        if mean < ACCURACY:
            missed.append(f"digits: mean accuracy {mean:.4f} is below {ACCURACY}")
        missed += [f"digits: {r['seconds']:.0f} s" for r in runs if r["seconds"] > SECONDS]
        missed += ["digits: QAT and integers differ" for r in runs if not r["agree"]]
    if options.only != "digits":
        runs = [adding_run(seed, quantized) for quantized in (False, True) for seed in
                options.seeds]  # fmt: skip
        figures["adding"] = runs
        missed += [f"adding {r['kind']} seed {r['seed']}: MSE {r['mse']:.4f}" for r in runs
                   if r["mse"] >= MSE]  # fmt: skip
        missed += ["adding: QAT and integers differ" for r in runs if r["agree"] is False]
    write(
        options.output,
        {"what": "measured", "torch": torch.__version__, **figures, "missed": missed},
    )
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
