"""The additive ReLU gate as a differentiable operation, in floating point.

Source: this project's own application of the idea of Brännvall et al., "ReLU and Addition-based
Gated RNN" (arXiv 2308.05629), built from the Inhibitor's signed form
S(v, z) = ReLU(v - z) - ReLU(-v - z) (arXiv 2310.02041); it is not the equation of that paper::

    z  = ReLU(pz)                              inhibition
    c  = clip(pc, -1, 1)                       candidate
    h' = h + clip(softshrink(c - h, theta), -z, z)

Its derivatives are written out by hand. dh'/dh is 1 while a state is held or rate-limited and 0
where it is overwritten; clip and ReLU have a true zero derivative where they are flat (a
surrogate there breaks training); rounding down has derivative 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softshrink

from models.gate_kernel import has_kernel, kernel

__all__ = ["compiled", "gate", "gate_sequence"]


def gate(p: Tensor, h: Tensor, theta: float = 0.0, steps: int | None = None) -> Tensor:
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
    """
    new = _Gate.apply(p, h, theta, steps)
    assert isinstance(new, Tensor)
    return new


def gate_sequence(
    inputs: Tensor,
    recurrent: Tensor,
    h: Tensor,
    valid: Tensor | None = None,
    theta: float = 0.0,
    steps: int | None = None,
    reuse: bool = False,
) -> Tensor:
    """All steps of a batch at once: ``h = gate(inputs[t] + h @ recurrent.T, h)`` for every t.

    The same numbers as step by step, several times faster: autograd would keep, and launch, an
    operation for each line of the gate at each step, and a product for each step's gradient of
    the recurrent weights.

    Parameters
    ----------
    inputs : Tensor [T, N, 2H]
        Input part of the pre-activations, bias included.
    recurrent : Tensor [2H, H]
    h : Tensor [N, H]
    valid : Tensor, bool [T, N, 1], optional
        Where False, the state holds.
    theta, steps
        As for `gate`.
    reuse : bool
        Nobody else needs the inputs: they may be overwritten.

    Returns
    -------
    Tensor [T, N, H], the state after each step

    Raises
    ------
    ValueError, TypeError
        When a shape is not as above, or valid is not bool.
    """
    if inputs.dim() != 3 or inputs.shape[2] % 2:
        raise ValueError(f"inputs must be [T, N, 2H], not {list(inputs.shape)}")
    length, count, wide = inputs.shape
    for name, tensor, shape in (
        ("recurrent", recurrent, (wide, wide // 2)),
        ("h", h, (count, wide // 2)),
    ):
        if tensor.shape != shape:
            raise ValueError(f"{name} must be {list(shape)}, not {list(tensor.shape)}")
    if valid is not None:
        if valid.dtype != torch.bool:
            raise TypeError(f"valid must be bool, not {valid.dtype}")
        if valid.shape != (length, count, 1):
            raise ValueError(f"valid must be {[length, count, 1]}, not {list(valid.shape)}")
    states = _GateSequence.apply(inputs, recurrent, h, valid, theta, steps, reuse)
    assert isinstance(states, Tensor)
    return states


_compiled: ContextVar[bool] = ContextVar("compiled", default=False)  # a thread's own


@contextmanager
def compiled(enabled: bool = True) -> Iterator[None]:
    """Within, in this thread, `gate_sequence` takes its time steps in compiled code.

    That is, for float32 or float64 on the CPU; other tensors go on in PyTorch's operations.

    The same states bit for bit on the integer grid, and the same but for rounding on real numbers;
    gradients are the same but for rounding. So a network that is trained with it differs in the end
    from one that is trained without it, but not from machine to machine by the gate.

    Parameters
    ----------
    enabled : bool
        False: in PyTorch's operations, as outside.

    Raises
    ------
    KernelError
        At once, if there is no C++ compiler.
    """
    if enabled:
        kernel(torch.float32)
    token = _compiled.set(enabled)
    try:
        yield
    finally:
        _compiled.reset(token)


def _cuts(steps: int | None) -> tuple[float, float]:
    """Largest c and z."""
    if steps is None:
        return 1.0, float("inf")
    return (steps - 1) / steps, (2 * steps - 1) / steps


def _moves(p: Tensor, h: Tensor, theta: float, steps: int | None) -> tuple[Tensor, Tensor]:
    """Inhibition z, and the difference softshrink(c - h, theta), from p on the grid."""
    c_cut, z_cut = _cuts(steps)
    pz, pc = p.chunk(2, dim=-1)
    move = pc.clamp(-c_cut, c_cut) - h
    return pz.clamp(0.0, z_cut), softshrink(move, theta) if theta else move


def _derivatives(
    p: Tensor, h: Tensor, theta: float, steps: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Derivatives of h' by pz, pc and h, each [..., H]."""
    c_cut, z_cut = _cuts(steps)
    pz, pc = p.chunk(2, dim=-1)
    z, move = _moves(p, h, theta, steps)
    # A state with z = 0 is held even if c happens to equal h, and inside the dead zone nothing
    # moves whatever z is.
    follows = (move.abs() <= z) & (z > 0)
    if theta:
        follows &= move != 0
    limited = move.sign() * (~follows & (pz > 0) & (pz < z_cut))
    return limited, (follows & (pc.abs() <= c_cut)).to(p.dtype), (~follows).to(p.dtype)


def _on_grid(p: Tensor, steps: int | None) -> Tensor:
    # In place: p is the caller's own.
    return p if steps is None else p.mul_(steps).floor_().div_(steps)


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, p: Tensor, h: Tensor, theta: float, steps: int | None) -> Tensor:
        p = _on_grid(p.clone(), steps)
        ctx.save_for_backward(p, h)
        ctx.settings = (theta, steps)
        z, move = _moves(p, h, theta, steps)
        return h + torch.clamp(move, -z, z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        by_z, by_c, by_h = _derivatives(*ctx.saved_tensors, *ctx.settings)
        (grad,) = grads
        return torch.cat((grad * by_z, grad * by_c), dim=-1), grad * by_h, None, None


class _GateSequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        recurrent: Tensor,
        h: Tensor,
        valid: Tensor | None,
        theta: float,
        steps: int | None,
        reuse: bool,
    ) -> Tensor:
        if _compiled.get() and has_kernel(inputs, recurrent, h):
            saved = inputs if reuse else inputs.clone()
            return _compiled_forward(ctx, saved.contiguous(), recurrent, h, valid, theta, steps)
        ctx.compiled = False
        saved = torch.empty_like(inputs)
        states = inputs.new_empty(len(inputs) + 1, *h.shape)
        states[0] = h
        columns = recurrent.t()
        for step, (p, old, new) in enumerate(zip(saved, states, states[1:], strict=False)):
            torch.addmm(inputs[step], old, columns, out=p)
            z, move = _moves(_on_grid(p, steps), old, theta, steps)
            torch.add(old, torch.clamp(move, -z, z), out=new)
            if valid is not None:
                torch.where(valid[step], new, old, out=new)
        ctx.save_for_backward(saved, recurrent, states, valid)
        ctx.settings = (theta, steps)
        # Whoever changes the result in place is told so in the backward pass.
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved, recurrent, states, valid = ctx.saved_tensors
        if ctx.compiled:
            to_p, to_h = kernel(saved.dtype).backward(
                recurrent.contiguous(),
                saved,
                states,
                grads[0].contiguous(),
                valid,
                _settings(*ctx.settings),
            )
            return to_p, _to_recurrent(to_p, states), to_h, None, None, None, None
        by_z, by_c, by_h = _derivatives(saved, states[:-1], *ctx.settings)
        if valid is not None:
            by_z, by_c = by_z * valid, by_c * valid
            by_h = torch.where(valid, by_h, 1.0)
        units = states.shape[-1]
        to_p = torch.empty_like(saved)
        to_h = torch.zeros_like(states[0])
        for step in reversed(range(len(saved))):
            to_h = to_h + grads[0][step]
            torch.mul(to_h, by_z[step], out=to_p[step, :, :units])
            torch.mul(to_h, by_c[step], out=to_p[step, :, units:])
            to_h = torch.addmm(to_h * by_h[step], to_p[step], recurrent)
        return to_p, _to_recurrent(to_p, states), to_h, None, None, None, None


def _to_recurrent(to_p: Tensor, states: Tensor) -> Tensor:
    return to_p.flatten(0, 1).t() @ states[:-1].flatten(0, 1)


def _settings(theta: float, steps: int | None) -> tuple[float, float, float, float]:
    return theta, steps or 0, *_cuts(steps)


def _compiled_forward(
    ctx: Any,
    saved: Tensor,
    recurrent: Tensor,
    h: Tensor,
    valid: Tensor | None,
    theta: float,
    steps: int | None,
) -> Tensor:
    """As `_GateSequence.forward`; what is saved are the inputs at first."""
    states = saved.new_empty(len(saved) + 1, *h.shape)
    states[0] = h
    kernel(saved.dtype).forward(
        recurrent.t().contiguous(), saved, states, valid, _settings(theta, steps)
    )
    ctx.save_for_backward(saved, recurrent, states, valid)
    ctx.settings, ctx.compiled = (theta, steps), True
    return states[1:]
