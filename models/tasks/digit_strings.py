"""Strings of real handwritten digits, read column by column: where one ends is not told.

Three to eight digits of scikit-learn's `load_digits` side by side, with random gaps. A step is a
column of eight pixels from left to right; the answer is the string, as in connectionist temporal
classification (Graves et al., 2006): at each step a digit or nothing, repetitions counting once.
"""

from __future__ import annotations

import numpy as np

from models.tasks import digits
from models.tasks.data import Part, TaskData

__all__ = ["load", "sample"]

DIGITS = (3, 8)
GAP = (0, 4)
"""Fewest and most empty columns before, between and after digits; a digit has eight columns."""

VALIDATION_SEED, TEST_SEED = 1, 2
BLANK_LABEL = "-"


def sample(rng: np.random.Generator, count: int, part: Part) -> Part:
    """Fresh strings.

    Parameters
    ----------
    rng : numpy Generator
    count : int
        N.
    part : Part
        Digits by rows (`models.tasks.digits`), of which any may be drawn.

    Returns
    -------
    Part
        x float64 [N, T, 8] from 0 to 16; y int64 [N, 8], the digits plus 1 (class 0 is
        nothing); lengths and y_lengths.
    """
    pictures, labels = part.features, part.y
    rows, columns = pictures.shape[1:]
    counts = rng.integers(DIGITS[0], DIGITS[1] + 1, count)
    most = DIGITS[1]
    x = np.zeros((count, most * columns + (most + 1) * GAP[1], rows))
    y = np.zeros((count, most), np.int64)
    lengths = np.zeros(count, np.int64)
    for string, (strip, spelling, length) in enumerate(zip(x, y, counts, strict=True)):
        chosen = rng.integers(0, len(part), length)
        spelling[:length] = labels[chosen] + 1
        place = int(rng.integers(GAP[0], GAP[1] + 1))
        for digit in chosen:
            strip[place : place + columns] = pictures[digit].T
            place += columns + int(rng.integers(GAP[0], GAP[1] + 1))
        lengths[string] = place
    return Part(x[:, : lengths.max()], y, lengths, counts)


def load(train: int = 64, test: int = 1000) -> TaskData:
    """The task, with fixed validation and test strings.

    Strings of a part are made of digits of the same part of `models.tasks.digits`: those of the
    test part of its 450 test digits. `fresh` draws training strings; the training part here is
    only an example of them.

    Raises
    ------
    TaskError
        When scikit-learn is not installed.
    """
    task = digits.load()
    return TaskData(
        name="digit-strings",
        train=sample(np.random.default_rng(0), train, task.train),
        validation=sample(np.random.default_rng(VALIDATION_SEED), test // 2, task.validation),
        test=sample(np.random.default_rng(TEST_SEED), test, task.test),
        normalisation=task.normalisation,
        target="class",
        outputs=task.outputs + 1,
        labels=(BLANK_LABEL, *(task.labels or ())),
        fresh=lambda rng, count: sample(rng, count, task.train),
    )
