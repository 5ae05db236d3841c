"""PyTorch's own recurrent modules over sequences of several lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

__all__ = ["run_padded"]


def run_padded(
    module: nn.GRU | nn.LSTM,
    x: Tensor,
    state: Tensor | tuple[Tensor, Tensor],
    valid: Tensor | None,
) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]:
    """Outputs [T, N, H] of one layer, held where steps are not valid, and the last state.

    Parameters
    ----------
    module : GRU or LSTM of one layer
    x : Tensor [T, N, I]
    state : Tensor [1, N, H], or two of them
    valid : Tensor, bool [T, N, 1], or None for all
    """
    if valid is None:
        outputs, last = module(x, state)
        return outputs, last
    lengths = valid.sum(dim=0).flatten().cpu()
    packed, last = module(pack_padded_sequence(x, lengths, enforce_sorted=False), state)
    outputs, _ = pad_packed_sequence(packed, total_length=len(x))
    held = last[0] if isinstance(last, tuple) else last
    return torch.where(valid, outputs, held), last
