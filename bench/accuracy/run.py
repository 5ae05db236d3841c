"""One training of one cell, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from bench.accuracy.studies import Studies, Task
from models.evaluate import evaluate
from models.export import export
from models.family import named
from models.family.egru import event_rate
from models.float_network import AdditiveGatedNetwork, SequenceNetwork
from models.marks import measure_name
from models.qat import QuantizedNetwork
from models.recipes import Model
from models.recipes import build as build_additive
from models.tasks.data import Part, TaskData
from models.training import History, Settings, batches, fit, measure, run

__all__ = ["Choice", "build", "result", "train"]


@dataclass(frozen=True)
class Choice:
    """What a trial chooses.

    Attributes
    ----------
    learning_rate, weight_decay : float
    input_scale : float
        Of the initial weights of the inputs.
    own : float
        The cell's own constant; see studies.yaml.
    """

    learning_rate: float
    weight_decay: float
    input_scale: float
    own: float


def _model(cell: str, task: Task, choice: Choice) -> Model:
    """What a network of additive gates is made by."""
    return Model(
        units=task.sizes(cell),
        mode=task.mode,
        inhibition_bias=choice.own,
        input_scale=choice.input_scale,
        readout_scale=task.readout_scale,
        freeze_scales=task.freeze_scales,
        input_planes=task.input_planes,
        recurrent_planes=task.recurrent_planes,
        readout_planes=task.readout_planes,
        dropout=task.dropout,
    )


def build(cell: str, data: TaskData, task: Task, choice: Choice) -> SequenceNetwork:
    """A network of a cell in floating point, its weights drawn from PyTorch's generator."""
    if cell.startswith("additive"):
        return build_additive(data, _model(cell, task, choice))
    settings: dict[str, Any] = {}
    if cell.startswith("mi-"):
        settings["alpha"] = choice.own
    elif cell == "egru":
        settings["threshold"] = choice.own
    elif cell.startswith(("hitnet-", "threshold-")):
        settings.update(slope=choice.own, drawn=cell.startswith("hitnet-"))
    network = named.build(
        cell.replace("threshold-", "hitnet-"),
        data.normalisation.mean.size,
        task.sizes(cell),
        data.outputs,
        settings=settings,
        mode=task.mode,
        target=data.target,
        normalisation=data.normalisation,
        readout_scale=task.readout_scale,
        dropout=task.dropout,
    )
    with torch.no_grad():
        for layer in network.rnn.layers:
            for name, parameter in layer.named_parameters():
                if "weight_ih" in name and layer is network.rnn.layers[0]:
                    parameter.mul_(choice.input_scale)
                if "bias_ih" in name:  # GRU: r, z, n; LSTM: i, f, g, o
                    parameter[layer.hidden_size : 2 * layer.hidden_size] += choice.own
    return network


def train(
    cell: str,
    data: TaskData,
    task: Task,
    studies: Studies,
    choice: Choice,
    seed: int,
    share: float = 1.0,
    report: Callable[[int, History], None] | None = None,
) -> tuple[SequenceNetwork, History, float]:
    """Train from scratch, with a share of a run's batches.

    Returns
    -------
    SequenceNetwork, History, and the seconds that it took
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    checks = max(1, round(share * task.checks))
    steps = max(1, round(share * task.steps / checks))
    settings = Settings(
        learning_rate=choice.learning_rate,
        weight_decay=choice.weight_decay,
        epochs=checks,
        batch=studies.batch,
        keep="best" if len(data.validation) else "last",
        compiled=cell.startswith("additive"),
    )

    def endless() -> Iterator[Part]:
        while True:
            if data.fresh is not None:
                yield data.fresh(rng, studies.batch)
            elif data.batches is not None:
                yield from data.batches(data.train, studies.batch, rng)
            else:
                yield from batches(data.train, studies.batch, rng, task.shift)

    stream = endless()

    def epoch(_: int) -> Iterable[Part]:
        return (next(stream) for _ in range(steps))

    started = time.perf_counter()
    module = build(cell, data, task, choice)
    if cell == "additive":
        assert isinstance(module, AdditiveGatedNetwork)
        warm_up = min(round(task.warm_up * checks), checks - 1)
        if warm_up:
            first = replace(settings, epochs=warm_up)
            fit(module, epoch, steps, data.validation, first, report)
        settings = replace(settings, epochs=checks - warm_up)
        module = _model(cell, task, choice).quantize(module)
    history = fit(module, epoch, steps, data.validation, settings, report)
    return module, history, time.perf_counter() - started


def result(
    cell: str, data: TaskData, module: SequenceNetwork, history: History, seconds: float
) -> dict[str, Any]:
    """Figures of a trained network on the test part."""
    found: dict[str, Any] = {
        "measure": measure_name(data.test.asks, data.target),
        "validation": history.validation[history.best] if history.validation else None,
        "test": measure(module, data.test)[0],
        "parameters": sum(p.numel() for p in module.parameters()),
        "seconds": round(seconds, 1),
    }
    if isinstance(module, QuantizedNetwork):
        checked = evaluate(export(module), data.test)
        found.update(integer=asdict(checked), agree=checked.agree, active=1 - checked.hold)
    elif cell == "egru":
        found["active"] = _event_rate(module, data.test)
    return found


def _event_rate(module: SequenceNetwork, part: Part) -> float:
    """Share of units that speak in a step of a part."""
    module.eval()
    with torch.no_grad():
        rates = event_rate(run(module, part))
    sizes = module.rnn.hidden_sizes
    return float(np.average(rates, weights=sizes))
