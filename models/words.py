"""Words of a text in a LightRNN table: a word is a row and a column, two half-steps of a network.

Source: Li, Qin, Yang, Liu, "LightRNN: Memory and Computation-Efficient Recurrent Neural Networks",
NeurIPS 2016 (arXiv 1610.09893). V words lie in a table of side s = ceil(sqrt V); a network has
2s inputs and 2s outputs, rows first, then columns, and takes two half-steps for each word::

    input          state           the head that is asked       gives
    column of w'   after w'        outputs 0 .. s - 1           P(row of w | ...)
    row of w       within w        outputs s .. 2s - 1          P(column of w | its row, ...)

where w' is the word before w. So each half-step is asked for the input of the next one, and none
sees what it predicts. A half-step's input is one feature at its largest value and all others 0.

Where V is no square, some cells are empty. They are not left out of the softmax: what a network
gives them is lost to the words, so that a perplexity is never flattered, and a word may move there.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.writing import write_whole

__all__ = [
    "UNKNOWN",
    "Corpus",
    "Table",
    "TableError",
    "join",
    "one_hot",
    "read_corpus",
    "tokenize",
    "word_log_probabilities",
]

UNKNOWN = "<unk>"
"""The word that stands for all others; no text gives it, since `tokenize` cuts it in three."""

FORMAT = 1
"""Of a table's file."""

SHARES = (0.9, 0.05)
"""Of the training and the validation part, by position; the rest is the test part."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_CLOSING = set(".,;:!?)]}")
_OPENING = set("([{")

Int = NDArray[np.int64]


class TableError(ValueError):
    """A text, or a table of words, that cannot be used; says what was expected and found."""


def tokenize(text: str, lower: bool = True) -> list[str]:
    """Words and punctuation of a text.

    A word is a run of letters, digits and underscores, or several of them joined by single
    apostrophes or hyphens ("o'er", "half-step"). Every other sign is a token of its own. White
    space, line breaks included, separates and is not kept.

    Parameters
    ----------
    text : str
    lower : bool
        Capital letters become small ones first.
    """
    return _TOKEN.findall(text.lower() if lower else text)


def join(words: Sequence[str]) -> str:
    """A text of words, to be read: a blank between words, none before or after their signs."""
    text = ""
    for word in words:
        tight = not text or word in _CLOSING or text[-1] in _OPENING
        text += word if tight else f" {word}"
    return text


@dataclass(frozen=True, eq=False)
class Table:
    """Which word lies in which cell.

    Parameters
    ----------
    words : tuple of str
        V different words; the first is `UNKNOWN`.
    cells : int64 [V]
        Cell of each word, row * side + column; no two the same.
    lower : bool
        Texts are taken in small letters.
    network : str, optional
        `models.file.digest` of the network that was trained in these cells; none while it is not
        yet.

    Raises
    ------
    TableError
    """

    words: tuple[str, ...]
    cells: Int
    lower: bool = True
    network: str | None = None

    def __post_init__(self) -> None:
        if len(self.words) < 2 or self.words[0] != UNKNOWN:
            raise TableError(
                f"a table must hold at least two words, the first {UNKNOWN!r}, not "
                f"{len(self.words)} from {self.words[:1]} on"
            )
        doubled = [word for word, count in Counter(self.words).items() if count > 1]
        if doubled:
            raise TableError(f"a table's words must differ, but {doubled[0]!r} comes again")
        cells = np.asarray(self.cells)
        if cells.dtype.kind not in "iu" or cells.shape != (len(self.words),):
            raise TableError(
                f"cells must be {len(self.words)} integers, one for each word, not {cells.dtype} "
                f"of shape {cells.shape}"
            )
        cells = cells.astype(np.int64)
        most = self.side**2 - 1
        if cells.min() < 0 or cells.max() > most:
            raise TableError(
                f"cells must lie from 0 to {most}, but lie from {cells.min()} to {cells.max()}"
            )
        cell, count = np.unique(cells, return_counts=True)
        if count.max() > 1:
            raise TableError(f"a cell holds one word, but cell {cell[count.argmax()]} holds two")
        if self.network is not None and not _DIGEST.fullmatch(self.network):
            raise TableError(
                "a table's network must be a SHA-256 of 64 hexadecimal digits, not "
                f"{self.network!r}"
            )
        cells.setflags(write=False)
        object.__setattr__(self, "cells", cells)

    @property
    def side(self) -> int:
        """Rows, and columns: ceil(sqrt V)."""
        return math.isqrt(len(self.words) - 1) + 1

    @property
    def features(self) -> int:
        """Inputs, and outputs, of a network: rows first, then columns."""
        return 2 * self.side

    @property
    def rows(self) -> Int:
        """Row of each word, int64 [V]."""
        return self.cells // self.side

    @property
    def columns(self) -> Int:
        """Column of each word, int64 [V]."""
        return self.cells % self.side

    @cached_property
    def words_in(self) -> Int:
        """Number of the word in each cell, -1 where there is none, int64 [side * side]."""
        found = np.full(self.side**2, -1)
        found[self.cells] = np.arange(len(self.cells))
        return found

    def placed(self, cells: ArrayLike) -> Table:
        """The same words in other cells, in which no network was trained."""
        return replace(self, cells=np.asarray(cells), network=None)

    def trained(self, network: str) -> Table:
        """The table of the network with that digest."""
        return replace(self, network=network)

    def shuffled(self, seed: int) -> Table:
        """The same words in cells drawn at random, where training begins."""
        drawn = np.random.default_rng(seed).permutation(self.side**2)
        return self.placed(drawn[: len(self.words)])

    def ids(self, words: Sequence[str]) -> Int:
        """Numbers of words, that of `UNKNOWN` for those that are not there: int64 [n]."""
        return np.array([self._ids.get(word, 0) for word in words], np.int64)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, text: str) -> Int:
        """Numbers of a text's words, int64 [n]."""
        return self.ids(tokenize(text, self.lower))

    def decode(self, ids: ArrayLike) -> list[str]:
        """Words of numbers."""
        return [self.words[number] for number in np.asarray(ids).tolist()]

    def half_steps(self, ids: ArrayLike) -> Int:
        """Words as the feature that each half-step takes, int64 [..., 2n] of [..., n]."""
        numbers = np.asarray(ids, np.int64)
        pairs = np.stack([self.rows[numbers], self.side + self.columns[numbers]], axis=-1)
        return pairs.reshape(*numbers.shape[:-1], 2 * numbers.shape[-1])

    def ids_of(self, half_steps: ArrayLike) -> Int:
        """Numbers of the words that half-steps stand for, int64 [..., n] of [..., 2n].

        Raises
        ------
        TableError
            When they do not come as row and column in turn, or a cell is empty.
        """
        steps = np.asarray(half_steps, np.int64)
        if steps.shape[-1] % 2:
            raise TableError(f"a word is two half-steps, but there are {steps.shape[-1]}")
        rows, columns = steps[..., ::2], steps[..., 1::2] - self.side
        for name, found in (("row", rows), ("column", columns)):
            if found.size and not (0 <= found.min() and found.max() < self.side):
                raise TableError(
                    f"each {name} must be from 0 to {self.side - 1}, but they lie from "
                    f"{found.min()} to {found.max()}"
                )
        numbers = self.words_in[rows * self.side + columns]
        if (numbers < 0).any():
            raise TableError("expected a word in each cell that is named, found an empty one")
        return numbers

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON."""
        facts = {
            "format": FORMAT,
            "lower": self.lower,
            "words": list(self.words),
            "cells": self.cells.tolist(),
            "network": self.network,
        }
        write_whole(path, json.dumps(facts, ensure_ascii=False) + "\n")

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Table:
        """Read a table that `save` has written.

        Raises
        ------
        TableError
            Naming the file, and what was expected and found.
        """
        try:
            return _table(json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, RecursionError) as error:
            raise TableError(f"{path}: {error}") from error


def _table(facts: Any) -> Table:
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        found = facts.get("format") if isinstance(facts, dict) else type(facts).__name__
        raise TableError(f"expected a table of words of format {FORMAT}, found {found!r}")
    words, cells, lower = (facts.get(name) for name in ("words", "cells", "lower"))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TableError("words must be a list of strings")
    if not isinstance(cells, list) or not all(type(cell) is int for cell in cells):
        raise TableError("cells must be a list of integers")
    if not isinstance(lower, bool):
        raise TableError(f"lower must be true or false, not {lower!r}")
    network = facts.get("network")
    if network is not None and not isinstance(network, str):
        raise TableError(f"a table's network must be a SHA-256 as text, not {network!r}")
    try:
        return Table(tuple(words), np.array(cells, np.int64), lower, network)
    except OverflowError as error:
        raise TableError(f"cells must fit 64 bits: {error}") from error


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text's words, cut by position.

    Parameters
    ----------
    table : Table
        Words by how often they come in the training part, the first ones of equals that come
        first, cell by cell.
    train, validation, test : int64 [n]
        Numbers of words.
    """

    table: Table
    train: Int
    validation: Int
    test: Int


def read_corpus(text: str, size: int, lower: bool = True) -> Corpus:
    """Cut a text in 90, 5 and 5 % by position, and take the most frequent words of the first part.

    Parameters
    ----------
    text : str
    size : int
        V, `UNKNOWN` included; fewer where the training part has fewer.
    lower : bool

    Raises
    ------
    TableError
        When V is below 2, or a part would have fewer than two words.
    """
    if size < 2:
        raise TableError(f"a table must have at least 2 words, not {size}")
    tokens = tokenize(text, lower)
    ends = [round(sum(SHARES[:count]) * len(tokens)) for count in (1, 2)]
    parts = tokens[: ends[0]], tokens[ends[0] : ends[1]], tokens[ends[1] :]
    if min(map(len, parts)) < 2:
        raise TableError(
            "a text must have at least two words in each of its parts (90, 5 and 5 %), but has "
            f"{', '.join(str(len(part)) for part in parts)}"
        )
    frequent = [word for word, _ in Counter(parts[0]).most_common(size - 1)]
    words = (UNKNOWN, *frequent)
    table = Table(words, np.arange(len(words)), lower)
    return Corpus(table, *(table.ids(part) for part in parts))


def one_hot(features: ArrayLike, count: int, largest: int) -> NDArray[np.int8]:
    """Inputs of half-steps (or of any tokens): int8 [..., count] of integers [...].

    Parameters
    ----------
    features : integers [...], from 0 to count - 1
    count : int
    largest : int
        M of the network, the input of a feature that is there.
    """
    numbers = np.asarray(features, np.int64)
    inputs = np.zeros((*numbers.shape, count), np.int8)
    np.put_along_axis(inputs, numbers[..., None], largest, axis=-1)
    return inputs


def word_log_probabilities(logits: ArrayLike, half_steps: ArrayLike, side: int) -> NDArray[Any]:
    """log P of each word, from the two heads that were asked for it.

    Each half-step takes the softmax of its own range of outputs: rows after a column, columns
    after a row.

    Parameters
    ----------
    logits : float [..., 2n, 2 * side]
        As real numbers (an engine's, divided by 2**(hb + F)), in natural units: those after the
        column of the word before, then those after the row of the word itself, and so on.
    half_steps : int [..., 2n]
        Row and column of each of the n words: what those logits were asked for.
    side : int

    Returns
    -------
    float64 [..., n]
    """
    values, wanted = np.asarray(logits, np.float64), np.asarray(half_steps)
    total: Any = 0.0
    for which in (0, 1):
        head = values[..., which::2, which * side : (which + 1) * side]
        head = head - head.max(axis=-1, keepdims=True)
        index = wanted[..., which::2] - which * side
        chosen = np.take_along_axis(head, index[..., None], axis=-1)[..., 0]
        total = total + chosen - np.log(np.exp(head).sum(axis=-1))
    found: NDArray[Any] = total
    return found
