"""The hold regularizer: a differentiable count of the hidden units that change.

An event is a hidden unit whose state is not what it was a step before, and events are what the
engine's time goes into. Their number is a staircase, so training sees a smooth one instead: a
change of size d counts as d / (d + HALF_EVENT), nothing for a unit that holds, nearly one for a
large change. Being concave it rewards one unit that holds entirely more than two that move a
little less, as the sum of |d| would not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.float_network import Output

__all__ = ["HALF_EVENT", "movement"]

HALF_EVENT = 0.1
"""A change of state of this size, states being in [-1, 1], counts as half an event."""


def movement(output: Output) -> Tensor:
    """Share of units that change in a step, softly counted.

    Parameters
    ----------
    output : Output
        Of sequences that start at h = 0; steps beyond a sequence's length do not count.

    Returns
    -------
    Tensor []
        Mean over all valid steps and the units of all layers, in [0, 1); exactly 0 for a
        network that holds every state. Its gradient pulls a changed state towards the state
        before; it is zero where nothing changed.
    """
    moved, pairs = output.logits.new_zeros(()), 0
    for states in output.states:
        # Beyond its length a sequence holds, so what is not valid adds nothing.
        size = torch.diff(states, dim=1, prepend=torch.zeros_like(states[:, :1])).abs()
        moved = moved + (size / (size + HALF_EVENT)).sum()
        pairs += states.shape[2]
    return moved / (pairs * output.valid.sum())
