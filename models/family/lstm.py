"""LSTM, in the form and with the initial weights of `torch.nn.LSTM`.

Hochreiter and Schmidhuber, "Long Short-Term Memory" (Neural Computation 9, 1997), with the forget
gate of Gers, Schmidhuber and Cummins (2000).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.family.padded import run_padded
from models.recurrent import Layer

__all__ = ["LSTMLayer"]


class LSTMLayer(Layer):
    """A layer of `torch.nn.LSTM`; its state is h and the memory c, side by side."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.lstm = nn.LSTM(input_size, hidden_size)

    @property
    def state_size(self) -> int:
        """Two numbers for each unit."""
        return 2 * self.hidden_size

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`."""
        h, c = (part.contiguous().unsqueeze(0) for part in state.chunk(2, dim=1))
        outputs, last = run_padded(self.lstm, x, (h, c), valid)
        return outputs, torch.cat((last[0][0], last[1][0]), dim=1)
