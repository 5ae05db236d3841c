"""MI-LSTM: an LSTM with Multiplicative Integration; `models.family.integration` has the source."""

from __future__ import annotations

import torch
from torch import Tensor

from models.family.integration import Integration, weight
from models.family.scan import scan
from models.recurrent import Layer

__all__ = ["MILSTMLayer"]


class MILSTMLayer(Layer):
    """A layer whose state is h and the memory c, side by side::

        i, f, o = sigmoid(MI(W x, U h));  g = tanh(MI(W x, U h))
        c' = f * c + i * g;  h' = o * tanh(c')

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
        self.weight_ih = weight(4 * hidden_size, input_size, hidden_size)  # i, f, g, o
        self.weight_hh = weight(4 * hidden_size, hidden_size, hidden_size)
        self.integration = Integration(4 * hidden_size, alpha, beta)

    @property
    def state_size(self) -> int:
        """Two numbers for each unit."""
        return 2 * self.hidden_size

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`."""

        def step(wx: Tensor, state: Tensor) -> Tensor:
            h, c = state.chunk(2, dim=1)
            i, f, g, o = self.integration(wx, h @ self.weight_hh.T).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            return torch.cat((torch.sigmoid(o) * torch.tanh(c), c), dim=1)

        states = scan(step, x @ self.weight_ih.T, state, valid)
        return states[..., : self.hidden_size], states[-1]
