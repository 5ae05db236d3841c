"""EGRU: a GRU whose units speak only when they cross a threshold.

Subramoney, Nazeer, Schöne, Mayr and Kappel, "Efficient recurrent architectures through activity
sparsity and sparse back-propagation through time" (ICLR 2023). A unit keeps c, and gives y, which
is exactly zero but for the steps in which c lies above its threshold; then it is reset softly::

    u, r = sigmoid(W [x, y] + b);  z = tanh(Wz [x, r * y] + bz)
    c' = u * z + (1 - u) * c - theta * H(c - theta);   y' = c' * H(c' - theta)

H is the step function, with the derivative height * max(1 - |c - theta| / width, 0).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.family.scan import scan
from models.float_network import Output
from models.recurrent import Layer

__all__ = ["EGRULayer", "event_rate"]


class _Event(torch.autograd.Function):
    """H, and what stands for its derivative."""

    @staticmethod
    def forward(ctx: Any, above: Tensor, height: float, width: float) -> Tensor:
        ctx.save_for_backward(above)
        ctx.settings = (height, width)
        return (above > 0).to(above.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (above,) = ctx.saved_tensors
        height, width = ctx.settings
        return grads[0] * height * (1 - above.abs() / width).clamp(min=0), None, None


class EGRULayer(Layer):
    """A layer whose state is c, and which gives y.

    Parameters
    ----------
    input_size, hidden_size : int
    threshold : float
        Initial theta of every unit, above 0; it is learned, and never below 0.
    height, width : float
        Of the surrogate derivative.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        threshold: float = 0.3,
        height: float = 0.5,
        width: float = 0.5,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if not (threshold > 0 and height > 0 and width > 0):
            raise ValueError(
                f"threshold, height and width must be above 0, not {threshold}, {height}, {width}"
            )
        self.height, self.width = height, width
        rows, bound = 3 * hidden_size, hidden_size**-0.5
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(rows))  # u, r, z
        self.threshold = nn.Parameter(torch.full((hidden_size,), threshold))

    def events(self, c: Tensor) -> Tensor:
        """1 where a unit's c [..., H] lies above its threshold, else 0."""
        above = _Event.apply(c - self.threshold.clamp(min=0), self.height, self.width)
        assert isinstance(above, Tensor)
        return above

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`."""
        size, threshold = self.hidden_size, self.threshold.clamp(min=0)
        gates, candidate = self.weight_hh.split((2 * size, size))

        def step(wx: Tensor, c: Tensor) -> Tensor:
            spoken = self.events(c)
            y = c * spoken
            u, r = torch.sigmoid(wx[:, : 2 * size] + y @ gates.T).chunk(2, dim=1)
            z = torch.tanh(wx[:, 2 * size :] + (r * y) @ candidate.T)
            return u * z + (1 - u) * c - threshold * spoken

        states = scan(step, nn.functional.linear(x, self.weight_ih, self.bias), state, valid)
        return states * self.events(states), states[-1]


def event_rate(output: Output) -> tuple[float, ...]:
    """Share of its units that a layer has speak in a step, 0 to 1, for each layer of a network.

    Parameters
    ----------
    output : Output
        Of a network of EGRU layers; steps beyond a sequence's length do not count.
    """
    steps = int(output.valid.sum())
    return tuple(
        float(((given != 0) & output.valid[..., None]).sum()) / (steps * given.shape[2])
        for given in output.states
    )
