"""Real handwritten digits by rows or by pixels, from scikit-learn's load_digits.

By rows a digit is 8 time steps of 8 pixels, by pixels 64 time steps of one, row after row.

1797 digits of 13 writers (the test part of UCI's Optical Recognition of Handwritten Digits),
1347 for training and 450 for testing, stratified with a fixed seed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from models.network import Normalisation
from models.tasks.data import Part, TaskData, TaskError

__all__ = ["Order", "load"]

Order = Literal["rows", "pixels"]

SPLIT_SEED = 0
TEST_SHARE = 0.25
VALIDATION_SHARE = 0.15
WHITE = 16.0
"""Pixels are ink counts from 0 to 16."""


def load(by: Order = "rows") -> TaskData:
    """The digits task.

    Parameters
    ----------
    by : str
        What comes in a time step: ``"rows"``, T = 8 and I = 8, or ``"pixels"``, T = 64 and I = 1.

    Returns
    -------
    TaskData
        Named "digits" or "digits-pixels". 450 test digits; of the other 1347, 203 for
        validation, the same ones either way. x float64 [N, T, I] from 0 to 16, row by row; y
        int64 [N].

    Raises
    ------
    TaskError
        When scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise TaskError(
            "the digits task needs scikit-learn, which is not installed: "
            "pip install 'addgate[demo]'"
        ) from error
    digits = load_digits()
    x = digits.images.astype(np.float64)
    if by == "pixels":
        x = x.reshape(len(x), -1, 1)
    part = Part(x, digits.target.astype(np.int64))
    features = x.shape[2]

    def cut(rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        left, taken = train_test_split(
            rows, test_size=share, stratify=part.y[rows], random_state=SPLIT_SEED
        )
        return left, taken

    rest, test = cut(np.arange(len(part)), TEST_SHARE)
    train, validation = cut(rest, VALIDATION_SHARE)
    return TaskData(
        name="digits" if by == "rows" else "digits-pixels",
        train=part.take(train),
        validation=part.take(validation),
        test=part.take(test),
        # Paper is exactly 0, so that it makes no events.
        normalisation=Normalisation(np.zeros(features), np.full(features, 1.0 / WHITE)),
        target="class",
        outputs=10,
        labels=tuple(str(digit) for digit in range(10)),
    )
