"""`python -m models.train digits`: train a ternary network and write its file.

Beside the network: a metrics JSON and a picture of the learning curve. With `--sparsity`, a
grid of settings is cross-validated first and the sparsest accurate one used. With
`--train-on all`, nothing is set aside for validation.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

try:
    import torch
except ImportError as error:
    needed = "PyTorch is not installed, which models.train needs: pip install 'addgate[train]'"
    if __name__ == "__main__":
        sys.exit(f"error: {needed}")
    raise ImportError(needed) from error

from models.evaluate import describe, evaluate
from models.export import export
from models.file import check_path, save
from models.float_network import AdditiveGatedNetwork
from models.gate_kernel import KernelError
from models.marks import measure_name
from models.network import NetworkError
from models.parity import CALIBRATION, measure_parities
from models.parity import describe as describe_parities
from models.pictures import learning_curve
from models.recipes import DEFAULTS, Model, build, train
from models.sparsity import FOLDS, GRID, Setting
from models.spec import MAX_PLANES, READOUT_MODES
from models.sweep import sweep
from models.tasks import named
from models.tasks.data import (
    TaskData,
    TaskError,
    folds,
    without_validation,
)
from models.training import History, Settings, check_asked, measure
from models.writing import check_folder, write_whole

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.train",
        description="Train a network with ternary weights from scratch and write it as a file "
        "that needs no PyTorch: build/NAME.safetensors, with NAME.metrics.json and NAME.png "
        "(learning curve) beside it. Its units are shared out between the engine's even and odd "
        "positions by the training part (models.parity). With --sparsity: a grid of --hold and "
        "--theta is cross-validated, accuracy and events go as table, JSON and picture to "
        "build/NAME.sparsity/, and NAME.safetensors is trained with the sparsest setting at most "
        "half a point below the densest.",
        epilog="examples:\n"
        "  python -m models.train digits\n"
        "  python -m models.train digits --seed 1 --units 32 32 --output build/two.safetensors\n"
        "  python -m models.train digits --hold 2 --theta 16 --keep last\n"
        "  python -m models.train digits --hold 2 --theta 16 --keep last --train-on all\n"
        "  python -m models.train digits --sparsity\n"
        "  python -m models.train digits-pixels --units 32\n"
        "  python -m models.train adding --length 200\n"
        "  python -m models.train digit-strings\n"
        "  python -m models.train spoken-digits --data recordings --left-out theo\n"
        "  python -m models.train text --data book.txt --units 256\n"
        "  python -m models.train --data mine.npz --units 48 --epochs 100\n"
        "\nmine.npz holds x [N, T, I] real, y [N] (integers: classes; reals: values) and\n"
        "optionally lengths [N]; make it with numpy.savez.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("task", nargs="?", choices=named.TASKS, help="a task of this repository")
    named.add_options(parser)
    add("--seed", type=int, default=0, help="of weights and batches (default 0)")
    add("--output", type=Path, help="network file (default build/NAME.safetensors)")
    add("--threads", type=_count, default=1, help="of PyTorch; other counts round otherwise")
    model = parser.add_argument_group("network (defaults: the good ones of the task)")
    model.add_argument("--units", type=_count, nargs="+", help="H of each layer, 1 to 4 layers")
    model.add_argument("--mode", choices=READOUT_MODES, help="readout")
    model.add_argument(
        "--theta",
        type=int,
        nargs="+",
        metavar="N",
        help="dead zone of the states in steps of 2**-hb, 0 to 2M; once or for each layer",
    )
    model.add_argument("--hb", type=int, choices=range(3, 8), help="fraction bits of a state")
    model.add_argument("--input-scale", type=_positive, help="of the initial input weights")
    model.add_argument("--readout-scale", type=_positive, help="of the initial readout weights")
    model.add_argument(
        "--dropout", type=_share, help="share of units that the readout misses while training"
    )
    model.add_argument("--inhibition-bias", type=float, help="initial bias of z")
    model.add_argument(
        "--freeze-scales",
        action=argparse.BooleanOptionalAction,
        help="keep each row's power of two as drawn",
    )
    for matrix in ("input", "recurrent", "readout"):
        model.add_argument(
            f"--{matrix}-planes", type=int, choices=range(1, MAX_PLANES + 1),
            help=f"ternary planes of the {matrix} weights",
        )  # fmt: skip
    loop = parser.add_argument_group("training")
    loop.add_argument("--epochs", type=_count, help="passes, or stretches of --iterations")
    loop.add_argument(
        "--iterations", type=_count, help="fresh batches per epoch, where they are drawn"
    )
    loop.add_argument("--batch", type=_count, help="sequences per batch")
    loop.add_argument("--learning-rate", type=_positive, help="at the start; cosine to 0")
    loop.add_argument("--clip", type=_positive, help="largest norm of the gradient")
    loop.add_argument("--weight-decay", type=float, help="of AdamW, times the learning rate")
    loop.add_argument("--shift", type=float, help="share of batches moved by a pixel (digits)")
    loop.add_argument(
        "--hold", type=float, metavar="WEIGHT", help="of the penalty on changes of state (events)"
    )
    loop.add_argument(
        "--warm-up", type=_natural, metavar="EPOCHS", help="in floating point, before quantization"
    )
    loop.add_argument(
        "--compiled",
        action=argparse.BooleanOptionalAction,
        help="time steps in compiled code: faster, needs g++, rounds gradients otherwise",
    )
    loop.add_argument(
        "--keep", choices=("best", "last"), help="epoch kept: best on validation (default) or last"
    )
    loop.add_argument(
        "--train-on",
        choices=("train", "all"),
        default="train",
        help="the training part (default), or all but the test part: nothing is left to validate, "
        "so this needs --keep last (--sparsity, which still validates its folds, implies it)",
    )
    loop.add_argument(
        "--sparsity", action="store_true", help="sweep --hold and --theta: accuracy against events"
    )
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {value}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, not {text}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be positive, not {text}")
    return value


def _chosen(default: Any, options: argparse.Namespace) -> Any:
    """The task's defaults with what the command line says instead."""
    names = {field.name for field in dataclasses.fields(default)}
    given = {n: v for n, v in vars(options).items() if n in names and v is not None}
    for name in given.keys() & {"units", "theta"}:
        given[name] = tuple(given[name])
    return replace(default, **given)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 2 on bad input."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.task is None and options.data is None:
        parser.error(f"give either a task ({named.LISTED}) or --data FILE.npz")
    kind = "arrays" if options.task is None else options.task
    model, settings, iterations = DEFAULTS[kind]
    if options.iterations is not None and not iterations:
        parser.error(f"--iterations is not for {kind}: its batches are not drawn fresh")
    if options.shift and kind not in ("digits", "digits-pixels"):
        parser.error("--shift moves pictures: it is for digits only")
    if options.sparsity and (options.hold is not None or options.theta is not None):
        parser.error("--sparsity tries its own --hold and --theta: leave them out")
    if options.train_on == "all":
        if iterations:
            parser.error(f"--train-on is not for {kind}, whose batches are drawn fresh")
        if (options.keep or settings.keep) != "last" and not options.sparsity:
            parser.error(
                "--train-on all leaves nothing to choose the best epoch by: give --keep last"
            )
    try:
        model, settings = _chosen(model, options), _chosen(settings, options)
        task = named.load_chosen(options)
        if options.train_on == "all":
            task = without_validation(task)
        return _run(options, task, model, settings, options.iterations or iterations)
    except (
        NetworkError, TaskError, ValueError, OSError, FloatingPointError, KernelError
    ) as error:  # fmt: skip
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(
    options: argparse.Namespace,
    task: TaskData,
    model: Model,
    settings: Settings,
    iterations: int,
) -> int:
    from tqdm import tqdm

    torch.set_num_threads(options.threads)
    output = options.output or Path("build") / f"{task.name}.safetensors"
    check_path(output)
    if options.sparsity and measure_name(task.test.asks, task.target) != "accuracy":
        raise TaskError("--sparsity compares accuracies: each sequence must have a class")
    # A network that the contract does not allow is better refused now than after training, and
    # so is a folder that cannot be written.
    plans = [(model, settings)]
    cuts: list[TaskData] = []
    if options.sparsity:
        plans = [_planned(model, settings, setting) for setting in GRID]
        cuts = folds(task, FOLDS)
    for planned, _ in plans:
        trial = planned.quantize(build(task, planned))
        check_asked(trial, task.test)
        export(trial, task.name, task.labels, task.name)
    check_folder(output.parent)
    trainings = 1 + len(plans) * len(cuts)
    epochs = settings.epochs + settings.warm_up
    with tqdm(total=epochs * trainings, desc=task.name, unit="epoch") as bar:

        def report(number: int, history: History) -> None:
            shown = {"loss": f"{history.loss[-1]:.4f}"}
            if history.validation:
                shown["validation"] = f"{history.validation[-1]:.4f}"
            bar.set_postfix(shown)
            bar.update()

        def try_setting(setting: Setting, cut: TaskData) -> AdditiveGatedNetwork:
            bar.set_description(f"{task.name} {setting.name}")
            planned = _planned(model, settings, setting)
            return train(cut, *planned, seed=options.seed, report=report)[0]

        if cuts:
            folder = output.with_suffix(".sparsity")
            check_folder(folder)
            chosen = sweep(GRID, cuts, try_setting, folder)
            model, settings = _planned(model, settings, chosen)
            bar.set_description(f"{task.name} chosen")
        started = time.perf_counter()
        module, history = train(task, model, settings, iterations, options.seed, report=report)
        run = _Run(model, settings, module, history, time.perf_counter() - started)
    _finish(output, task, run, iterations, options.seed)
    return 0


def _planned(model: Model, settings: Settings, setting: Setting) -> tuple[Model, Settings]:
    """What a sweep trains; the epoch kept is the last, so that no luck is picked."""
    return replace(model, theta=(setting.theta,)), replace(settings, hold=setting.hold, keep="last")


@dataclass(frozen=True)
class _Run:
    """One training, done."""

    model: Model
    settings: Settings
    module: AdditiveGatedNetwork
    history: History
    seconds: float


def _finish(output: Path, task: TaskData, run: _Run, iterations: int, seed: int) -> None:
    """Write a network, its figures on the test part and its learning curve."""
    history, examples = run.history, task.train.first(CALIBRATION)
    calibration = examples.features, examples.lengths
    network = export(run.module, task.name, task.labels, task.name, *calibration)
    parities = measure_parities(network, *calibration)
    save(network, output)
    result = evaluate(network, task.test)
    metrics = {
        "task": task.name,
        "seed": seed,
        "seconds": round(run.seconds, 2),
        "sequences": {
            "train": len(task.train), "validation": len(task.validation), "test": len(task.test)
        },
        "model": asdict(run.model),
        "settings": asdict(run.settings),
        "iterations_per_epoch": iterations or -(-len(task.train) // run.settings.batch),
        "best_epoch": history.best,
        # None: every sequence outside the test part was trained on.
        "validation": history.validation[history.best] if history.validation else None,
        "test": {
            **asdict(result),
            "agree": result.agree,
            "before_export": measure(run.module, task.test)[0],
        },
        "parities": parities.as_data(),
        "history": {
            "loss": history.loss,
            "validation": history.validation,
            "validation_loss": history.validation_loss,
        },
        "torch": torch.__version__,
    }  # fmt: skip
    write_whole(output.with_suffix(".metrics.json"), json.dumps(metrics, indent=2) + "\n")
    write_whole(output.with_suffix(".png"), learning_curve(task, history))
    print(describe(result))
    print(describe_parities(parities))
    print(f"trained in         {run.seconds:.0f} s; epoch {history.best + 1} of "
          f"{run.settings.epochs} kept")  # fmt: skip
    print(f"network            {output}")


if __name__ == "__main__":
    sys.exit(main())
