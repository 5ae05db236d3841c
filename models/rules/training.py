"""Training a forecasting network towards rules.

The student's loss is its error plus a pull towards the rule. As in STLnet (Ma et al., NeurIPS
2020) the pull is the distance to the teacher's trace: the nearest to the student's own prediction
that satisfies the rule, taken anew for each batch and held fixed for its gradient. To compare with,
it may be what robustness lacks of the margin, of which only the decisive step has a gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.descent import Descent
from models.float_network import SequenceNetwork
from models.rules.formula import Formula
from models.rules.robustness import robustness
from models.rules.teacher import Teacher
from models.tasks.elnino import STEPS, VARIABLE, Forecast, ForecastPart

__all__ = ["PULLS", "History", "RuleBook", "Settings", "fit", "forecast"]

PULLS = ("none", "robustness", "teacher")


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    learning_rate : float
        Of AdamW at the start; falls to 0 along a cosine.
    epochs, batch : int
    weight_decay : float
    clip : float
        Largest norm of the gradient.
    pull : str
        What draws towards the rules: one of `PULLS`.
    weight : float
        Of the pull in the loss, at least 0.

    Raises
    ------
    ValueError
        When there is no such pull, or its weight is negative or not finite.
    """

    learning_rate: float = 5e-3
    epochs: int = 60
    batch: int = 64
    weight_decay: float = 1.0
    clip: float = 1.0
    pull: str = "none"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.pull not in PULLS:
            raise ValueError(f"pull must be one of {', '.join(PULLS)}, not {self.pull!r}")
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight must be finite and at least 0, not {self.weight}")


@dataclass
class History:
    """Losses epoch by epoch; `best` is the epoch whose weights were kept."""

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = 0


class RuleBook:
    """A rule and its teacher for each calendar month that a forecast may begin with.

    Parameters
    ----------
    rules : sequence of 12 Formula
    margin : float
        Robustness that the teacher sees to, in degrees.
    """

    def __init__(self, rules: Sequence[Formula], margin: float) -> None:
        if len(rules) != 12:
            raise ValueError(f"expected a rule for each of 12 months, not {len(rules)}")
        self.rules, self.margin = tuple(rules), margin
        self.teachers = [Teacher(rule, STEPS, (VARIABLE,), margin) for rule in rules]

    def robustness(self, traces: Tensor, month: NDArray[np.int64]) -> Tensor:
        """Robustness of each trace [N, T, 1] by the rule of its month: [N], in degrees."""
        found = traces.new_zeros(len(traces))
        for number in np.unique(month):
            rows = torch.from_numpy(np.flatnonzero(month == number))
            part = robustness(self.rules[number], traces[rows], (VARIABLE,))
            found = found.index_copy(0, rows, part)
        return found

    def nearest(self, traces: NDArray[np.float64], month: NDArray[np.int64]) -> NDArray[np.float64]:
        """The teachers' traces [N, T, 1]."""
        found = np.empty_like(traces)
        for number in np.unique(month):
            rows = month == number
            found[rows] = self.teachers[number].nearest(traces[rows])
        return found


def predict(module: SequenceNetwork, part: ForecastPart, task: Forecast) -> Tensor:
    """A module's forecast [N, T, 1] in degrees, with its gradient.

    The network answers once, after the last month seen, in units of the normalisation.
    """
    scores = module(torch.from_numpy(part.x)).scores
    degrees = scores / float(task.normalisation.scale[0]) + float(task.normalisation.mean[0])
    return degrees.unsqueeze(2)


@torch.no_grad()
def forecast(module: SequenceNetwork, part: ForecastPart, task: Forecast) -> NDArray[np.float64]:
    """A module's forecast [N, T, 1] in degrees."""
    return predict(module, part, task).numpy()


def loss_of(
    traces: Tensor, part: ForecastPart, task: Forecast, book: RuleBook, settings: Settings
) -> Tensor:
    """Mean squared error plus the weighted pull, in units of the normalisation, squared."""
    loss = functional.mse_loss(traces, torch.from_numpy(part.y))
    if settings.pull == "teacher":
        target = torch.from_numpy(book.nearest(traces.detach().numpy(), part.month))
        loss = loss + settings.weight * functional.mse_loss(traces, target)
    elif settings.pull == "robustness":
        lack = (book.margin - book.robustness(traces, part.month)).clamp(min=0)
        loss = loss + settings.weight * (lack**2).mean()
    return loss * float(task.normalisation.scale[0]) ** 2


def fit(
    module: SequenceNetwork,
    task: Forecast,
    book: RuleBook,
    settings: Settings,
    seed: int,
    report: Callable[[int, History], None] | None = None,
) -> History:
    """Train in place; the weights of the epoch with the least loss on validation are kept.

    Parameters
    ----------
    module : SequenceNetwork
        In mode "last" with `STEPS` outputs, float or quantized.
    task : Forecast
    book : RuleBook
    settings : Settings
    seed : int
        Of the order of batches.
    report : callable, optional
        Called after every epoch.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite.
    """
    if module.mode != "last" or module.readout.out_features != STEPS:
        raise ValueError(
            f"expected a network with {STEPS} outputs at the last step, found "
            f"{module.readout.out_features} in mode {module.mode}"
        )
    rng = np.random.default_rng(seed)
    count = -(-len(task.train) // settings.batch)
    descent = Descent(
        module,
        settings.learning_rate,
        settings.weight_decay,
        settings.clip,
        settings.epochs * count,
    )
    history, kept = History(), copy.deepcopy(module.state_dict())
    for number in range(settings.epochs):
        losses = []
        order = rng.permutation(len(task.train))
        for start in range(0, len(order), settings.batch):
            part = task.train.take(order[start : start + settings.batch])
            loss = loss_of(predict(module, part, task), part, task, book, settings)
            losses.append(descent.step(loss, number))
        history.loss.append(float(np.mean(losses)))
        with torch.no_grad():
            traces = predict(module, task.validation, task)
            history.validation.append(float(loss_of(traces, task.validation, task, book, settings)))
        if history.validation[-1] <= min(history.validation):
            kept, history.best = copy.deepcopy(module.state_dict()), number
        if report is not None:
            report(number, history)
    module.load_state_dict(kept)
    return history
