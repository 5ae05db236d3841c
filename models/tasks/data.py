"""What a task is: three parts of sequences, and the normalisation of their features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.network import Normalisation
from models.spec import BIAS_MAX, FRACTION_BITS

__all__ = [
    "OneHot",
    "Part",
    "TaskData",
    "TaskError",
    "check_value_range",
    "folds",
    "normalise",
    "split",
    "without_validation",
]


class TaskError(ValueError):
    """Data that cannot be trained on, or a task that is missing; says what was expected."""


class OneHot:
    """Symbols that become features when they are asked for: an array [N, T, I] to read from.

    A text of a million characters would take half a gigabyte as features. Its rows are float64
    arrays as of any other x.

    Parameters
    ----------
    symbols : integer array [N, T]
        From 0 to `features` - 1: the place of the 1 among the step's features.
    features : int
        I.
    """

    def __init__(self, symbols: NDArray[np.integer[Any]], features: int) -> None:
        if symbols.size and not 0 <= int(symbols.min()) <= int(symbols.max()) < features:
            raise ValueError(
                f"symbols must be from 0 to {features - 1}, but lie from {symbols.min()} to "
                f"{symbols.max()}"
            )
        self.symbols, self.features = symbols, features

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, T, I."""
        count, steps = self.symbols.shape
        return count, steps, self.features

    def __len__(self) -> int:
        return len(self.symbols)

    def __getitem__(self, rows: Any) -> NDArray[np.float64]:
        """The features of some sequences, as indexing an array's first axis gives them."""
        return np.eye(self.features)[self.symbols[rows]]


@dataclass(frozen=True, eq=False)
class Part:
    """Sequences and their targets.

    Parameters
    ----------
    x : float64 [N, T, I], or OneHot
        Raw features.
    y : int64 or float64
        Classes from 0, or values: [N] of one for each sequence, [N, T] of one for each step. With
        `y_lengths`: [N, L], strings of classes from 1, which lie somewhere in their sequences.
    lengths : int64 [N], optional
        Valid steps of each sequence; None when all have T.
    y_lengths : int64 [N], optional
        Characters of each string, 1 to L; what comes after them is not looked at.
    """

    x: NDArray[np.float64] | OneHot
    y: NDArray[np.int64] | NDArray[np.float64]
    lengths: NDArray[np.int64] | None = None
    y_lengths: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def asks(self) -> str:
        """What has a target: a "sequence", each "step", or it is a "string"."""
        if self.y_lengths is not None:
            return "string"
        return "sequence" if self.y.ndim == 1 else "step"

    @property
    def features(self) -> NDArray[np.float64]:
        """x as an array, made now if need be."""
        return self.x[:]

    def take(self, rows: NDArray[np.int64]) -> Part:
        """The sequences of these rows, their x an array."""
        lengths, y_lengths = (
            None if a is None else a[rows] for a in (self.lengths, self.y_lengths)
        )
        return Part(self.x[rows], self.y[rows], lengths, y_lengths)

    def first(self, count: int | None) -> Part:
        """The first sequences, all where count is None or there are not so many."""
        return self.take(np.arange(len(self) if count is None else min(count, len(self))))


@dataclass(frozen=True, eq=False)
class TaskData:
    """A task: nothing is ever chosen by its test part.

    Parameters
    ----------
    name : str
    train, validation, test : Part
        The validation part may be empty: then nothing is chosen by it either.
    normalisation : Normalisation
        From the training part (or from what is known of the features).
    target : str
        "class" or "value".
    outputs : int
        Classes, or 1 for a value.
    labels : tuple of str, optional
        Names of the classes.
    batches : callable, optional
        Takes a part, the sequences of a batch and a generator, and gives one shuffled pass over it,
        with whatever the task does to its sequences each time. None: batches of them as they are.
    fresh : callable, optional
        Draws so many training sequences anew: of a task that need never show one twice. Its
        `train` part is an example of them.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    normalisation: Normalisation
    target: str
    outputs: int
    labels: tuple[str, ...] | None = None
    batches: Callable[[Part, int, np.random.Generator], Iterable[Part]] | None = None
    fresh: Callable[[np.random.Generator, int], Part] | None = None


def split(
    part: Part, share: float, seed: int, classes: bool, what: str = "data"
) -> tuple[Part, Part]:
    """Split off a share, stratified by class when there are classes.

    Parameters
    ----------
    part : Part
    share : float
        Of the second part, 0 to 1.
    seed : int
    classes : bool
        Whether y holds classes to keep in proportion.

    Returns
    -------
    Part, Part
        What is left, and the share.

    Raises
    ------
    TaskError
        When one of them would be empty.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(part))
    wanted = round(share * len(part))
    if not 0 < wanted < len(part):
        raise TaskError(f"{what}: {len(part)} sequences are too few to split off {share:.0%}")
    if classes:
        # Spread each class evenly over (0, 1), in random order within; the lowest are taken.
        ranks = np.empty(len(part))
        for label in np.unique(part.y):
            rows = order[part.y[order] == label]
            ranks[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
        order = order[np.argsort(ranks[order], kind="stable")]
    return part.take(np.sort(order[wanted:])), part.take(np.sort(order[:wanted]))


def without_validation(task: TaskData) -> TaskData:
    """The task with nothing set aside for validation: all but the test part is for training.

    Parameters
    ----------
    task : TaskData

    Returns
    -------
    TaskData
        The training part is the former one, then what was for validation, which is empty now;
        the test part and the normalisation are as they were.
    """
    parts = (task.train, task.validation)
    lengths = [part.lengths for part in parts if part.lengths is not None]
    y_lengths = [part.y_lengths for part in parts if part.y_lengths is not None]
    joined = Part(
        _joined([part.features for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate(lengths) if lengths else None,
        np.concatenate(y_lengths) if y_lengths else None,
    )
    return replace(task, train=joined, validation=joined.take(np.arange(0)))


def _joined(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Sequences one below the other, 0 beyond the steps that an array has."""
    longest = max(array.shape[1] for array in arrays)
    return np.concatenate([np.pad(a, ((0, 0), (0, longest - a.shape[1]), (0, 0))) for a in arrays])


def folds(task: TaskData, count: int) -> list[TaskData]:
    """The task cut for cross-validation: every sequence but the test part's validates once.

    Parameters
    ----------
    task : TaskData
        Its training and validation parts are joined, shuffled and dealt out.
    count : int
        Folds, 2 or more.

    Returns
    -------
    list of TaskData
        Each with another share for validation and the rest for training; the test part, which
        nobody should look at yet, is as it was.

    Raises
    ------
    TaskError
        When there are fewer sequences than folds, or fewer than 2 folds.
    """
    joined = without_validation(task).train
    if not 2 <= count <= len(joined):
        raise TaskError(f"there must be 2 to {len(joined)} folds, one sequence each, not {count}")
    shuffled = joined.take(np.random.default_rng(0).permutation(len(joined)))
    rows = np.arange(len(shuffled))
    return [
        replace(
            task,
            train=shuffled.take(rows[rows % count != fold]),
            validation=shuffled.take(rows[rows % count == fold]),
        )
        for fold in range(count)
    ]


def normalise(part: Part) -> Normalisation:
    """Z-score over all valid steps of a training part, divided by 3 so that little is clipped.

    A constant feature gets scale 1 (and so is always 0).
    """
    x = part.features
    if part.lengths is None:
        rows = x.reshape(-1, x.shape[2])
    else:
        rows = x[np.arange(x.shape[1]) < part.lengths[:, None]]
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    varies = deviation > 1e-12 * np.maximum(np.abs(mean), 1.0)
    with np.errstate(divide="ignore"):
        return Normalisation(mean, np.where(varies, 1.0 / (3.0 * deviation), 1.0))


def check_value_range(y: NDArray[np.float64], hb: int) -> None:
    """Refuse float targets that a 16-bit readout bias cannot reach.

    Raises
    ------
    TaskError
        Saying the range, what was found, and what to divide by.
    """
    limit = (BIAS_MAX + 1) / (1 << (hb + FRACTION_BITS))
    worst = float(np.abs(y).max())
    if worst > limit:
        raise TaskError(
            f"float targets must lie in [-{limit:g}, {limit:g}] at hb = {hb}, but lie from "
            f"{y.min():g} to {y.max():g}; divide y by {worst / limit * 1.25:.3g} or more (the "
            "answers are then in that unit)"
        )
