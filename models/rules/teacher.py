"""The teacher: of all traces that satisfy a rule, the one nearest to a prediction.

As in STLnet (`models.rules.clauses`): the nearest point of each clause, and of those the nearest.
Clauses are convex and together they are the rule, so the answer is exact, in the sum of squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from models.rules.clauses import Clauses, HalfSpace, clauses_of
from models.rules.formula import Formula, RuleError
from models.rules.robustness import check_fit

__all__ = ["Teacher"]

_NUMBERS_AT_ONCE = 1 << 22
_TOLERANCE = 1e-9


class Teacher:
    """Moves traces as little as possible so that they satisfy a rule.

    Parameters
    ----------
    formula : Formula
    steps : int
        T of the traces, above the rule's horizon.
    variables : sequence of str
        Names of the V variables.
    margin : float
        Robustness that a trace is to reach, at least 0, in the units of the predicates.

    Attributes
    ----------
    clauses : Clauses
        The convex sets that it chooses from.

    Raises
    ------
    RuleError
        When no trace satisfies the rule with that margin, the traces do not fit the rule, or it
        has too many clauses.
    """

    def __init__(
        self, formula: Formula, steps: int, variables: Sequence[str], margin: float = 0.0
    ) -> None:
        if not 0 <= margin < np.inf:
            raise RuleError(f"margin must be a finite number of at least 0, not {margin}")
        check_fit(formula, steps, variables)
        self.shape = (steps, len(variables))
        found = clauses_of(formula, steps, variables, margin)
        self.clauses = found.take(i for i in range(len(found)) if self._possible(found, i))
        if not len(self.clauses):
            raise RuleError(
                f"expected a rule that some trace satisfies with margin {margin:g}, found one that "
                f"contradicts itself: {formula}"
            )
        self._mixed = any(self.clauses.mixed)

    def nearest(self, traces: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest satisfying traces.

        Parameters
        ----------
        traces : float64 [N, T, V]

        Returns
        -------
        float64 [N, T, V]
            With a robustness of at least the margin, to within 1e-9 of the numbers' size where a
            predicate mixes variables, and to rounding otherwise: with a margin of 0 and bounds
            alone it is never below 0. A trace that satisfies the rule with the margin comes back
            as it is.
        """
        if traces.ndim != 3 or traces.shape[1:] != self.shape:
            raise RuleError(
                f"traces must have shape [N, {self.shape[0]}, {self.shape[1]}], not "
                f"{list(traces.shape)}"
            )
        if not np.isfinite(traces).all():
            raise RuleError("traces must be finite, found infinite or undefined values")
        traces = traces.astype(np.float64)
        size = max(1, _NUMBERS_AT_ONCE // self.clauses.lower.size)
        pieces = [self._nearest(traces[i : i + size]) for i in range(0, len(traces), size)]
        return np.concatenate(pieces) if pieces else traces

    def _nearest(self, traces: NDArray[np.float64]) -> NDArray[np.float64]:
        lower, upper = self.clauses.lower, self.clauses.upper
        spread = traces[:, None]
        off = np.maximum(lower - spread, 0.0) + np.maximum(spread - upper, 0.0)
        distance = (off**2).sum(axis=(2, 3))
        if self._mixed:
            return np.stack([self._search(x, d) for x, d in zip(traces, distance, strict=True)])
        best = distance.argmin(axis=1)
        return np.clip(traces, lower[best], upper[best])

    def _search(
        self, trace: NDArray[np.float64], distance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The nearest point of all clauses, those first whose bounds alone move the trace least."""
        found, least = trace, np.inf
        for number in np.argsort(distance, kind="stable"):
            if distance[number] >= least:  # and half-spaces only move it further
                break
            point = _project(trace, self.clauses, int(number))
            assert point is not None  # impossible clauses were left out
            length = float(((point - trace) ** 2).sum())
            if length < least:
                found, least = point, length
        return found

    def _possible(self, clauses: Clauses, number: int) -> bool:
        return _project(np.zeros(self.shape), clauses, number) is not None


def _project(
    trace: NDArray[np.float64], clauses: Clauses, number: int
) -> NDArray[np.float64] | None:
    """The nearest point of one clause, or None if it has none."""
    lower, upper = clauses.lower[number], clauses.upper[number]
    point = np.clip(trace, lower, upper)
    mixed = sorted(clauses.mixed[number], key=lambda space: space.step)
    if all(_value(space, point) >= space.bound for space in mixed):
        return point
    for step in sorted({space.step for space in mixed}):  # steps do not touch each other
        spaces = [space for space in mixed if space.step == step]
        moved = _project_step(trace[step], lower[step], upper[step], spaces)
        if moved is None:
            return None
        point[step] = moved
    return point


def _value(space: HalfSpace, trace: NDArray[np.float64]) -> float:
    return float(sum(c * trace[space.step, variable] for variable, c in space.terms))


def _project_step(
    x: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    spaces: Sequence[HalfSpace],
) -> NDArray[np.float64] | None:
    """The nearest point of a polyhedron, or None if it is empty: x, lower, upper [V].

    Least distance programming by non-negative least squares: Lawson and Hanson, "Solving Least
    Squares Problems" (1974), chapter 23.
    """
    rows, bounds = [], []
    for space in spaces:
        row = np.zeros(len(x))
        for variable, c in space.terms:
            row[variable] = c
        size = float(np.linalg.norm(row))
        rows.append(row / size)
        bounds.append(space.bound / size)
    for variable in range(len(x)):
        for sign, bound in ((1.0, lower[variable]), (-1.0, upper[variable])):
            if np.isfinite(bound):
                row = np.zeros(len(x))
                row[variable] = sign
                rows.append(row)
                bounds.append(sign * bound)
    matrix, bound = np.array(rows), np.array(bounds)
    wanted = bound - matrix @ x
    scale = float(np.abs(wanted).max())
    if scale == 0.0:
        return x.copy()
    last = np.append(np.zeros(len(x)), 1.0)
    weights, rest = nnls(np.vstack([matrix.T, wanted / scale]), last)
    residual = np.vstack([matrix.T, wanted / scale]) @ weights - last
    if rest < _TOLERANCE or residual[-1] >= 0:
        return None
    moved = x - scale * residual[:-1] / residual[-1]
    size = np.maximum(1.0, np.abs(bound) + np.abs(x).max() + scale)
    return moved if (matrix @ moved >= bound - _TOLERANCE * size).all() else None
