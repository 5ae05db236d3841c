"""One training of a forecasting network, and what is measured of its forecasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.export import export
from models.family.named import build
from models.float_network import AdditiveGatedNetwork, SequenceNetwork
from models.golden import GoldenModel
from models.qat import QuantizedNetwork, prepare_qat
from models.rules.training import History, RuleBook, Settings, fit, forecast
from models.tasks.elnino import STEPS, Forecast, ForecastPart

__all__ = [
    "CELLS",
    "MARGIN",
    "MISSING",
    "WEIGHTS",
    "Measures",
    "Run",
    "climatology",
    "measures",
    "train_one",
    "with_gaps",
]

CELLS = ("additive", "ternary", "gru")
UNITS = 32
#: Weight of each pull in the loss: of 1, 4 and 16 that with which the float additive network, seeds
#: 0 and 1, kept most rules on validation. Margin in degrees: of 0.1 and 0.3 the teacher's better.
WEIGHTS = {"none": 0.0, "robustness": 4.0, "teacher": 16.0}
MARGIN = 0.3
#: Share of past months without a value in the second test, and the seed of which.
MISSING, MISSING_SEED = 0.25, 0


@dataclass(frozen=True)
class Measures:
    """Of forecasts of one part.

    Parameters
    ----------
    satisfied : float
        Share of forecasts that satisfy the rule of their month.
    robustness : float
        Its mean, in degrees.
    mse, mae : float
        Mean squared and absolute error, in degrees squared and degrees.
    """

    satisfied: float
    robustness: float
    mse: float
    mae: float


@dataclass(frozen=True, eq=False)
class Run:
    """One training; `projected` and `gaps_projected` are the same forecasts moved by the teacher.

    Parameters
    ----------
    module : SequenceNetwork
    epoch : int
        Kept, from 0.
    agree : bool or None
        Whether the integer golden model gives the same numbers; None of a float network.
    test, projected : Measures
    gaps, gaps_projected : Measures
        Where a share `MISSING` of past months has the training mean in its place.
    """

    cell: str
    pull: str
    seed: int
    module: SequenceNetwork
    epoch: int
    agree: bool | None
    test: Measures
    projected: Measures
    gaps: Measures
    gaps_projected: Measures

    def record(self) -> dict[str, Any]:
        """The figures."""
        found = {name: value for name, value in vars(self).items() if name != "module"}
        return {
            name: asdict(value) if isinstance(value, Measures) else value
            for name, value in found.items()
        }


def train_one(
    cell: str,
    pull: str,
    seed: int,
    task: Forecast,
    book: RuleBook,
    epochs: int,
    report: Callable[[int, History], None] | None = None,
) -> Run:
    """Train a network from scratch and measure it on the test part."""
    torch.manual_seed(seed)
    module = build(
        "gru" if cell == "gru" else "additive",
        1,
        UNITS,
        STEPS,
        target="value",
        normalisation=task.normalisation,
    )
    if cell == "ternary":
        assert isinstance(module, AdditiveGatedNetwork)
        module = prepare_qat(module)
    settings = Settings(epochs=epochs, pull=pull, weight=WEIGHTS[pull])
    history = fit(module, task, book, settings, seed, report)
    found = []
    for part in (task.test, with_gaps(task.test, float(task.normalisation.mean[0]))):
        traces = forecast(module, part, task)
        nearest = book.nearest(traces, part.month)
        found += [measures(traces, part, book), measures(nearest, part, book)]
    agree = _agrees(module, task.test) if isinstance(module, QuantizedNetwork) else None
    return Run(cell, pull, seed, module, history.best, agree, *found)


def measures(traces: NDArray[np.float64], part: ForecastPart, book: RuleBook) -> Measures:
    """What forecasts [N, T, 1] in degrees are worth."""
    values = book.robustness(torch.from_numpy(traces), part.month).numpy()
    off = traces - part.y
    return Measures(
        float((values >= 0).mean()),
        float(values.mean()),
        float((off**2).mean()),
        float(np.abs(off).mean()),
    )


def with_gaps(part: ForecastPart, value: float) -> ForecastPart:
    """The part with a value in the place of a share `MISSING` of all past months."""
    gaps = np.random.default_rng(MISSING_SEED).random(part.x.shape) < MISSING
    return replace(part, x=np.where(gaps, value, part.x))


def climatology(train: ForecastPart, part: ForecastPart) -> NDArray[np.float64]:
    """The mean of each calendar month over the training targets, as a forecast [N, T, 1]."""
    month = (train.month[:, None] + np.arange(STEPS)) % 12
    means = np.array([train.y[month == number].mean() for number in range(12)])
    return means[(part.month[:, None] + np.arange(STEPS)) % 12][..., None]


@torch.no_grad()
def _agrees(module: QuantizedNetwork, part: ForecastPart) -> bool:
    """Whether module and integer golden model give the same forecasts, bit for bit."""
    network = export(module)
    golden = GoldenModel(network)
    values = golden.value(golden.run(network.quantize(part.x)).scores)
    return bool((module(torch.from_numpy(part.x)).scores.numpy() == values).all())
