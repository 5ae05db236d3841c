"""Word-level training: windows of streams, and rounds in which a table's words change places."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.descent import Descent
from models.float_network import AdditiveGatedNetwork
from models.gate import compiled
from models.reallocation import WordLosses, reallocate
from models.tokens import token_logits
from models.word_codings import Coding, RowsAndColumns
from models.words import Table

__all__ = ["Round", "Settings", "fit", "perplexity", "settle", "streams", "word_losses"]

Report = Callable[[float], None]


@dataclass(frozen=True)
class Settings:
    """How to train on words.

    Parameters
    ----------
    learning_rate : float
        Of AdamW at the start; falls to 0 along a cosine.
    epochs : int
        Passes over the training part (of each round).
    streams : int
        The training part is cut into so many pieces, which are a batch.
    window : int
        Words after which the gradient is cut. The state is carried on from window to window, and
        starts from zero where a stream does.
    clip : float
        Largest norm of the gradient.
    weight_decay : float
        Share of every parameter taken off per step, times the learning rate (AdamW).
    compiled : bool
        Take the time steps in compiled code (`models.gate.compiled`).
    """

    learning_rate: float = 4e-3
    epochs: int = 2
    streams: int = 32
    window: int = 32
    clip: float = 1.0
    weight_decay: float = 0.01
    compiled: bool = True

    def windows(self, words: int) -> int:
        """Windows of a pass over so many words."""
        return -(-((words - 1) // min(self.streams, words - 1)) // self.window)


def streams(words: NDArray[np.int64], count: int) -> Tensor:
    """A text cut into pieces of one length: int64 [count, L + 1].

    A stream begins with the last word of the one before, which is not asked for in it; so every
    word is asked for once, but for the text's first and, where the length does not divide, its
    last few.

    Raises
    ------
    ValueError
        When the text has fewer than two words.
    """
    if len(words) < 2:
        raise ValueError(f"a text must have at least two words, not {len(words)}")
    count = min(count, len(words) - 1)
    length = (len(words) - 1) // count
    starts = np.arange(count)[:, None] * length
    return torch.from_numpy(words[starts + np.arange(length + 1)])


def _windows(text: Tensor, size: int) -> Iterator[Tensor]:
    """Windows of streams; each begins with the last word of the one before."""
    for start in range(0, text.shape[1] - 1, size):
        yield text[:, start : start + size + 1]


def fit(
    module: AdditiveGatedNetwork,
    coding: Coding,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    settings: Settings,
    report: Report | None = None,
) -> list[float]:
    """Train a module in place; it ends with the weights of its best epoch on validation.

    Parameters
    ----------
    module : AdditiveGatedNetwork
        Float or quantized.
    coding : Coding
    train, validation : int64 [n]
        Numbers of words.
    settings : Settings
    report : callable, optional
        Called after every window, with its mean loss a word.

    Returns
    -------
    list of float
        Perplexity on validation after each epoch.

    Raises
    ------
    FloatingPointError
        When the loss is no longer finite.
    KernelError
        When the compiled loop is wanted and cannot be had.
    """
    text = streams(train, settings.streams)
    descent = Descent(
        module,
        settings.learning_rate,
        settings.weight_decay,
        settings.clip,
        settings.epochs * settings.windows(len(train)),
    )
    found: list[float] = []
    kept = copy.deepcopy(module.state_dict())
    with compiled() if settings.compiled else nullcontext():
        for epoch in range(settings.epochs):
            hx: list[Tensor] | None = None
            for words in _windows(text, settings.window):
                logits, last = token_logits(module, coding.tokens(words), hx)
                hx = [h.detach() for h in last]
                loss = descent.step(coding.losses(logits, words).mean(), epoch)
                if report is not None:
                    report(loss)
            found.append(perplexity(module, coding, validation, settings))
            if found[-1] <= min(found):
                kept = copy.deepcopy(module.state_dict())
    module.load_state_dict(kept)
    return found


def _outputs(
    module: AdditiveGatedNetwork, coding: Coding, words: NDArray[np.int64], settings: Settings
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and words of each window of a text, without gradients."""
    hx: list[Tensor] | None = None
    with torch.no_grad(), compiled() if settings.compiled else nullcontext():
        for window in _windows(streams(words, settings.streams), settings.window):
            logits, hx = token_logits(module, coding.tokens(window), hx)
            yield logits, window


def perplexity(
    module: AdditiveGatedNetwork,
    coding: Coding,
    words: NDArray[np.int64],
    settings: Settings | None = None,
) -> float:
    """exp of the mean of -log P, over the words of a text but for the first.

    The text is cut into streams as in training; each starts from the zero state.
    """
    total, count = 0.0, 0
    for logits, window in _outputs(module, coding, words, settings or Settings()):
        losses = coding.losses(logits, window)
        total += float(losses.double().sum())
        count += losses.numel()
    return math.exp(total / count)


def word_losses(
    module: AdditiveGatedNetwork,
    table: Table,
    words: NDArray[np.int64],
    settings: Settings | None = None,
) -> WordLosses:
    """What each word would cost in each row and in each column, summed over where it comes.

    Parameters
    ----------
    module : AdditiveGatedNetwork
        Trained on the table.
    table : Table
    words : int64 [n]
        The training part.
    settings : Settings, optional
    """
    coding = RowsAndColumns(table)
    sums = [torch.zeros(len(table.words), table.side, dtype=torch.float64) for _ in range(2)]
    for logits, window in _outputs(module, coding, words, settings or Settings()):
        asked = window[:, 1:].t().flatten()
        for total, (head, _) in zip(sums, coding.heads(logits, window), strict=True):
            total.index_add_(0, asked, -head.flatten(0, 1).double().log_softmax(dim=-1))
    return WordLosses(sums[0].numpy(), sums[1].numpy())


@dataclass
class Round:
    """One round: training, and then a new place for words.

    Parameters
    ----------
    perplexities : list of float
        On validation, after each epoch.
    moved : float
        Share of the words that got another cell after it.
    cost_before, cost_after : float
        Modelled loss a word of the training part, in the cells before and after.
    """

    perplexities: list[float] = field(default_factory=list)
    moved: float = 0.0
    cost_before: float = 0.0
    cost_after: float = 0.0


def settle(
    module: AdditiveGatedNetwork,
    table: Table,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    settings: Settings,
    rounds: int = 6,
    few: float = 0.02,
    report: Report | None = None,
) -> tuple[Table, list[Round]]:
    """Train and reallocate in turn, until the table settles.

    That is, until fewer than a share of the words move, or the perplexity on validation no longer
    falls, or the rounds are over. The module ends with the weights of the best round, and that
    round's table is given back; weights are kept from round to round, as in the paper.

    Parameters
    ----------
    module : AdditiveGatedNetwork
        With as many inputs and outputs as the table has features; trained in place.
    table : Table
        Where to start.
    train, validation : int64 [n]
    settings : Settings
        Of each round.
    rounds : int
        At most; 1 trains and never reallocates.
    few : float
        Share of the words, below which the table has settled.
    report : callable, optional
        As for `fit`.

    Returns
    -------
    Table, list of Round
    """
    history: list[Round] = []
    best, kept, best_table = math.inf, copy.deepcopy(module.state_dict()), table
    for number in range(rounds):
        this = Round(fit(module, RowsAndColumns(table), train, validation, settings, report))
        history.append(this)
        reached = min(this.perplexities)
        if reached >= best:
            break
        best, kept, best_table = reached, copy.deepcopy(module.state_dict()), table
        if number + 1 == rounds:
            break
        costs = word_losses(module, table, train, settings)
        moved = reallocate(table, costs)
        this.moved = float((moved.cells != table.cells).mean())
        asked = len(train) - 1
        this.cost_before, this.cost_after = (costs.total(t) / asked for t in (table, moved))
        if this.moved < few:
            break
        table = moved
    module.load_state_dict(kept)
    return best_table, history
