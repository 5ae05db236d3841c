"""Multiplicative Integration: how two products make a pre-activation.

Wu, Zhang, Zhang, Bengio and Salakhutdinov, "On Multiplicative Integration with Recurrent Neural
Networks" (NeurIPS 2016). The sum W x + U h + b becomes, elementwise ::

    alpha * (W x) * (U h) + beta1 * (U h) + beta2 * (W x) + b

with vectors alpha, beta1 and beta2 that are learned. It multiplies, so it is measured beside the
additive gate on real numbers, and is no circuit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Integration", "weight"]


class Integration(nn.Module):
    """The vectors of some rows.

    Parameters
    ----------
    rows : int
    alpha, beta : float
        Initial values, of beta1 and beta2 alike; the bias starts at 0.
    """

    def __init__(self, rows: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((rows,), alpha))
        self.beta1 = nn.Parameter(torch.full((rows,), beta))
        self.beta2 = nn.Parameter(torch.full((rows,), beta))
        self.bias = nn.Parameter(torch.zeros(rows))

    def forward(self, wx: Tensor, uh: Tensor) -> Tensor:
        """Pre-activations [..., rows] of the inputs' and the states' products."""
        return self.alpha * wx * uh + self.beta1 * uh + self.beta2 * wx + self.bias


def weight(rows: int, columns: int, hidden_size: int) -> nn.Parameter:
    """A matrix drawn from U(±1/sqrt H), as PyTorch draws those of its GRU and LSTM."""
    bound = hidden_size**-0.5
    return nn.Parameter(torch.empty(rows, columns).uniform_(-bound, bound))
