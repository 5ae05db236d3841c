"""From a trained `torch.nn.GRU` and its linear readout to integers: rounding after training."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bench.gru.model import (
    ACTIVATION_FRACTION,
    BIAS_BITS,
    MOST_SHIFT,
    SIGMOID_FRACTION,
    SUM_FRACTION,
    TANH_FRACTION,
    WEIGHT_MAX,
    Integers,
    Network,
)

__all__ = ["quantize", "quantize_inputs"]

Floats = NDArray[np.float64]

#: Fraction bits that the shifts 0 to 7 can undo.
_LEAST = SUM_FRACTION - ACTIVATION_FRACTION
_MOST = _LEAST + MOST_SHIFT
_BIAS_MAX = (1 << (BIAS_BITS - 1)) - 1


def quantize(gru: nn.GRU, readout: nn.Linear) -> Network:
    """Round a float GRU to the integer model.

    Each matrix (or pair of matrices that share an accumulator) gets as many fraction bits as its
    largest weight leaves room for.

    Parameters
    ----------
    gru : torch.nn.GRU
        One layer, one direction, with biases.
    readout : torch.nn.Linear
        From its states to the logits, with a bias.

    Raises
    ------
    ValueError
        If it is another kind of GRU, or weights are beyond what 8 bits with 3 fraction bits hold.
    """
    if gru.num_layers != 1 or gru.bidirectional or not gru.bias or readout.bias is None:
        raise ValueError("the GRU must have one layer, one direction and biases")
    hidden = gru.hidden_size
    W, U = _array(gru.weight_ih_l0), _array(gru.weight_hh_l0)
    bx = _array(gru.bias_ih_l0).reshape(3, hidden)
    bh = _array(gru.bias_hh_l0).reshape(3, hidden)
    W, U = W.reshape(3, hidden, -1), U.reshape(3, hidden, hidden)
    R, b = _array(readout.weight), _array(readout.bias)

    # Of r, z, nx and nh; the first two hold W and U.
    bits = [
        _fraction(max(np.abs(W[0]).max(), np.abs(U[0]).max()), "W_r, U_r"),
        _fraction(max(np.abs(W[1]).max(), np.abs(U[1]).max()), "W_z, U_z"),
        _fraction(np.abs(W[2]).max(), "W_n"),
        _fraction(np.abs(U[2]).max(), "U_n"),
    ]
    halves = [
        1 << (SUM_FRACTION - SIGMOID_FRACTION - 1),
        1 << (SUM_FRACTION - SIGMOID_FRACTION - 1),
        1 << (SUM_FRACTION - TANH_FRACTION - 1),
        0,
    ]
    sums = np.stack([bx[0] + bh[0], bx[1] + bh[1], bx[2], bh[2]])
    bias = _round(sums, SUM_FRACTION) + np.array(halves)[:, None]
    most = _BIAS_MAX * 2.0**-ACTIVATION_FRACTION
    readout_bits = min(
        _fraction(np.abs(R).max(), "R"), math.floor(math.log2(most / max(np.abs(b).max(), 1e-9)))
    )
    return Network(
        W=np.stack([_round(W[0], bits[0]), _round(W[1], bits[1]), _round(W[2], bits[2])]),
        U=np.stack([_round(U[0], bits[0]), _round(U[1], bits[1]), _round(U[2], bits[3])]),
        R=_round(R, readout_bits),
        bias=np.clip(bias, -_BIAS_MAX - 1, _BIAS_MAX),
        readout_bias=_round(b, readout_bits + ACTIVATION_FRACTION),
        shifts=(bits[0] - _LEAST, bits[1] - _LEAST, bits[2] - _LEAST, bits[3] - _LEAST),
        readout_fraction=readout_bits,
    )


def quantize_inputs(x: Floats) -> Integers:
    """Round features in -1..1 to the integer model's; 1 becomes 127."""
    return np.clip(_round(x, ACTIVATION_FRACTION), -128, 127)


def _array(value: torch.Tensor | nn.Module) -> Floats:
    assert isinstance(value, torch.Tensor)  # torch types a module's attributes as either
    return value.detach().cpu().numpy().astype(np.float64)


def _fraction(largest: float, name: str) -> int:
    """Most fraction bits with which the largest weight is at most 127."""
    bits = _MOST
    while bits > _LEAST and np.rint(largest * 2.0**bits) > WEIGHT_MAX:
        bits -= 1
    if np.rint(largest * 2.0**bits) > WEIGHT_MAX:
        raise ValueError(f"{name} must be at most {WEIGHT_MAX / 2**_LEAST}, not {largest}")
    return bits


def _round(value: Floats, bits: int) -> Integers:
    return np.rint(value * 2.0**bits).astype(np.int64)
