"""HitNet: GRU and LSTM whose weights and activations are ternary; `models.family.ternary` has how.

Their states are drawn anew in each step while training; in evaluation they are fixed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.family.integration import weight
from models.family.scan import scan
from models.family.ternary import TernaryActivation, ternary_weights
from models.recurrent import Layer

__all__ = ["HitNetGRULayer", "HitNetLSTMLayer"]


class _HitNetLayer(Layer):
    """What both have: ternary weights of G gates, and the two activations.

    Parameters
    ----------
    input_size, hidden_size : int
    slope : float
        Of the activations.
    drawn : bool
        Draw activations while training; False: plain thresholds.
    """

    gates: int

    def __init__(
        self, input_size: int, hidden_size: int, slope: float = 2.0, drawn: bool = True
    ) -> None:
        super().__init__(input_size, hidden_size)
        rows = self.gates * hidden_size
        self.weight_ih = weight(rows, input_size, hidden_size)
        self.weight_hh = weight(rows, hidden_size, hidden_size)
        self.bias = nn.Parameter(torch.zeros(rows))
        self.gate = TernaryActivation(gate=True, slope=slope, drawn=drawn)
        self.squash = TernaryActivation(slope=slope, drawn=drawn)
        ternary_weights(self, ("weight_ih", "weight_hh"))

    def inputs(self, x: Tensor) -> Tensor:
        """The inputs' part of all pre-activations, biases included."""
        return nn.functional.linear(x, self.weight_ih, self.bias)


class HitNetGRULayer(_HitNetLayer):
    """A GRU whose state h is ternary: a gate holds it or replaces it. Rows are r, z, n."""

    gates = 3

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`."""
        parts = (2 * self.hidden_size, self.hidden_size)
        gates, candidate = self.weight_hh.split(parts)

        def step(wx: Tensor, h: Tensor) -> Tensor:
            wx, wx_n = wx.split(parts, dim=1)
            r, z = self.gate(wx + h @ gates.T).chunk(2, dim=1)
            n: Tensor = self.squash(wx_n + (r * h) @ candidate.T)
            return z * h + (1 - z) * n

        states = scan(step, self.inputs(x), state, valid)
        return states, states[-1]


class HitNetLSTMLayer(_HitNetLayer):
    """An LSTM whose h is ternary and whose memory c is a sum of ternary numbers, side by side.

    Rows are i, f, g, o.
    """

    gates = 4

    @property
    def state_size(self) -> int:
        """Two numbers for each unit."""
        return 2 * self.hidden_size

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`."""
        recurrent = self.weight_hh

        def step(wx: Tensor, state: Tensor) -> Tensor:
            h, c = state.chunk(2, dim=1)
            i, f, g, o = (wx + h @ recurrent.T).chunk(4, dim=1)
            c = self.gate(f) * c + self.gate(i) * self.squash(g)
            return torch.cat((self.gate(o) * self.squash(c), c), dim=1)

        states = scan(step, self.inputs(x), state, valid)
        return states[..., : self.hidden_size], states[-1]
