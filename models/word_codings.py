"""How a network takes words and is asked for them: as row and column of a table, or one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from models.words import Table

__all__ = ["Coding", "OneByOne", "RowsAndColumns"]


class Coding(ABC):
    """A way to tell a network words."""

    @property
    @abstractmethod
    def features(self) -> int:
        """Inputs, and outputs, of the network."""

    @abstractmethod
    def tokens(self, words: Tensor) -> Tensor:
        """The feature of each step, int64 [N, T], that asks for words 1 .. L of int64 [N, L + 1].

        The steps of a stream's windows follow one another: the last word of a window, which is
        asked for and not told, is the first word of the next.
        """

    @abstractmethod
    def heads(self, logits: Tensor, words: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Logits [L, N, choices] and int64 [L, N] of what is chosen among them, for each head.

        The probability of a word is the product over its heads.

        Parameters
        ----------
        logits : Tensor [T, N, C]
            After each of the steps of `tokens`.
        words : Tensor, int64 [N, L + 1]
        """

    def losses(self, logits: Tensor, words: Tensor) -> Tensor:
        """-log P of words 1 .. L, Tensor [L, N]; otherwise as `heads`."""
        parts = [
            cross_entropy(head.flatten(0, 1), chosen.flatten(), reduction="none")
            for head, chosen in self.heads(logits, words)
        ]
        return torch.stack(parts).sum(dim=0).view(-1, len(words))


class OneByOne(Coding):
    """A feature and an output for each word, a step for each word.

    Parameters
    ----------
    size : int
        V.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    @property
    def features(self) -> int:
        """V."""
        return self._size

    def tokens(self, words: Tensor) -> Tensor:
        """The words before: int64 [N, L]."""
        return words[:, :-1]

    def heads(self, logits: Tensor, words: Tensor) -> list[tuple[Tensor, Tensor]]:
        """One head, of all words."""
        return [(logits, words[:, 1:].t())]


class RowsAndColumns(Coding):
    """Two half-steps for each word; see `models.words`.

    Parameters
    ----------
    table : Table
    """

    def __init__(self, table: Table) -> None:
        self._side = table.side
        self._rows = torch.from_numpy(table.rows)
        self._columns = torch.from_numpy(table.columns)

    @property
    def features(self) -> int:
        """Rows, then columns."""
        return 2 * self._side

    def tokens(self, words: Tensor) -> Tensor:
        """Column of the word before and row of the word, for each word: int64 [N, 2L]."""
        before, asked = words[:, :-1], words[:, 1:]
        pairs = torch.stack([self._side + self._columns[before], self._rows[asked]], dim=-1)
        return pairs.flatten(1)

    def heads(self, logits: Tensor, words: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The rows after a column, and the columns after a row."""
        asked = words[:, 1:].t()
        return [
            (logits[0::2, :, : self._side], self._rows[asked]),
            (logits[1::2, :, self._side :], self._columns[asked]),
        ]
