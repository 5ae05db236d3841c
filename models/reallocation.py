"""Words to the cells of a table in which they would cost least, all at once.

Source: Li et al., LightRNN (NeurIPS 2016), section 3.2: the loss of a word at cell (i, j) is what
row i would have cost where the word came, and column j; the table of least total loss is a
minimum-cost perfect matching. It is modelled with every word's context as it was, so that the loss
of a network in the new table is another; training goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from models.words import Table, TableError

__all__ = ["WordLosses", "reallocate"]

MOST_WORDS = 4096
"""Words of a table that is reallocated: its costs take 8 V**2 bytes, 134 MB at most."""


@dataclass(frozen=True, eq=False)
class WordLosses:
    """What each word would cost, summed over where it comes in the training part.

    Parameters
    ----------
    rows, columns : float64 [V, side]
        -log P of each row, and of each column.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]

    def total(self, table: Table) -> float:
        """Modelled loss of all words in a table's cells."""
        words = np.arange(len(table.words))
        return float(
            (self.rows[words, table.rows] + self.columns[words, table.columns]).sum()
        )  # fmt: skip


def reallocate(table: Table, losses: WordLosses) -> Table:
    """The same words in the cells of least total loss.

    Its total loss is never above that of `table`, which is one of those it is chosen from. Of
    equals the solver takes any.

    Raises
    ------
    TableError
        When the table has more than `MOST_WORDS`, or the losses are of another shape or not finite.
    """
    size, side = len(table.words), table.side
    if size > MOST_WORDS:
        raise TableError(f"a table of at most {MOST_WORDS} words can be reallocated, not {size}")
    for name, found in vars(losses).items():
        if found.shape != (size, side):
            raise TableError(f"losses of {name} must be {[size, side]}, not {list(found.shape)}")
        if not np.isfinite(found).all():
            raise TableError(f"losses of {name} must be finite")
    cost = (losses.rows[:, :, None] + losses.columns[:, None, :]).reshape(size, side * side)
    _, cells = linear_sum_assignment(cost)
    return table.placed(cells)
