"""The training loop: one optimizer, one schedule, the epoch kept is chosen by validation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.descent import Descent
from models.float_network import Output, SequenceNetwork
from models.gate import compiled
from models.hold import movement
from models.marks import BLANK, better, check_mode, mark, measure_name
from models.tasks.data import Part

__all__ = [
    "History",
    "Settings",
    "answers",
    "batches",
    "check_asked",
    "fit",
    "loss_of",
    "measure",
]

HOLD_RAMP = 0.5
"""Share of the epochs in which the weight of the hold regularizer rises."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    learning_rate : float
        Of AdamW at the start; falls to 0 along a cosine.
    epochs : int
        Passes over the training part, or stretches of `iterations` fresh batches.
    batch : int
        Sequences per batch.
    clip : float
        Largest norm of the gradient.
    weight_decay : float
        Share of every parameter taken off per step, times the learning rate (AdamW).
    shift : float
        Share of batches in which every picture is moved by -1, 0 or 1 rows and columns (square
        pictures only, by rows or by pixels).
    hold : float
        Weight of the hold regularizer (`models.hold.movement`) in the loss, at least 0. It
        rises from 0 along the first half of the epochs, so that a network first learns its
        task; no epoch before the weight is whole is kept.
    keep : str
        The epoch whose weights are kept: "best" on validation, or the "last". Where few
        sequences are there to validate, the best epoch is partly the luckiest, and the more so
        the more a network's accuracy varies between epochs, as a sparse one's does.
    warm_up : int
        Epochs in floating point before those of a quantized network (`models.recipes.train`), with
        a cosine of their own. Its powers of two are then drawn from weights that know the task,
        which matters where they stay as they are drawn.
    compiled : bool
        Take the time steps in compiled code (`models.gate.compiled`): several times faster, needs
        a C++ compiler, and ends with other weights, since gradients are rounded otherwise.

    Raises
    ------
    ValueError
        When hold is negative or not finite, or keep is neither.
    """

    learning_rate: float = 5e-3
    epochs: int = 60
    batch: int = 64
    clip: float = 1.0
    weight_decay: float = 0.0
    shift: float = 0.0
    hold: float = 0.0
    keep: str = "best"
    warm_up: int = 0
    compiled: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.hold < float("inf"):
            raise ValueError(f"hold must be a finite weight of at least 0, not {self.hold}")
        if self.keep not in ("best", "last"):
            raise ValueError(f"keep must be best or last, not {self.keep!r}")

    def hold_in(self, epoch: int) -> float:
        """Weight of the hold regularizer in an epoch, counted from 0."""
        return self.hold * min(1.0, (epoch + 1) / (HOLD_RAMP * self.epochs))


@dataclass
class History:
    """What happened, epoch by epoch; `best` is the epoch whose weights were kept.

    Without sequences to validate, the validation lists stay empty.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = 0


def answers(module: SequenceNetwork, output: Output) -> Tensor:
    """What is compared with a target: scores [N, C], in mode "sum" divided by the steps."""
    scores = output.scores
    if module.mode == "sum":
        scores = scores / output.valid.sum(dim=1, keepdim=True)
    return scores.float()


def loss_of(module: SequenceNetwork, output: Output, part: Part, hold: float = 0.0) -> Tensor:
    """How wrong an output is, plus hold times the movement.

    Of classes the cross-entropy, of values the mean squared error; of strings the connectionist
    temporal classification loss (Graves et al., 2006), divided by their characters. In mode
    "every", each valid step is asked for its own target, or for its sequence's.
    """
    penalty = hold * movement(output) if hold else 0.0
    y = torch.from_numpy(part.y)
    if part.y_lengths is not None:
        return _string_loss(output, y, torch.from_numpy(part.y_lengths)) + penalty
    if module.mode == "every":
        steps = output.logits[output.valid]
        y = (y if part.asks == "step" else y.unsqueeze(1)).expand(output.valid.shape)[output.valid]
    else:
        steps = answers(module, output)
    if module.target == "class":
        return functional.cross_entropy(steps, y) + penalty
    return functional.mse_loss(steps, y.float().unsqueeze(1).expand_as(steps)) + penalty


def _string_loss(output: Output, y: Tensor, y_lengths: Tensor) -> Tensor:
    return functional.ctc_loss(
        output.logits.transpose(0, 1).log_softmax(dim=2),
        y,
        output.valid.sum(dim=1),
        y_lengths,
        blank=BLANK,
    )


def check_asked(module: SequenceNetwork, part: Part) -> None:
    """Refuse a network that cannot answer what a part asks for.

    Raises
    ------
    ValueError
        When there are targets for steps, or strings, and the network answers once a sequence; or
        when strings are asked of a network whose answers are values.
    """
    measure_name(part.asks, module.target)
    check_mode(part.asks, module.mode)


def batches(part: Part, size: int, rng: np.random.Generator, shift: float = 0.0) -> Iterable[Part]:
    """One shuffled pass over a part."""
    order = rng.permutation(len(part))
    for start in range(0, len(part), size):
        batch = part.take(order[start : start + size])
        yield _moved(batch, rng) if rng.random() < shift else batch


def _moved(batch: Part, rng: np.random.Generator) -> Part:
    """Each square picture moved by -1, 0 or 1 rows and columns, 0 coming in at the edges."""
    count, steps, features = batch.x.shape
    rows = columns = math.isqrt(steps * features)
    padded = np.pad(batch.features.reshape(count, rows, columns), ((0, 0), (1, 1), (1, 1)))
    down, right = rng.integers(0, 3, (2, count, 1, 1))
    index = (np.arange(count)[:, None, None], np.arange(rows)[None, :, None] + down,
             np.arange(columns)[None, None, :] + right)  # fmt: skip
    return replace(batch, x=padded[index].reshape(batch.x.shape))


def run(module: SequenceNetwork, part: Part) -> Output:
    """A module's output for a part."""
    lengths = None if part.lengths is None else torch.from_numpy(part.lengths)
    output = module(torch.from_numpy(part.features), lengths)
    assert isinstance(output, Output)
    return output


@torch.no_grad()
def measure(
    module: SequenceNetwork, part: Part, size: int = 512, hold: float = 0.0
) -> tuple[float, float]:
    """The part's measure (`models.marks.measure_name`), and loss (`loss_of`).

    In evaluation mode, whatever mode the module is in.
    """
    losses, total, weight, training = 0.0, 0.0, 0.0, module.training
    name = measure_name(part.asks, module.target)
    module.eval()
    try:
        for start in range(0, len(part), size):
            piece = part.take(np.arange(start, min(start + size, len(part))))
            output = run(module, piece)
            losses += float(loss_of(module, output, piece, hold)) * len(piece)
            steps = output.valid.sum(dim=1).numpy()
            scores = output.scores.numpy()
            if module.mode == "sum":
                scores = scores / steps[:, None]
            counted = mark(name, piece, output.logits.double().numpy(), scores, steps)
            total, weight = total + counted[0], weight + counted[1]
    finally:
        module.train(training)
    return total / weight, losses / len(part)


def fit(
    module: SequenceNetwork,
    epoch: Callable[[int], Iterable[Part]],
    iterations: int,
    validation: Part,
    settings: Settings,
    report: Callable[[int, History], None] | None = None,
) -> History:
    """Train a module in place; it ends with the weights of the epoch that `settings.keep` says.

    Parameters
    ----------
    module : SequenceNetwork
        Float or quantized.
    epoch : callable
        Gives the batches of an epoch by its number.
    iterations : int
        Batches per epoch, for the schedule.
    validation : Part
        May be empty if `settings.keep` is "last".
    settings : Settings
    report : callable, optional
        Called after every epoch.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        When the best epoch is to be kept, and there is nothing to choose it by; or when the
        network cannot answer what is asked (`check_asked`).
    FloatingPointError
        When the loss is no longer finite.
    KernelError
        When the compiled loop is wanted and cannot be had.
    """
    with compiled() if settings.compiled else nullcontext():
        return _fit(module, epoch, iterations, validation, settings, report)


def _fit(
    module: SequenceNetwork,
    epoch: Callable[[int], Iterable[Part]],
    iterations: int,
    validation: Part,
    settings: Settings,
    report: Callable[[int, History], None] | None,
) -> History:
    if not len(validation) and settings.keep != "last":
        raise ValueError(
            f"keep must be last where no sequences are left to validate, not {settings.keep!r}"
        )
    check_asked(module, validation)
    descent = Descent(
        module,
        settings.learning_rate,
        settings.weight_decay,
        settings.clip,
        settings.epochs * iterations,
    )
    history, kept, best = History(), copy.deepcopy(module.state_dict()), (-np.inf, -np.inf)
    for number in range(settings.epochs):
        losses, hold = [], settings.hold_in(number)
        for batch in epoch(number):
            loss = loss_of(module, run(module, batch), batch, hold)
            losses.append(descent.step(loss, number))
        history.loss.append(float(np.mean(losses)))
        score = best
        if len(validation):
            found, loss_now = measure(module, validation, hold=hold)
            history.validation.append(found)
            history.validation_loss.append(loss_now)
            # Equal accuracies are common on few sequences: the lower loss decides.
            score = (better(measure_name(validation.asks, module.target)) * found, -loss_now)
        if hold == settings.hold and (score >= best or settings.keep == "last"):
            best, kept, history.best = score, copy.deepcopy(module.state_dict()), number
        if report is not None:
            report(number, history)
    module.load_state_dict(kept)
    return history
