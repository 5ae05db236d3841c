"""MI-GRU: a GRU with Multiplicative Integration; `models.family.integration` has the source."""

from __future__ import annotations

import torch
from torch import Tensor

from models.family.integration import Integration, weight
from models.family.scan import scan
from models.recurrent import Layer

__all__ = ["MIGRULayer"]


class MIGRULayer(Layer):
    """A layer whose state is h::

        r, z = sigmoid(MI(W x, U h));  n = tanh(MI(Wn x, Un (r * h)));  h' = z * h + (1 - z) * n

    Parameters
    ----------
    input_size, hidden_size : int
    alpha, beta : float
        Initial values of alpha, and of beta1 and beta2.
    """

    def __init__(
        self, input_size: int, hidden_size: int, alpha: float = 1.0, beta: float = 0.5
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_ih = weight(3 * hidden_size, input_size, hidden_size)  # r, z, n
        self.weight_hh = weight(2 * hidden_size, hidden_size, hidden_size)  # r, z
        self.weight_hn = weight(hidden_size, hidden_size, hidden_size)
        self.gates = Integration(2 * hidden_size, alpha, beta)
        self.candidate = Integration(hidden_size, alpha, beta)

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`."""
        parts = (2 * self.hidden_size, self.hidden_size)

        def step(products: Tensor, h: Tensor) -> Tensor:
            wx, wx_n = products.split(parts, dim=1)
            r, z = torch.sigmoid(self.gates(wx, h @ self.weight_hh.T)).chunk(2, dim=1)
            n = torch.tanh(self.candidate(wx_n, (r * h) @ self.weight_hn.T))
            return z * h + (1 - z) * n

        states = scan(step, x @ self.weight_ih.T, state, valid)
        return states, states[-1]
