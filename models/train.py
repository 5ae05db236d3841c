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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

try:
    import torch
except ImportError as error:
    needed = "PyTorch is not installed, which models.train needs: pip install 'addgate[train]'"
    if __name__ == "__main__":
        sys.exit(f"error: {needed}")
    raise ImportError(needed) from error

from models.cells import AdditiveGatedCell
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
from models.qat import Planes, QuantizedNetwork, prepare_qat
from models.sparsity import FOLDS, GRID, Setting
from models.spec import MAX_PLANES, READOUT_MODES
from models.sweep import sweep
from models.tasks import named
from models.tasks.data import (
    Part,
    TaskData,
    TaskError,
    check_value_range,
    folds,
    without_validation,
)
from models.training import History, Settings, batches, check_asked, fit, measure
from models.writing import check_folder, write_whole

__all__ = ["Model", "build", "epochs_of", "main", "train"]


@dataclass(frozen=True)
class Model:
    """The network to build; see `AdditiveGatedNetwork` and `prepare_qat` for what these mean.

    theta is the network file's: a dead zone in state steps of 2**-hb, 0 to 2M, one for all
    layers or one for each. inhibition_bias is the initial bias of z: above 0, units follow their
    candidates from the start.
    """

    units: tuple[int, ...] = (64,)
    mode: str = "last"
    theta: tuple[int, ...] = (0,)
    hb: int = 7
    input_scale: float = 1.0
    readout_scale: float = 1.0
    inhibition_bias: float = 0.0
    freeze_scales: bool = False
    input_planes: int = 1
    recurrent_planes: int = 1
    readout_planes: int = 1
    dropout: float = 0.0

    def quantize(self, module: AdditiveGatedNetwork) -> QuantizedNetwork:
        """The network to train, on the integer grid."""
        planes = Planes(self.input_planes, self.recurrent_planes, self.readout_planes)
        return prepare_qat(module, self.hb, self.freeze_scales, planes=planes)


DEFAULTS: dict[str, tuple[Model, Settings, int]] = {
    # name: model, settings, iterations per epoch (0: passes over the training part)
    # Digits: by five-fold cross-validation of the 1347 digits that are not test digits (98.4 %
    # at the last epoch, against 97.0 % without weight decay and moved pictures).
    "digits": (Model(), Settings(epochs=200, weight_decay=0.1, shift=0.5), 0),
    # The same digits by pixels, 64 steps: by validation, see bench/networks/README.md.
    "digits-pixels": (
        Model(units=(20,), theta=(8,)),
        Settings(epochs=700, weight_decay=0.1, shift=0.25, hold=1.0),
        0,
    ),
    # Spoken digits, by validation of the official split and of speakers left out.
    "spoken-digits": (
        Model(mode="sum", dropout=0.3),
        Settings(epochs=150, weight_decay=0.1, keep="last", compiled=True),
        0,
    ),
    "spoken-digits-stream": (
        Model(mode="sum"),
        Settings(epochs=20, weight_decay=0.1, keep="last", compiled=True),
        0,
    ),
    "digit-strings": (
        # Without the scales and the bias a network answers nothing, or one digit, for long.
        Model(units=(96,), mode="every", input_scale=3.0, readout_scale=3.0, inhibition_bias=0.5),
        Settings(epochs=24, compiled=True),
        100,
    ),
    "adding": (Model(units=(32,)), Settings(learning_rate=2e-3, epochs=40), 50),
    # Text: one feature of many is not 0, so its weights must be large. Powers of two that jump cost
    # bits, and so do those of weights that know nothing yet: frozen, after a warm-up.
    "text": (
        Model(
            units=(128,),
            mode="every",
            input_scale=12.0,
            readout_scale=2.0,
            inhibition_bias=0.6,
            freeze_scales=True,
            input_planes=2,
            recurrent_planes=1,
            readout_planes=3,
        ),
        Settings(learning_rate=3e-3, epochs=8, warm_up=12, compiled=True),
        200,
    ),
    "arrays": (Model(), Settings(epochs=150, batch=32, weight_decay=0.1), 0),
}


def build(task: TaskData, model: Model) -> AdditiveGatedNetwork:
    """A float network for a task, weights drawn from PyTorch's generator.

    Raises
    ------
    NetworkError
        When a theta is out of range, or there are neither one nor as many as layers.
    """
    furthest = 2 * ((1 << model.hb) - 1)
    for theta in model.theta:
        if not 0 <= theta <= furthest:
            raise NetworkError(
                f"theta must be from 0 to {furthest} (2M at hb = {model.hb}), not {theta}"
            )
    layers = len(model.units)
    if len(model.theta) not in (1, layers):
        raise NetworkError(
            f"theta must be given once, or for each of {layers} layers, not {len(model.theta)} "
            "times"
        )
    thetas = model.theta * layers if len(model.theta) == 1 else model.theta
    network = AdditiveGatedNetwork(
        task.normalisation.mean.size,
        model.units,
        task.outputs,
        mode=model.mode,
        target=task.target,
        theta=[theta / (1 << model.hb) for theta in thetas],
        normalisation=task.normalisation,
        input_scale=model.input_scale,
        readout_scale=model.readout_scale,
        dropout=model.dropout,
    )
    with torch.no_grad():
        for cell in network.rnn.layers:
            assert isinstance(cell, AdditiveGatedCell)
            cell.bias[: cell.hidden_size] = model.inhibition_bias
    if task.target == "value":
        # Start from the mean answer; the readout need not learn it.
        with torch.no_grad():
            network.readout.bias.fill_(float(task.train.y.mean()))
    return network


def epochs_of(
    task: TaskData, settings: Settings, iterations: int, seed: int
) -> tuple[Callable[[int], Iterable[Part]], int]:
    """The batches of each epoch, and how many there are.

    With iterations, every batch is drawn fresh (`TaskData.fresh`); otherwise an epoch is a
    shuffled pass over the training part.
    """
    rng = np.random.default_rng(seed)
    if iterations:
        if task.fresh is None:
            raise ValueError(f"{task.name} draws no fresh sequences: iterations must be 0")
        fresh = task.fresh
        return lambda _: (fresh(rng, settings.batch) for _ in range(iterations)), iterations
    count = -(-len(task.train) // settings.batch)
    draw = task.batches
    if draw is not None:
        return lambda _: draw(task.train, settings.batch, rng), count
    return lambda _: batches(task.train, settings.batch, rng, settings.shift), count


def train(
    task: TaskData,
    model: Model,
    settings: Settings,
    iterations: int = 0,
    seed: int = 0,
    quantized: bool = True,
    report: Callable[[int, History], None] | None = None,
) -> tuple[AdditiveGatedNetwork, History]:
    """Train from scratch; the same arguments give the same network on one machine.

    Parameters
    ----------
    task : TaskData
    model : Model
    settings : Settings
    iterations : int
        Fresh batches per epoch; 0 for passes over the training part.
    seed : int
        Of the weights and the order of batches.
    quantized : bool
        Ternary on the integer grid; otherwise in floating point.
    report : callable, optional
        Called after every epoch, those of the warm-up included.

    Returns
    -------
    AdditiveGatedNetwork, History
    """
    if task.target == "value":
        check_value_range(task.train.y.astype(np.float64), model.hb)
    torch.manual_seed(seed)
    module = build(task, model)
    epoch, count = epochs_of(task, settings, iterations, seed)
    if quantized:
        if settings.warm_up:
            first = replace(settings, epochs=settings.warm_up, hold=0.0)
            fit(module, epoch, count, task.validation, first, report)
        module = model.quantize(module)
    return module, fit(module, epoch, count, task.validation, settings, report)


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
