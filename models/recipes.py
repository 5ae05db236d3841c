"""What a task is trained with by default, and how a network is made of it.

`models.train` is the command line over this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch

from models.cells import AdditiveGatedCell
from models.float_network import AdditiveGatedNetwork
from models.network import NetworkError
from models.qat import Planes, QuantizedNetwork, prepare_qat
from models.tasks.data import Part, TaskData, check_value_range
from models.training import History, Settings, batches, fit

__all__ = ["DEFAULTS", "Model", "build", "epochs_of", "train"]


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
    # Spoken digits, by validation of the official split (bench.accuracy's trials).
    "spoken-digits": (
        Model(mode="sum", dropout=0.3, input_scale=2.3, inhibition_bias=0.4),
        Settings(epochs=100, weight_decay=0.06, keep="last", compiled=True),
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
