"""The additive ReLU gate as one differentiable operation, in floating point.

Source: this project's own application of the idea of Brännvall et al., "ReLU and Addition-based
Gated RNN" (arXiv 2308.05629), built from the Inhibitor's signed form
S(v, z) = ReLU(v - z) - ReLU(-v - z) (arXiv 2310.02041); it is not the equation of that paper::

    z  = ReLU(pz)                              inhibition
    c  = clip(pc, -1, 1)                       candidate
    h' = h + clip(softshrink(c - h, theta), -z, z)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["gate"]


def gate(
    p: Tensor,
    h: Tensor,
    theta: float = 0.0,
    steps: int | None = None,
) -> Tensor:
    """New state from pre-activations and old state.

    Parameters
    ----------
    p : Tensor [N, 2H]
        Pre-activations, z of all units first, then c.
    h : Tensor [N, H]
    theta : float
        Dead zone: a difference c - h of at most theta moves nothing. At least 0.
    steps : int, optional
        Steps per unit, 2**hb: values lie on the grid of 1/steps, p is rounded down to it, z is
        cut at (2M + 1)/steps and c at M/steps with M = steps - 1. None computes on real
        numbers, with c cut at 1.

    Returns
    -------
    Tensor [N, H]

    Notes
    -----
    The derivative dh'/dh is 1 while a state is held or rate-limited and 0 where it is
    overwritten; clip and ReLU have a true zero derivative where they are flat (a surrogate
    there breaks training), rounding down has derivative 1.
    """
    return _Gate.apply(p, h, theta, steps)


class _Gate(torch.autograd.Function):
    """Written out by hand: autograd would keep, and launch, three times as many operations."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, h: Tensor, theta: float, steps: int | None) -> Tensor:
        if steps is not None:
            p = torch.floor(p * steps) / steps
        top = 1.0 if steps is None else (steps - 1) / steps
        pz, pc = p.chunk(2, dim=-1)
        z = pz.clamp(min=0.0) if steps is None else pz.clamp(0.0, (2 * steps - 1) / steps)
        gap = pc.clamp(-top, top) - h
        move = torch.nn.functional.softshrink(gap, theta) if theta else gap
        ctx.save_for_backward(pz, pc, z, move)
        ctx.limits = (theta, top, steps)
        return h + torch.clamp(move, -z, z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        pz, pc, z, move = ctx.saved_tensors
        theta, top, steps = ctx.limits
        # Held or rate-limited states pass the gradient on; where z = 0 the state is held even
        # if c happens to equal h, and inside the dead zone nothing moves whatever z is.
        follows = (move.abs() <= z) & (z > 0)
        if theta:
            follows &= move != 0
        to_c = grad * follows
        limited = grad * move.sign() * ~follows * (pz > 0)
        if steps is not None:
            limited = limited * (pz < (2 * steps - 1) / steps)
        return torch.cat((limited, to_c * (pc.abs() <= top)), dim=-1), grad - to_c, None, None
