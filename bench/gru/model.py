"""The conventional GRU in integers: the numeric contract that model and core share, in NumPy.

Gates and equations are those of `torch.nn.GRU`, one layer, and a linear readout::

    r  = sigmoid(W_r x + U_r h + b_r)
    z  = sigmoid(W_z x + U_z h + b_z)
    n  = tanh(W_n x + b_nx + r * (U_n h + b_nh))
    h' = (1 - z) n + z h
    logits = R h' + b

The contract. ``>>`` is the arithmetic shift (it rounds down), ``clip16`` saturates to 16 bits::

    x                   int8, 7 fraction bits, -128..127
    h, n                int8, 7 fraction bits, -127..127; a sequence starts from h = 0
    r, z                8 fraction bits, 0..255
    W, U, R             int8, -127..127; fraction bits by matrix, see `shifts`

    q_r  = clip16(((W_r x + U_r h) >> shift_r) + b_r)       10 fraction bits
    q_z  = clip16(((W_z x + U_z h) >> shift_z) + b_z)
    q_nx = clip16(((W_n x) >> shift_nx) + b_nx)
    q_nh = clip16(((U_n h) >> shift_nh) + b_nh)
    r    = SIGMOID[clip(q_r >> 5, -256, 255)]               5 fraction bits
    z    = SIGMOID[clip(q_z >> 5, -256, 255)]
    n    = TANH[clip((q_nx + ((r q_nh) >> 8)) >> 4, -256, 255)]     6 fraction bits
    h'   = (256 n + 128 + z (h - n)) >> 8
    logits = R h' + b                                       exact, no shift

    SIGMOID[i] = min(rint(256 sigmoid(i / 32)), 255)
    TANH[i]    = clip(rint(128 tanh(i / 64)), -127, 127)

Sums are exact. A shift is a number of 0 to 7: a matrix with f fraction bits, 3 to 10, is shifted by
f - 3. W_r and U_r share their scale, and so do W_z and U_z, because one accumulator holds both
products. Biases are int16; those of r, z and nx hold the rounding half of the index (16, 16, 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACTIVATION_FRACTION",
    "GATE_FRACTION",
    "MOST_SHIFT",
    "SIGMOID",
    "SUM_FRACTION",
    "TABLE_HALF",
    "TANH",
    "Network",
    "Sizes",
    "random_network",
]

Integers = NDArray[np.int64]

ACTIVATION_FRACTION = 7
GATE_FRACTION = 8
SUM_FRACTION = 10
SIGMOID_FRACTION = 5
TANH_FRACTION = 6
TABLE_HALF = 256
MOST_SHIFT = 7
WEIGHT_MAX = 127
BIAS_BITS = 16

_INDEX = np.arange(-TABLE_HALF, TABLE_HALF)

#: Tables by index + 256.
SIGMOID: Integers = np.minimum(
    np.rint(256 / (1 + np.exp(-_INDEX / 2.0**SIGMOID_FRACTION))), 255
).astype(np.int64)
TANH: Integers = np.clip(np.rint(128 * np.tanh(_INDEX / 2.0**TANH_FRACTION)), -127, 127).astype(
    np.int64
)


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network, and of the core that is made for it.

    Parameters
    ----------
    inputs : int
        I, at least 7: fewer are padded with zeros (the core drains eight rows while it multiplies
        the next ones).
    hidden : int
        H, a multiple of 8, at least 8; I + H at most 256.
    outputs : int
        C, 1 to 256.
    """

    inputs: int
    hidden: int
    outputs: int

    def __post_init__(self) -> None:
        if self.inputs < 7:
            raise ValueError(f"'inputs' must be at least 7, not {self.inputs}; pad with zeros")
        if self.hidden < 8 or self.hidden % 8:
            raise ValueError(f"'hidden' must be a positive multiple of 8, not {self.hidden}")
        if self.columns > 256:
            raise ValueError(f"'inputs' + 'hidden' must be at most 256, not {self.columns}")
        if not 1 <= self.outputs <= 256:
            raise ValueError(f"'outputs' must be 1 to 256, not {self.outputs}")

    @property
    def columns(self) -> int:
        """Columns of a gate's two matrices side by side."""
        return self.inputs + self.hidden

    def products(self, due: bool) -> int:
        """Multiply-accumulates that a step needs; with the readout's if an answer is due."""
        return 3 * self.hidden * self.columns + (self.outputs * self.hidden if due else 0)


@dataclass(frozen=True, eq=False)
class Network:
    """A GRU in integers.

    Parameters
    ----------
    W : int64 [3, H, I]
        Input weights of r, z and n.
    U : int64 [3, H, H]
        Recurrent weights of r, z and n.
    R : int64 [C, H]
        Readout weights.
    bias : int64 [4, H]
        Of r, z, nx and nh.
    readout_bias : int64 [C]
    shifts : tuple of four int
        Of r, z, nx and nh.
    readout_fraction : int
        Fraction bits of R: a logit is worth ``2^-(readout_fraction + 7)``. Hardware needs it not.

    Raises
    ------
    ValueError
        If a shape or a range is wrong; the message says which.
    """

    W: Integers
    U: Integers
    R: Integers
    bias: Integers
    readout_bias: Integers
    shifts: tuple[int, int, int, int]
    readout_fraction: int = 0

    def __post_init__(self) -> None:
        size = self.sizes
        bias_low, bias_high = -(1 << (BIAS_BITS - 1)), (1 << (BIAS_BITS - 1)) - 1
        for name, shape, low, high in (
            ("W", (3, size.hidden, size.inputs), -WEIGHT_MAX, WEIGHT_MAX),
            ("U", (3, size.hidden, size.hidden), -WEIGHT_MAX, WEIGHT_MAX),
            ("R", (size.outputs, size.hidden), -WEIGHT_MAX, WEIGHT_MAX),
            ("bias", (4, size.hidden), bias_low, bias_high),
            ("readout_bias", (size.outputs,), bias_low, bias_high),
        ):
            value = getattr(self, name)
            if value.shape != shape:
                raise ValueError(f"{name!r} must have shape {shape}, not {value.shape}")
            if value.min() < low or value.max() > high:
                raise ValueError(
                    f"{name!r} must be {low} to {high}, not {value.min()} to {value.max()}"
                )
        if len(self.shifts) != 4 or not all(0 <= shift <= MOST_SHIFT for shift in self.shifts):
            raise ValueError(f"'shifts' must be four of 0 to {MOST_SHIFT}, not {self.shifts}")

    @property
    def sizes(self) -> Sizes:
        """Sizes of the network."""
        return Sizes(self.W.shape[2], self.W.shape[1], self.R.shape[0])

    def step(self, x: Integers, h: Integers) -> Integers:
        """One time step.

        Parameters
        ----------
        x : int64 [..., I]
        h : int64 [..., H]

        Returns
        -------
        int64 [..., H]
            The new state.
        """
        wx = [x @ matrix.T for matrix in self.W]
        uh = [h @ matrix.T for matrix in self.U]
        r = _sigmoid(self._sum(wx[0] + uh[0], 0))
        z = _sigmoid(self._sum(wx[1] + uh[1], 1))
        nx, nh = self._sum(wx[2], 2), self._sum(uh[2], 3)
        index = (nx + ((r * nh) >> GATE_FRACTION)) >> (SUM_FRACTION - TANH_FRACTION)
        n = TANH[np.clip(index, -TABLE_HALF, TABLE_HALF - 1) + TABLE_HALF]
        half = 1 << (GATE_FRACTION - 1)
        new: Integers = ((n << GATE_FRACTION) + half + z * (h - n)) >> GATE_FRACTION
        return new

    def logits(self, h: Integers) -> Integers:
        """The readout of states [..., H]: int64 [..., C]."""
        result: Integers = h @ self.R.T + self.readout_bias
        return result

    def run(self, x: Integers) -> tuple[Integers, Integers]:
        """A sequence from h = 0.

        Parameters
        ----------
        x : int64 [..., T, I]

        Returns
        -------
        states : int64 [..., T, H]
            h after each step.
        logits : int64 [..., T, C]
        """
        h = np.zeros((*x.shape[:-2], self.sizes.hidden), np.int64)
        states = []
        for t in range(x.shape[-2]):
            h = self.step(x[..., t, :], h)
            states.append(h)
        result = np.stack(states, axis=-2)
        return result, self.logits(result)

    def _sum(self, total: Integers, gate: int) -> Integers:
        most = 1 << (BIAS_BITS - 1)
        result: Integers = np.clip((total >> self.shifts[gate]) + self.bias[gate], -most, most - 1)
        return result


def _sigmoid(total: Integers) -> Integers:
    index = np.clip(total >> (SUM_FRACTION - SIGMOID_FRACTION), -TABLE_HALF, TABLE_HALF - 1)
    result: Integers = SIGMOID[index + TABLE_HALF]
    return result


def random_network(sizes: Sizes, rng: np.random.Generator, extreme: bool = False) -> Network:
    """A network of random integers.

    Parameters
    ----------
    sizes : Sizes
    rng : numpy.random.Generator
    extreme : bool
        Weights and biases at their bounds, unshifted, so that sums saturate.
    """
    size = sizes

    def weights(*shape: int) -> Integers:
        if extreme:
            return rng.choice([-WEIGHT_MAX, WEIGHT_MAX], shape)
        return rng.integers(-WEIGHT_MAX, WEIGHT_MAX, shape, endpoint=True)

    reach = 32767 if extreme else 2000
    shifts = [0] * 4 if extreme else [int(v) for v in rng.integers(3, MOST_SHIFT + 1, 4)]
    return Network(
        W=weights(3, size.hidden, size.inputs),
        U=weights(3, size.hidden, size.hidden),
        R=weights(size.outputs, size.hidden),
        bias=rng.integers(-reach, reach, (4, size.hidden)),
        readout_bias=rng.integers(-32768, 32767, size.outputs),
        shifts=(shifts[0], shifts[1], shifts[2], shifts[3]),
    )
