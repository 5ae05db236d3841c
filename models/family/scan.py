"""The loop over time steps for cells that PyTorch has no loop of its own for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["scan"]


def scan(
    step: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, state: Tensor, valid: Tensor | None
) -> Tensor:
    """States after each step, each from the one before it.

    Parameters
    ----------
    step : callable
        Takes a step's inputs [N, ...] and a state [N, S], and returns the next state.
    inputs : Tensor [T, N, ...]
    state : Tensor [N, S]
        Before the first step.
    valid : Tensor, bool [T, N, 1], or None
        Where False, the state holds.

    Returns
    -------
    Tensor [T, N, S]
    """
    states = []
    for number, x in enumerate(inputs):
        new = step(x, state)
        state = new if valid is None else torch.where(valid[number], new, state)
        states.append(state)
    return torch.stack(states)
