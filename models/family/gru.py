"""GRU, in the form and with the initial weights of `torch.nn.GRU`.

Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio, "Learning Phrase
Representations using RNN Encoder-Decoder for Statistical Machine Translation" (EMNLP 2014).
"""

from __future__ import annotations

from torch import Tensor, nn

from models.family.padded import run_padded
from models.recurrent import Layer

__all__ = ["GRULayer"]


class GRULayer(Layer):
    """A layer of `torch.nn.GRU`; its state is h."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.gru = nn.GRU(input_size, hidden_size)

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`."""
        outputs, last = run_padded(self.gru, x, state.unsqueeze(0), valid)
        return outputs, last[0]
