"""What a rule is: signal temporal logic in discrete time, over predicates affine in variables.

Maler and Nickovic, "Monitoring temporal properties of continuous signals" (FORMATS 2004); windows
count time steps. Text: `models.rules.text`; meaning: `models.rules.robustness`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite

__all__ = [
    "Always",
    "And",
    "Eventually",
    "Formula",
    "Implies",
    "Not",
    "Or",
    "Predicate",
    "RuleError",
    "Until",
]


class RuleError(ValueError):
    """A rule that cannot be read, used or satisfied; says what was expected."""


class Formula(ABC):
    """A rule; its text is that of rtamt, fully in parentheses, and `text.parse` reads it back.

    It compares equal to a rule that is written the same.
    """

    @property
    @abstractmethod
    def horizon(self) -> int:
        """Last time step that the truth at step 0 depends on."""

    @property
    @abstractmethod
    def variables(self) -> tuple[str, ...]:
        """Names that occur, in alphabetical order."""


@dataclass(frozen=True)
class Predicate(Formula):
    """``c1*name1 + c2*name2 + ... >= bound``; its robustness is the left side minus the bound.

    Parameters
    ----------
    terms : tuple of (str, float)
        Names, each once, in alphabetical order, and their coefficients, none of them 0.
    bound : float
    """

    terms: tuple[tuple[str, float], ...]
    bound: float

    def __post_init__(self) -> None:
        names = [name for name, _ in self.terms]
        if not names or names != sorted(set(names)):
            raise RuleError(f"a predicate needs names, each once and in order, not {names}")
        numbers = [self.bound, *(c for _, c in self.terms)]
        if not all(map(isfinite, numbers)) or 0 in numbers[1:]:
            raise RuleError(
                f"a predicate needs finite numbers and coefficients that are not 0, not {numbers}"
            )

    @property
    def horizon(self) -> int:
        return 0

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.terms)

    def __str__(self) -> str:
        # Sums alone: rtamt reads "3*y - 1" as two things beside each other.
        sides = (name if c == 1 else f"{c!r}*{name}" for name, c in self.terms)
        return f"{' + '.join(sides)} >= {self.bound!r}"


@dataclass(frozen=True)
class Not(Formula):
    """The opposite."""

    operand: Formula

    @property
    def horizon(self) -> int:
        return self.operand.horizon

    @property
    def variables(self) -> tuple[str, ...]:
        return self.operand.variables

    def __str__(self) -> str:
        return f"not ({self.operand})"


@dataclass(frozen=True)
class _Joined(Formula):
    operands: tuple[Formula, ...]

    word = ""

    def __post_init__(self) -> None:
        if len(self.operands) < 2:
            raise RuleError(f"{self.word!r} needs at least two rules, not {len(self.operands)}")

    @property
    def horizon(self) -> int:
        return max(operand.horizon for operand in self.operands)

    @property
    def variables(self) -> tuple[str, ...]:
        return _names(*self.operands)

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({operand})" for operand in self.operands)


class And(_Joined):
    """All of two rules or more."""

    word = "and"


class Or(_Joined):
    """At least one of two rules or more."""

    word = "or"


@dataclass(frozen=True)
class Implies(Formula):
    """The second holds where the first does."""

    first: Formula
    second: Formula

    @property
    def horizon(self) -> int:
        return max(self.first.horizon, self.second.horizon)

    @property
    def variables(self) -> tuple[str, ...]:
        return _names(self.first, self.second)

    def __str__(self) -> str:
        return f"({self.first}) implies ({self.second})"


@dataclass(frozen=True)
class _Windowed(Formula):
    begin: int
    end: int
    operand: Formula

    word = ""

    def __post_init__(self) -> None:
        _check_window(self.begin, self.end)

    @property
    def horizon(self) -> int:
        return self.end + self.operand.horizon

    @property
    def variables(self) -> tuple[str, ...]:
        return self.operand.variables

    def __str__(self) -> str:
        return f"{self.word}[{self.begin},{self.end}] ({self.operand})"


class Always(_Windowed):
    """At every step from `begin` to `end` later, both included."""

    word = "always"


class Eventually(_Windowed):
    """At some step from `begin` to `end` later, both included."""

    word = "eventually"


@dataclass(frozen=True)
class Until(Formula):
    """The second holds at some step from `begin` to `end` later, the first at all steps before it.

    "Before it" starts at the present step, whatever `begin` is, and leaves out the step at which
    the second holds: rtamt's reading.
    """

    begin: int
    end: int
    first: Formula
    second: Formula

    def __post_init__(self) -> None:
        _check_window(self.begin, self.end)

    @property
    def horizon(self) -> int:
        second = self.end + self.second.horizon
        return max(second, self.end - 1 + self.first.horizon) if self.end else second

    @property
    def variables(self) -> tuple[str, ...]:
        return _names(self.first, self.second)

    def __str__(self) -> str:
        return f"({self.first}) until[{self.begin},{self.end}] ({self.second})"


def _names(*formulas: Formula) -> tuple[str, ...]:
    return tuple(sorted({name for formula in formulas for name in formula.variables}))


def _check_window(begin: int, end: int) -> None:
    if not 0 <= begin <= end:
        raise RuleError(f"a window must be [a,b] with 0 <= a <= b, not [{begin},{end}]")
