"""One forecast with its bounds: without rules, moved by the teacher, trained with the teacher."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.pictures import new_figure, png
from models.rules.training import RuleBook
from models.tasks.elnino import FIRST_YEAR, STEPS, TRAIN, VALIDATION, Forecast

__all__ = ["picture", "worst"]

_BLACK, _ORANGE, _SKY, _VERMILION = "#000000", "#E69F00", "#56B4E9", "#D55E00"  # Okabe and Ito
_BLUE = "#0072B2"


def worst(robustness: NDArray[np.float64]) -> int:
    """Number of the forecast that breaks its rule most."""
    return int(robustness.argmin())


def picture(
    task: Forecast,
    book: RuleBook,
    number: int,
    without: NDArray[np.float64],
    trained: NDArray[np.float64],
) -> bytes:
    """A PNG of one test forecast.

    Parameters
    ----------
    task : Forecast
    book : RuleBook
    number : int
        Row of the test part.
    without, trained : float64 [N, T, 1]
        Forecasts of networks trained without rules and towards the teacher.
    """
    part = task.test
    month = int(part.month[number])
    moved = book.nearest(without[number : number + 1], part.month[number : number + 1])[0, :, 0]
    clauses = book.teachers[month].clauses
    # What every clause allows, without the margin: the bounds of each calendar month.
    low = clauses.lower.min(axis=0)[:, 0] - book.margin
    high = clauses.upper.max(axis=0)[:, 0] + book.margin
    figure = new_figure(4.2)
    axes = figure.subplots()
    steps, past = np.arange(STEPS), part.x[number, -STEPS:, 0]
    axes.fill_between(steps, low, high, color=_SKY, alpha=0.25, label="bounds of the months")
    axes.plot(np.arange(-STEPS, 0), past, color=_BLACK, label="seen (last 12 of 24 months)")
    axes.plot(steps, part.y[number, :, 0], color=_BLACK, linestyle=":", label="what came")
    axes.plot(steps, without[number, :, 0], "s-", color=_VERMILION, label="without rules")
    axes.plot(steps, moved, "x--", color=_ORANGE, label="the same, moved by the teacher")
    axes.plot(steps, trained[number, :, 0], "o-", color=_BLUE, label="trained with the teacher")
    first = TRAIN + VALIDATION + number
    year = FIRST_YEAR + first // 12
    axes.set_xticks(np.arange(-STEPS, STEPS, 3), [_label(first + s) for s in range(-12, 12, 3)])
    axes.set_ylabel("sea surface temperature, °C")
    axes.set_title(f"Niño 1+2, forecast from {_MONTHS[month]} {year}, ternary additive gates")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    return png(figure)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _label(month: int) -> str:
    return f"{_MONTHS[month % 12]} {FIRST_YEAR + month // 12}"
