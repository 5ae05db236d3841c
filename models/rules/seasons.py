"""Rules about a year of monthly values, drawn from the training part alone.

What every year of the training part did is asked of each year foretold, for each calendar month
that it may begin with:

- always: each month stays within the extremes of its namesakes;
- eventually always: three warm months follow each other, and three cold ones;
- until: where all those years begin on one side of the mean, they cross it no earlier and no later
  than all did.

Bounds are rounded outward to a tenth of a degree, so the training part satisfies every rule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.rules.formula import Formula, RuleError
from models.rules.text import parse
from models.tasks.elnino import STEPS, VARIABLE, ForecastPart

__all__ = ["LASTING", "rule_text", "yearly_rules"]

LASTING = 3
"""Months that a warm or cold season lasts at least."""


def yearly_rules(part: ForecastPart) -> tuple[Formula, ...]:
    """The rule for each calendar month, 0 to 11, that a forecast may begin with."""
    return tuple(parse(rule_text(part, month)) for month in range(12))


def rule_text(part: ForecastPart, month: int) -> str:
    """The rule for forecasts that begin in a month, as text.

    Parameters
    ----------
    part : ForecastPart
        The training part.
    month : int
        0 to 11.

    Raises
    ------
    RuleError
        When no stretch of the part begins in that month.
    """
    years = part.y[part.month == month, :, 0]
    if not len(years):
        raise RuleError(f"expected stretches that begin in month {month}, found none")
    clauses = [
        f"(always[{t},{t}] (({VARIABLE} >= {low}) and ({VARIABLE} <= {high})))"
        for t, (low, high) in enumerate(
            zip(_down(years.min(axis=0)), _up(years.max(axis=0)), strict=True)
        )
    ]
    spans = np.lib.stride_tricks.sliding_window_view(years, LASTING, axis=1)
    warm = _down(spans.min(axis=2).max(axis=1).min(keepdims=True))[0]
    cold = _up(spans.max(axis=2).min(axis=1).max(keepdims=True))[0]
    last = STEPS - LASTING
    for side in (f"{VARIABLE} >= {warm}", f"{VARIABLE} <= {cold}"):
        clauses.append(f"(eventually[0,{last}] (always[0,{LASTING - 1}] ({side})))")
    return " and ".join([*clauses, *_crossing(part, years)])


def _crossing(part: ForecastPart, years: NDArray[np.float64]) -> list[str]:
    mean = float(np.round(part.y.mean(), 1))
    for before, behind, beyond in (
        ("<=", ">=", years >= mean),
        (">=", "<=", years <= mean),
    ):
        if not beyond[:, 0].any() and beyond.any(axis=1).all():
            first = beyond.argmax(axis=1)
            return [
                f"(({VARIABLE} {before} {mean}) until[{first.min()},{first.max()}] "
                f"({VARIABLE} {behind} {mean}))"
            ]
    return []


def _down(values: NDArray[np.float64]) -> list[float]:
    return [float(v) for v in np.round(np.floor(np.round(values * 10, 6)) / 10, 1)]


def _up(values: NDArray[np.float64]) -> list[float]:
    return [float(v) for v in np.round(np.ceil(np.round(values * 10, 6)) / 10, 1)]
