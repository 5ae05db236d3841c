"""Five ternary weights in a byte: the code, as the small logic that decodes it.

3^5 = 243 of 256 bytes. Which byte means which weights is free, so the code was chosen for its
decoder: a search over networks of four-input functions for one that reaches all 243 combinations
(docs/decisions/0006-packed-weights.md). The network below is the description that everything
comes from: the gateware (`hdl.core.unpack`) builds it, `decode` runs it, `encode` inverts it.

The sign of weight i is bit i of the byte, which costs nothing; it means nothing where the weight
is zero, and that is where the code has its room. Byte 0 is five zeros, as blank words need it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Weights in a byte.
TRITS = 5
CODE_BITS = 8


@dataclass(frozen=True)
class Function:
    """A function of four bits: what one lookup table of an FPGA holds.

    Attributes
    ----------
    inputs : tuple of four int
        Below `CODE_BITS` a bit of the byte, from there on one of `SHARED`.
    table : int
        Bit n is the result where the inputs, the first one lowest, read n.
    """

    inputs: tuple[int, int, int, int]
    table: int


#: What several weights need.
SHARED = (
    Function((2, 4, 5, 7), 0xF654),
    Function((0, 1, 2, 5), 0xF708),
    Function((2, 4, 5, 7), 0xA7F0),
    Function((0, 1, 5, 7), 0xF676),
)

#: Weight i is not zero.
NONZERO = (
    Function((1, 3, 6, 10), 0xFF0C),
    Function((3, 6, 10, 11), 0xEDE0),
    Function((0, 1, 8, 10), 0xF09E),
    Function((1, 3, 6, 10), 0xF2DE),
    Function((2, 7, 9, 10), 0xB376),
)


def _all_weights() -> NDArray[np.int8]:
    """Return the weights of every byte, int8 [256, 5]."""
    codes = np.arange(1 << CODE_BITS)
    bits = [codes >> bit & 1 for bit in range(CODE_BITS)]

    def result(function: Function) -> NDArray[np.int64]:
        index = sum(bits[number] << place for place, number in enumerate(function.inputs))
        return np.asarray(function.table >> index & 1)

    for function in SHARED:
        bits.append(result(function))
    weights = [
        result(function) * (1 - 2 * sign) for function, sign in zip(NONZERO, bits, strict=False)
    ]
    return np.stack(weights, axis=1).astype(np.int8)


_WEIGHTS = _all_weights()
_POWERS = 3 ** np.arange(TRITS)


def _all_codes() -> NDArray[np.uint8]:
    """Return the lowest byte of each combination, uint8 [243], by its number in base three."""
    codes = np.zeros(3**TRITS, np.uint8)
    numbers = (_WEIGHTS + 1) @ _POWERS
    codes[numbers[::-1]] = np.arange(len(_WEIGHTS), dtype=np.uint8)[::-1]
    return codes


_CODES = _all_codes()


def decode(codes: ArrayLike) -> NDArray[np.int8]:
    """Return the weights of bytes.

    Parameters
    ----------
    codes : integers [..., n]
        In 0..255.

    Returns
    -------
    int8 array [..., 5 n]
        In {-1, 0, +1}; of bytes without a meaning of their own, some.
    """
    weights = _WEIGHTS[np.asarray(codes, np.int64)]
    return weights.reshape(*weights.shape[:-2], -1)


def encode(weights: ArrayLike) -> NDArray[np.uint8]:
    """Return the bytes of weights; zeros are added where they are no multiple of five.

    Parameters
    ----------
    weights : integers [..., n]
        In {-1, 0, +1}.

    Returns
    -------
    uint8 array [..., ceil(n / 5)]
    """
    values = np.asarray(weights, np.int64)
    missing = -values.shape[-1] % TRITS
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])
    numbers = (padded.reshape(*values.shape[:-1], -1, TRITS) + 1) @ _POWERS
    return np.asarray(_CODES[numbers])
