"""Real handwritten digits by rows: 8 time steps of 8 pixels, from scikit-learn's load_digits.

1797 digits of 43 writers (the test part of UCI's Optical Recognition of Handwritten Digits),
1347 for training and 450 for testing, stratified with a fixed seed.
"""

from __future__ import annotations

import numpy as np

from models.network import Normalisation
from models.tasks.data import Part, TaskData, TaskError

__all__ = ["load"]

SPLIT_SEED = 0
TEST_SHARE = 0.25
VALIDATION_SHARE = 0.15
WHITE = 16.0
"""Pixels are ink counts from 0 to 16."""


def load() -> TaskData:
    """The digits task.

    Returns
    -------
    TaskData
        450 test digits; of the other 1347, 203 for validation. x float64 [N, 8, 8] from 0 to
        16, row by row; y int64 [N].

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
    part = Part(digits.images.astype(np.float64), digits.target.astype(np.int64))

    def cut(rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        left, taken = train_test_split(
            rows, test_size=share, stratify=part.y[rows], random_state=SPLIT_SEED
        )
        return left, taken

    rest, test = cut(np.arange(len(part)), TEST_SHARE)
    train, validation = cut(rest, VALIDATION_SHARE)
    return TaskData(
        name="digits",
        train=part.take(train),
        validation=part.take(validation),
        test=part.take(test),
        # Paper is exactly 0, so that it makes no events.
        normalisation=Normalisation(np.zeros(8), np.full(8, 1.0 / WHITE)),
        target="class",
        outputs=10,
        labels=tuple(str(digit) for digit in range(10)),
    )
