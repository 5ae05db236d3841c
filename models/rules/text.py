"""Rules as text: a part of rtamt's language, so that one string feeds both.

    always[0,11] ((sst >= 18.5) and (sst <= 29.5))
    (sst <= 23) until[2,6] (sst >= 23)
    eventually[0,9] always[0,2] (0.5*north + -1*south >= 1.5e-1)

A rule is a predicate, a rule in parentheses, or made of such by not, always[a,b], eventually[a,b],
and, or, implies, until[a,b]. What stands behind a word of one operand is in parentheses or another
such word; different words of two operands are kept apart by parentheses. Nothing is left to
precedence, which other readers of the language may see otherwise. Rules stand within each other at
most `MOST_NESTED` deep, in the text that is read and in the one that is written back.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import NoReturn

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

__all__ = ["MOST_NESTED", "parse"]

MOST_NESTED = 100
"""Pairs of parentheses within each other, and words of one operand. What reads, writes and measures
rules calls itself a few times for each, and Python allows a thousand calls."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>>=|<=|[-+*()\[\],<>]))"
)
_WORDS = ("not", "always", "eventually", "and", "or", "implies", "until")


def parse(text: str) -> Formula:
    """Read a rule; `str` of what comes back is the same rule, fully in parentheses.

    Raises
    ------
    RuleError
        Where the text is no rule: what was expected, what was found, and at which character; or
        where rules are nested deeper than `MOST_NESTED`.
    """
    reader = _Reader(text)
    formula = reader.rule()
    if reader.token:
        reader.fail("the end, or parentheses where different words meet")
    # Written, it may have more parentheses than here, and must be a rule as well.
    deepest = max(accumulate((sign == "(") - (sign == ")") for sign in str(formula)))
    if deepest > MOST_NESTED:
        raise RuleError(
            f"expected rules at most {MOST_NESTED} deep within each other, found {deepest} when "
            "fully in parentheses"
        )
    return formula


class _Reader:
    """Recursive descent; `token` is the next one, "" at the end."""

    def __init__(self, text: str) -> None:
        self.text, self.start, self.end = text, 0, 0
        self.token, self.kind = "", ""
        self.nested = 0
        self.advance()

    def advance(self) -> str:
        """Return the token that was next, and go on to the one behind it."""
        last = self.token
        found = _TOKEN.match(self.text, self.end)
        rest = self.text[self.end :]
        if found is None and rest.strip():
            self.start = self.end + len(rest) - len(rest.lstrip())
            self.token, self.kind = self.text[self.start], "character"
            return last
        if found is None:
            self.start, self.token, self.kind = len(self.text), "", "end"
            return last
        self.kind = found.lastgroup or ""
        self.start, self.end, self.token = found.start(self.kind), found.end(), found[self.kind]
        return last

    def fail(self, expected: str) -> NoReturn:
        found = repr(self.token) if self.token else "the end"
        raise RuleError(
            f"expected {expected}, found {found} at character {self.start + 1} of {self.text!r}"
        )

    def take(self, token: str) -> None:
        if self.token != token:
            self.fail(repr(token))
        self.advance()

    def rule(self) -> Formula:
        first = self.operand()
        word = self.token
        if word == "until":
            self.advance()
            begin, end = self.window()
            return Until(begin, end, first, self.operand())
        if word == "implies":
            self.advance()
            return Implies(first, self.operand())
        if word not in ("and", "or"):
            return first
        operands = [first]
        while self.token == word:
            self.advance()
            operands.append(self.operand())
        return And(tuple(operands)) if word == "and" else Or(tuple(operands))

    def operand(self) -> Formula:
        word = self.token
        if word not in ("(", "not", "always", "eventually"):
            return self.predicate()
        self.nested += 1
        if self.nested > MOST_NESTED:
            raise RuleError(
                f"expected rules at most {MOST_NESTED} deep within each other, found {word!r} at "
                f"character {self.start + 1}, one deeper"
            )
        formula = self.parenthesis() if word == "(" else self.worded(word)
        self.nested -= 1
        return formula

    def parenthesis(self) -> Formula:
        self.take("(")
        formula = self.rule()
        self.take(")")
        return formula

    def worded(self, word: str) -> Formula:
        """What a word of one operand makes of it."""
        self.advance()
        begin, end = (0, 0) if word == "not" else self.window()
        if self.token not in ("(", "not", "always", "eventually"):
            self.fail(f"'(' behind {word!r}")
        # Parentheses behind a word are no level of their own.
        inner = self.parenthesis() if self.token == "(" else self.operand()
        if word == "not":
            return Not(inner)
        return (Always if word == "always" else Eventually)(begin, end, inner)

    def window(self) -> tuple[int, int]:
        if self.token != "[":
            self.fail("a window such as [0,11]")
        self.advance()
        begin = self.step()
        self.take(",")
        end = self.step()
        self.take("]")
        return begin, end

    def step(self) -> int:
        if not self.token.isdecimal():
            self.fail("a number of time steps")
        return int(self.advance())

    def predicate(self) -> Predicate:
        """``left >= right``: all names are taken to the left, all numbers to the right."""
        left, constant = self.side()
        relation = self.token
        if relation in ("<", ">"):
            self.fail("'>=' or '<=' (robustness does not tell them from '>' and '<')")
        if relation not in (">=", "<="):
            self.fail("'>=' or '<='")
        self.advance()
        right, bound = self.side()
        sign = 1.0 if relation == ">=" else -1.0
        for name, c in right.items():
            left[name] = left.get(name, 0.0) - c
        terms = tuple((name, sign * c) for name, c in sorted(left.items()) if c)
        return Predicate(terms, sign * (bound - constant) + 0.0)

    def side(self) -> tuple[dict[str, float], float]:
        """Coefficients by name, and the sum of what stands alone."""
        coefficients: dict[str, float] = {}
        constant, sign = 0.0, 1.0
        while True:
            if self.token == "-":
                self.advance()
                sign = -sign
            value, name = self.term()
            if name:
                coefficients[name] = coefficients.get(name, 0.0) + sign * value
            else:
                constant += sign * value
            if self.token not in ("+", "-"):
                return coefficients, constant
            sign = -1.0 if self.advance() == "-" else 1.0

    def term(self) -> tuple[float, str]:
        if self.kind == "word":
            return 1.0, self.name()
        if self.kind != "number":
            self.fail("a number or a name")
        value = float(self.advance())
        if self.token != "*":
            return value, ""
        self.advance()
        return value, self.name()

    def name(self) -> str:
        if self.kind != "word" or self.token in _WORDS:
            self.fail("a name")
        return self.advance()
