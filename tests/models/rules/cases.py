"""What the tests of rules share: drawn rules and traces, and the plainest meaning of a rule."""

import numpy as np
import torch
from hypothesis import strategies as st

from models.rules.formula import (
    Always,
    And,
    Eventually,
    Implies,
    Not,
    Or,
    Predicate,
    Until,
)
from models.rules.robustness import robustness
from models.tasks.elnino import VARIABLE

NAMES = ("x", "y")
STEPS = 10
"""No drawn rule looks further than step 9."""

# Multiples of 1/4, few enough that ties and robustness 0 occur.
NUMBERS = st.integers(-12, 12).map(lambda n: n / 4)
COEFFICIENTS = st.sampled_from([-2.0, -1.0, 0.5, 1.0, 3.0])


def windows(longest=3):
    return st.tuples(st.integers(0, longest), st.integers(0, longest)).map(
        lambda pair: (min(pair), max(pair))
    )


def predicates(mixed=True):
    names = [("x",), ("y",), ("x", "y")][: 3 if mixed else 2]
    return st.builds(
        lambda chosen, c, d, bound: Predicate(tuple(zip(chosen, (c, d), strict=False)), bound),
        st.sampled_from(names),
        COEFFICIENTS,
        COEFFICIENTS,
        NUMBERS,
    )


def rules(depth=3, mixed=True, longest=3):
    """Rules of at most `depth` words above a predicate."""
    if depth == 0:
        return predicates(mixed)
    inner = rules(depth - 1, mixed, longest)
    pairs = st.lists(inner, min_size=2, max_size=3).map(tuple)
    timed = [
        st.builds(lambda w, rule, kind=kind: kind(*w, rule), windows(longest), inner)
        for kind in (Always, Eventually)
    ]
    return st.one_of(
        predicates(mixed),
        st.builds(Not, inner),
        st.builds(And, pairs),
        st.builds(Or, pairs),
        st.builds(Implies, inner, inner),
        *timed,
        st.builds(lambda w, a, b: Until(*w, a, b), windows(longest), inner, inner),
    )


def traces(count, steps=STEPS, variables=2):
    """Multiples of 1/4 in [-3, 3], float64 [count, steps, variables]."""
    seeds = st.integers(0, 2**32 - 1)
    return seeds.map(
        lambda seed: np.random.default_rng(seed).integers(-12, 13, (count, steps, variables)) / 4.0
    )


def holds(rule, trace, step=0):
    """The truth of a rule at a step of one trace [T, V], as a logician would write it."""
    match rule:
        case Predicate(terms, bound):
            return sum(c * trace[step][NAMES.index(name)] for name, c in terms) >= bound
        case Not(operand):
            return not holds(operand, trace, step)
        case And(operands):
            return all(holds(operand, trace, step) for operand in operands)
        case Or(operands):
            return any(holds(operand, trace, step) for operand in operands)
        case Implies(first, second):
            return not holds(first, trace, step) or holds(second, trace, step)
        case Always(begin, end, operand):
            return all(holds(operand, trace, step + k) for k in range(begin, end + 1))
        case Eventually(begin, end, operand):
            return any(holds(operand, trace, step + k) for k in range(begin, end + 1))
        case Until(begin, end, first, second):
            return any(
                holds(second, trace, step + k)
                and all(holds(first, trace, step + earlier) for earlier in range(k))
                for k in range(begin, end + 1)
            )
    raise AssertionError(rule)


def robustness_of_months(rules, part):
    """Robustness of what came, each stretch by the rule of its month."""
    return np.array(
        [
            float(robustness(rules[month], torch.from_numpy(y[None]), (VARIABLE,)))
            for month, y in zip(part.month, part.y, strict=True)
        ]
    )
