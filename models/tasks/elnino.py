"""A year of sea surface temperatures ahead, month by month, from the two years before.

Monthly means of the Nino 1+2 region off Peru, 1950 to 2010, in degrees Celsius: NOAA's ERSST.V3B,
in the public domain, as statsmodels ships it (`statsmodels.datasets.elnino`), so nothing is
downloaded. Parts are cut in time order, and no target of one part lies in another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.network import Normalisation
from models.tasks.data import TaskError

__all__ = ["FIRST_YEAR", "Forecast", "ForecastPart", "PAST", "STEPS", "VARIABLE", "cut", "load"]

FIRST_YEAR = 1950
PAST, STEPS = 24, 12
"""Months that are seen, and months that are foretold."""
TRAIN, VALIDATION = 480, 120
"""Months from the start: 1950 to 1989 and 1990 to 1999; 2000 to 2010 are for testing."""
VARIABLE = "sst"
"""Name of the temperature in rules."""


@dataclass(frozen=True, eq=False)
class ForecastPart:
    """Stretches of a series.

    Parameters
    ----------
    x : float64 [N, K, 1]
        What came before, in the series' unit.
    y : float64 [N, T, 1]
        What is to be foretold.
    month : int64 [N]
        Calendar month of the first step of y, 0 for January.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    month: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: NDArray[np.int64]) -> ForecastPart:
        """The stretches of these rows."""
        return ForecastPart(self.x[rows], self.y[rows], self.month[rows])


@dataclass(frozen=True, eq=False)
class Forecast:
    """A forecasting task.

    Parameters
    ----------
    train, validation, test : ForecastPart
        In time order.
    normalisation : Normalisation
        Of the training months: z-score divided by 3.
    """

    train: ForecastPart
    validation: ForecastPart
    test: ForecastPart
    normalisation: Normalisation


def cut(series: NDArray[np.float64], begin: int, end: int) -> ForecastPart:
    """All stretches of `PAST` and `STEPS` months whose targets lie within these months.

    Parameters
    ----------
    series : float64 [months]
        From a January.
    begin, end : int
        First month of the part, and the one behind its last.

    Raises
    ------
    TaskError
        When there is none.
    """
    first = max(begin, PAST)
    count = min(end, len(series)) - first - STEPS + 1
    if count < 1:
        raise TaskError(
            f"expected at least {PAST + STEPS} months, {STEPS} of them from month {begin} to "
            f"{end}, found a series of {len(series)}"
        )
    stretches = np.lib.stride_tricks.sliding_window_view(series, PAST + STEPS)
    rows = stretches[first - PAST : first - PAST + count, :, None].copy()
    return ForecastPart(rows[:, :PAST], rows[:, PAST:], (first + np.arange(count)) % 12)


def load() -> Forecast:
    """The task: 445 stretches for training, 109 for validation, 121 for testing.

    Raises
    ------
    TaskError
        When statsmodels is not installed.
    """
    try:
        from statsmodels.datasets import elnino
    except ImportError as error:
        raise TaskError(
            "the El Niño series comes with statsmodels, which is not installed: "
            "pip install 'addgate[train]'"
        ) from error
    table = elnino.load_pandas().data
    series = table.drop(columns="YEAR").to_numpy(np.float64).reshape(-1)
    seen = series[:TRAIN]
    return Forecast(
        train=cut(series, 0, TRAIN),
        validation=cut(series, TRAIN, TRAIN + VALIDATION),
        test=cut(series, TRAIN + VALIDATION, len(series)),
        normalisation=Normalisation(seen.mean(keepdims=True), 1 / (3 * seen.std(keepdims=True))),
    )
