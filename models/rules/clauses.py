"""A rule as a choice between convex sets of traces: its disjunctive normal form over time steps.

Ma, Gao, Feng and Stankovic, "STLnet" (NeurIPS 2020), make such clauses for their teacher. Here a
clause is what a trace has to obey if each disjunction (or, eventually, when an until ends) is
decided in one way: bounds of single variables at single steps, and half-spaces where a predicate
mixes variables. A trace obeys at least one clause if and only if its robustness reaches the margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from models.rules.formula import (
    Always,
    And,
    Eventually,
    Formula,
    Implies,
    Not,
    Or,
    Predicate,
    RuleError,
    Until,
)

__all__ = ["MAX_CLAUSES", "Clauses", "HalfSpace", "clauses_of"]

MAX_CLAUSES = 1024
"""Clauses at any point of the way; a rule with more is refused."""
_PAIRS = 16
"""As many times more are looked at: most pairs of clauses contradict or contain each other."""


@dataclass(frozen=True)
class HalfSpace:
    """Several variables at one step: the sum of coefficient * variable is at least `bound`."""

    step: int
    terms: tuple[tuple[int, float], ...]
    bound: float


@dataclass(frozen=True, eq=False)
class Clauses:
    """C convex sets of traces [T, V].

    Parameters
    ----------
    lower, upper : float64 [C, T, V]
        -inf and inf where nothing is asked; lower is nowhere above upper.
    mixed : tuple of C frozensets of HalfSpace
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    mixed: tuple[frozenset[HalfSpace], ...]

    def __len__(self) -> int:
        return len(self.mixed)

    def take(self, rows: Iterable[int]) -> Clauses:
        """The clauses of these numbers."""
        chosen = list(rows)
        return Clauses(self.lower[chosen], self.upper[chosen], tuple(self.mixed[i] for i in chosen))


def clauses_of(formula: Formula, steps: int, variables: Sequence[str], margin: float) -> Clauses:
    """All clauses of a rule at the first step of a trace; none where bounds contradict each other.

    Parameters
    ----------
    formula : Formula
        With a horizon below `steps` and no other variables than these.
    steps : int
        T.
    variables : sequence of str
        The V names.
    margin : float
        Robustness that a trace has to reach, in the units of the predicates.

    Raises
    ------
    RuleError
        When there are more than `MAX_CLAUSES`.
    """
    return _Expansion(steps, tuple(variables), margin).of(formula, 0, True)


@dataclass(frozen=True)
class _Expansion:
    steps: int
    variables: tuple[str, ...]
    margin: float

    def of(self, formula: Formula, step: int, wanted: bool) -> Clauses:
        """What a trace obeys if the formula's robustness (or its negative) reaches the margin."""
        # A negation turns "all" into "any": `wanted` says whether an odd number is pending.
        match formula:
            case Predicate():
                return self._predicate(formula, step, wanted)
            case Not(operand):
                return self.of(operand, step, not wanted)
            case And(operands):
                return self._join(wanted, (self.of(o, step, wanted) for o in operands))
            case Or(operands):
                return self._join(not wanted, (self.of(o, step, wanted) for o in operands))
            case Implies(first, second):
                parts = (self.of(first, step, not wanted), self.of(second, step, wanted))
                return self._join(not wanted, parts)
            case Always(begin, end, operand) | Eventually(begin, end, operand):
                every = wanted == isinstance(formula, Always)
                times = range(step + begin, step + end + 1)
                return self._join(every, (self.of(operand, t, wanted) for t in times))
            case Until(begin, end, first, second):
                times = range(step + begin, step + end + 1)
                return self._join(
                    not wanted,
                    (
                        self._join(
                            wanted,
                            (
                                *(self.of(first, earlier, wanted) for earlier in range(step, t)),
                                self.of(second, t, wanted),
                            ),
                        )
                        for t in times
                    ),
                )
        raise TypeError(f"expected a rule, found a {type(formula).__name__}")

    def _predicate(self, predicate: Predicate, step: int, wanted: bool) -> Clauses:
        sign = 1.0 if wanted else -1.0
        bound = sign * predicate.bound + self.margin
        terms = [(self.variables.index(name), sign * c) for name, c in predicate.terms]
        shape = (1, self.steps, len(self.variables))
        lower, upper = np.full(shape, -np.inf), np.full(shape, np.inf)
        if len(terms) > 1:
            return Clauses(lower, upper, (frozenset({HalfSpace(step, tuple(terms), bound)}),))
        variable, c = terms[0]
        (lower if c > 0 else upper)[0, step, variable] = _nearest_value(c, bound)
        return Clauses(lower, upper, (frozenset(),))

    def _join(self, every: bool, parts: Iterable[Clauses]) -> Clauses:
        return reduce(_both if every else _either, parts)


def _nearest_value(c: float, bound: float) -> float:
    """The value with ``c * value >= bound`` that is nearest to breaking it, in floating point."""
    value = bound / c
    outward = np.inf if c > 0 else -np.inf
    while c * value < bound:  # the division was rounded the wrong way
        value = float(np.nextafter(value, outward))
    return value


def _both(a: Clauses, b: Clauses) -> Clauses:
    """Clauses of both: every one of these with every one of those."""
    _check_count(len(a) * len(b) // _PAIRS)
    lower = np.maximum(a.lower[:, None], b.lower[None]).reshape(-1, *a.lower.shape[1:])
    upper = np.minimum(a.upper[:, None], b.upper[None]).reshape(-1, *a.upper.shape[1:])
    mixed = tuple(one | other for one in a.mixed for other in b.mixed)
    possible = np.flatnonzero((lower <= upper).all(axis=(1, 2)))
    return _without_needless(Clauses(lower, upper, mixed).take(possible))


def _either(a: Clauses, b: Clauses) -> Clauses:
    return _without_needless(
        Clauses(
            np.concatenate([a.lower, b.lower]),
            np.concatenate([a.upper, b.upper]),
            a.mixed + b.mixed,
        )
    )


def _without_needless(clauses: Clauses) -> Clauses:
    """Leave out each clause that lies within another."""
    kept = np.ones(len(clauses), dtype=bool)
    for number in range(len(clauses)):
        around = kept & (
            (clauses.lower <= clauses.lower[number]) & (clauses.upper >= clauses.upper[number])
        ).all(axis=(1, 2))
        around[number] = False
        kept[number] = not any(
            clauses.mixed[i] <= clauses.mixed[number] for i in np.flatnonzero(around)
        )
    _check_count(int(kept.sum()))
    return clauses.take(np.flatnonzero(kept))


def _check_count(count: int) -> None:
    if count > MAX_CLAUSES:
        raise RuleError(
            f"expected a rule of at most {MAX_CLAUSES} clauses, found more: each or, eventually "
            "and until multiplies them; make windows shorter or ask for less at once"
        )
