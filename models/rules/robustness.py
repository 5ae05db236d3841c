"""How well a batch of traces satisfies a rule, differentiable.

Quantitative semantics of Donzé and Maler, "Robust satisfaction of temporal logic over real-valued
signals" (FORMATS 2010), with exact minima and maxima: a trace whose robustness is above 0
satisfies the rule, one below 0 does not, and no change smaller than it (in the units of the
predicates) alters that. At exactly 0 the rule counts as satisfied (`satisfied`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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

__all__ = ["check_fit", "robustness", "satisfied"]


def robustness(formula: Formula, traces: Tensor, variables: Sequence[str]) -> Tensor:
    """Robustness at the first step of each trace.

    Parameters
    ----------
    formula : Formula
    traces : Tensor [N, T, V]
        T above the formula's horizon: no window passes the end, where every library has its own
        reading of what is not there.
    variables : sequence of str
        Names of the V variables.

    Returns
    -------
    Tensor [N]
        In the units of the predicates. Where several steps or predicates are equally decisive,
        they share the gradient.

    Raises
    ------
    RuleError
        When the traces are too short, or lack a variable.
    """
    if traces.dim() != 3:
        raise RuleError(f"traces must have shape [N, T, variables], not {list(traces.shape)}")
    check_fit(formula, traces.shape[1], variables)
    if traces.shape[2] != len(variables):
        raise RuleError(f"traces must have {len(variables)} variables, not {traces.shape[2]}")
    index = {name: number for number, name in enumerate(variables)}
    return _signal(formula, traces, index)[:, 0]


def satisfied(formula: Formula, traces: Tensor, variables: Sequence[str]) -> Tensor:
    """Whether each trace satisfies the rule, bool [N]; see `robustness`."""
    return robustness(formula, traces, variables) >= 0


def check_fit(formula: Formula, steps: int, variables: Sequence[str]) -> None:
    """Refuse traces that a rule does not speak of.

    Raises
    ------
    RuleError
        When there are too few steps or a variable is missing.
    """
    if formula.horizon >= steps:
        raise RuleError(
            f"the rule looks {formula.horizon} steps ahead and so needs traces of at least "
            f"{formula.horizon + 1} steps, not {steps}"
        )
    missing = [name for name in formula.variables if name not in variables]
    if missing:
        raise RuleError(f"expected only the variables {', '.join(variables)}, found {missing[0]!r}")


def _signal(formula: Formula, x: Tensor, index: dict[str, int]) -> Tensor:
    """Robustness at every step whose windows lie within the trace: [N, T - horizon]."""
    match formula:
        case Predicate(terms, bound):
            return sum((c * x[..., index[name]] for name, c in terms), -bound * x.new_ones(()))
        case Not(operand):
            return -_signal(operand, x, index)
        case And(operands):
            return _aligned(*(_signal(operand, x, index) for operand in operands)).amin(dim=0)
        case Or(operands):
            return _aligned(*(_signal(operand, x, index) for operand in operands)).amax(dim=0)
        case Implies(first, second):
            return _aligned(-_signal(first, x, index), _signal(second, x, index)).amax(dim=0)
        case Always(begin, end, operand):
            return _windows(_signal(operand, x, index), begin, end).amin(dim=2)
        case Eventually(begin, end, operand):
            return _windows(_signal(operand, x, index), begin, end).amax(dim=2)
        case Until(begin, end, first, second):
            steps = x.shape[1] - formula.horizon
            ends = _signal(second, x, index)
            # In [0,0] the first is asked nowhere, and may look beyond the trace.
            holds = _signal(first, x, index) if end else ends
            best: Tensor | None = None
            before: Tensor | None = None  # least of the first so far
            for k in range(end + 1):
                if k >= begin:
                    here = ends[:, k : k + steps]
                    here = here if before is None else torch.minimum(here, before)
                    best = here if best is None else torch.maximum(best, here)
                if k < end:
                    now = holds[:, k : k + steps]
                    before = now if before is None else torch.minimum(before, now)
            assert best is not None
            return best
    raise TypeError(f"expected a rule, found a {type(formula).__name__}")


def _windows(signal: Tensor, begin: int, end: int) -> Tensor:
    """[N, T] to [N, T - end, end - begin + 1]."""
    if begin == end:
        return signal[:, begin:, None]  # as below, and quicker
    return signal[:, begin:].unfold(1, end - begin + 1, 1)


def _aligned(*signals: Tensor) -> Tensor:
    """One above the other, cut to the steps at which all are known: [signals, N, T]."""
    steps = min(signal.shape[1] for signal in signals)
    return torch.stack([signal[:, :steps] for signal in signals])
