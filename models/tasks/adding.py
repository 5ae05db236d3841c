"""The adding problem: the sum of the two marked numbers of a long sequence.

Each step brings a number from U(0, 1) and a mark that is 1 at two places, one in each half, and
0 elsewhere (Hochreiter and Schmidhuber, 1997, in the form of Le, Jaitly and Hinton, 2015).
Answering 1 always gives an MSE of 1/6.
"""

from __future__ import annotations

import numpy as np

from models.network import Normalisation
from models.tasks.data import Part, TaskData, TaskError

__all__ = ["DEFAULT_LENGTH", "load", "sample"]

DEFAULT_LENGTH = 200
VALIDATION_SEED, TEST_SEED = 1_000_001, 1_000_002


def sample(rng: np.random.Generator, count: int, length: int) -> Part:
    """Fresh sequences.

    Parameters
    ----------
    rng : numpy Generator
    count : int
    length : int
        T, at least 2.

    Returns
    -------
    Part
        x float64 [count, length, 2]: number, mark; y float64 [count] in [0, 2].
    """
    if length < 2:
        raise TaskError(f"the adding problem needs a length of at least 2, not {length}")
    numbers = rng.random((count, length))
    half = length // 2
    rows = np.arange(count)
    first, second = rng.integers(0, half, count), rng.integers(half, length, count)
    marks = np.zeros((count, length))
    marks[rows, first] = marks[rows, second] = 1.0
    return Part(np.stack([numbers, marks], axis=2), numbers[rows, first] + numbers[rows, second])


def load(length: int = DEFAULT_LENGTH, train: int = 64, test: int = 1000) -> TaskData:
    """The adding problem, with fixed validation and test sequences.

    Training draws fresh sequences with `sample`; the training part here is only an example.
    """
    return TaskData(
        name="adding",
        train=sample(np.random.default_rng(0), train, length),
        validation=sample(np.random.default_rng(VALIDATION_SEED), test, length),
        test=sample(np.random.default_rng(TEST_SEED), test, length),
        normalisation=Normalisation(np.zeros(2), np.ones(2)),
        target="value",
        outputs=1,
        fresh=lambda rng, count: sample(rng, count, length),
    )
