"""Tokens as inputs, one feature a step: looked up, where a one-hot input would be multiplied."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.cells import AdditiveGatedCell
from models.float_network import AdditiveGatedNetwork
from models.gate import gate_sequence

__all__ = ["token_logits"]


def token_logits(
    module: AdditiveGatedNetwork, tokens: Tensor, hx: Sequence[Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """What a network gives where each step has one feature at its largest value, the others at 0.

    The same numbers as `module.forward` gives for these inputs: bit for bit on the grid, but for
    rounding on real numbers. Of any number of features; no one-hot input is ever made.

    Parameters
    ----------
    module : AdditiveGatedNetwork
        Float or quantized; its normalisation must be the one that changes nothing.
    tokens : Tensor, int64 [N, T]
        The feature of each step, 0 to I - 1.
    hx : one Tensor [N, H_l] per layer, optional
        State to start from; zero by default.

    Returns
    -------
    Tensor [T, N, C], the logits of each step, and the last state of each layer, Tensor [N, H_l]
    """
    features = module.rnn.input_size
    if tokens.dim() != 2 or tokens.dtype != torch.int64 or not tokens.numel():
        raise ValueError(
            f"tokens must be int64 [N, T], at least one, not {tokens.dtype} {list(tokens.shape)}"
        )
    least, most = int(tokens.min()), int(tokens.max())
    if least < 0 or most >= features:
        raise ValueError(f"tokens must be from 0 to {features - 1}, not from {least} to {most}")
    if hx is None:
        hx = [module.readout.weight.new_zeros(len(tokens), h) for h in module.rnn.hidden_sizes]
    first, *above = module.rnn.layers
    assert isinstance(first, AdditiveGatedCell)
    w, u, b = first.weights()
    # On the grid the largest input is M of M + 1 steps; of real numbers it is 1.
    columns = w.t() if first.steps is None else w.t() * ((first.steps - 1) / first.steps)
    inputs = nn.functional.embedding(tokens.t(), columns) + b
    states = gate_sequence(inputs, u, hx[0], None, first.theta, first.steps, reuse=True)
    last = [states[-1]]
    for layer, h in zip(above, hx[1:], strict=True):
        states, h = layer.sequence(states, h, None)
        last.append(h)
    logits: Tensor = module.readout(states)
    return logits, last
