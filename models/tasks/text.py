"""A text, character by character: at every step the next one is asked for.

Any text file in UTF-8. The first 90 % are for training, then 5 % each for validation and test, as
is customary for tiny Shakespeare. A character is a feature of its own (`OneHot`), so on the engine
a step is two events at most, the old character off and the new one on.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.network import Normalisation
from models.tasks.data import OneHot, Part, TaskData, TaskError

__all__ = ["DEFAULT_LENGTH", "UNKNOWN", "Alphabet", "load"]

DEFAULT_LENGTH = 128
"""T of the sequences that are trained on; each starts from h = 0."""

LONGEST = 1000
"""T of those that are validated and tested on, as long as the text has so many: starting from
h = 0 costs little there."""

SHARES = (0.9, 0.05, 0.05)
MAX_SYMBOLS = 256
"""A row of weights has at most 257 sources, and a change of character makes two events."""

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Stands for characters that the training part does not have, or that are too rare in it."""


class Alphabet:
    """Characters and their numbers.

    Parameters
    ----------
    characters : str
        Each once, in the order of their numbers.
    """

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._numbers = {character: number for number, character in enumerate(characters)}

    @staticmethod
    def of(text: str, rest: str = "", most: int = MAX_SYMBOLS) -> Alphabet:
        """The characters of a text in their order, the rarest left out if they are too many.

        Where some are left out, or the rest of the text has others, `UNKNOWN` is one of them.
        """
        counts = Counter(text)
        if len(counts) > most or set(rest) - set(counts):
            counts.pop(UNKNOWN, None)
            kept = {character for character, _ in counts.most_common(most - 1)} | {UNKNOWN}
        else:
            kept = set(counts)
        return Alphabet("".join(sorted(kept)))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Numbers [T] of a text's characters.

        Raises
        ------
        TaskError
            When one has no number and there is no `UNKNOWN`.
        """
        unknown = self._numbers.get(UNKNOWN)
        numbers = [self._numbers.get(character, unknown) for character in text]
        if None in numbers:
            raise TaskError(
                f"the alphabet has no {text[numbers.index(None)]!r}, and no character for others"
            )
        return np.array(numbers, np.int64)

    def decode(self, numbers: NDArray[np.int64]) -> str:
        """The text of numbers [T]."""
        return "".join(self.characters[number] for number in numbers)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names for a network file: the characters, escaped where they cannot be printed."""
        return tuple(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in self.characters
        )

    @staticmethod
    def from_labels(labels: tuple[str, ...]) -> Alphabet:
        """The alphabet of a network file's labels.

        Raises
        ------
        TaskError
            When one of them is not a single character.
        """
        characters = [
            label if len(label) == 1 else label.encode("ascii", "replace").decode("unicode_escape")
            for label in labels
        ]
        wrong = [label for label, c in zip(labels, characters, strict=True) if len(c) != 1]
        if wrong:
            raise TaskError(f"each label must be one character, but one is {wrong[0]!r}")
        return Alphabet("".join(characters))


def load(
    path: str | os.PathLike[str],
    length: int = DEFAULT_LENGTH,
    labels: tuple[str, ...] | None = None,
) -> TaskData:
    """A text file as a task.

    Parameters
    ----------
    path : path of a text file in UTF-8
    length : int
        T of the sequences that are trained on, at least 2.
    labels : tuple of str, optional
        Of a network that reads the text: its alphabet, instead of the text's own.

    Returns
    -------
    TaskData
        y is the next character of each step. `fresh` draws sequences from anywhere in the
        training part.

    Raises
    ------
    TaskError
        When the file cannot be read, or is too short: each part must have a sequence. When it
        has characters that the labels lack, and none of these stands for others.
    """
    if length < 2:
        raise TaskError(f"a length must be at least 2, not {length}")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise TaskError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"{path}: must be a text in UTF-8: {error}") from error
    ends = [int(len(text) * share) for share in np.cumsum(SHARES[:2])]
    pieces = text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :]
    shortest = min(len(piece) for piece in pieces)
    if shortest < length + 1:
        raise TaskError(
            f"{path}: {len(text)} characters are too few: 5 % of them must be more than a "
            f"sequence of {length}"
        )
    if labels is None:
        alphabet = Alphabet.of(pieces[0], pieces[1] + pieces[2])
    else:
        alphabet = Alphabet.from_labels(labels)
    if len(alphabet) < 2:
        raise TaskError(
            f"{path}: must have at least 2 different characters, found {alphabet.characters!r}"
        )
    symbols = len(alphabet)
    train, validation, test = (alphabet.encode(piece) for piece in pieces)

    def sequences(numbers: NDArray[np.int64], starts: NDArray[np.int64], steps: int) -> Part:
        windows = numbers[starts[:, None] + np.arange(steps + 1)]
        return Part(OneHot(windows[:, :-1], symbols), windows[:, 1:])

    def cut(numbers: NDArray[np.int64], steps: int) -> Part:
        return sequences(numbers, np.arange(0, len(numbers) - steps, steps), steps)

    def fresh(rng: np.random.Generator, count: int) -> Part:
        part = sequences(train, rng.integers(0, len(train) - length, count), length)
        return part.take(np.arange(count))

    longest = max(length, min(LONGEST, shortest - 1))
    return TaskData(
        name="text",
        train=cut(train, length),
        validation=cut(validation, longest),
        test=cut(test, longest),
        normalisation=Normalisation(np.zeros(symbols), np.ones(symbols)),
        target="class",
        outputs=symbols,
        labels=alphabet.labels,
        fresh=fresh,
    )
