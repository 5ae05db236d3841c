"""Networks drawn at random, legal by construction: what tests of engine, driver and model use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.network import (
    LayerWeights,
    Network,
    Normalisation,
    ReadoutWeights,
    longest_sum,
    worst_case,
)
from models.spec import (
    ACCUMULATOR_LIMIT,
    BIAS_MAX,
    BIAS_MIN,
    FRACTION_BITS,
    LayerSpec,
    NetworkSpec,
    ReadoutSpec,
)

__all__ = ["random_inputs", "random_network"]


def random_network(
    seed: int,
    inputs: int = 4,
    units: Sequence[int] = (8,),
    outputs: int = 3,
    hb: int = 7,
    theta: int | Sequence[int] = 0,
    mode: str = "last",
    target: str = "class",
    density: float = 0.6,
    shifts: tuple[int, int] = (0, 4),
    bias: int | None = None,
    planes: int = 1,
    shuffled: bool = False,
) -> Network:
    """A network with ternary weights, shifts and biases drawn from a seed.

    Parameters
    ----------
    seed : int
        The same arguments give the same network.
    inputs, outputs, hb, mode, target
        As in `NetworkSpec`.
    units : sequence of int
        H of each layer, one to four.
    theta : int or one per layer
        Dead zone; cut to 2M.
    density : float
        Share of weights that are not zero, 0 to 1.
    shifts : (int, int)
        Smallest and largest shift drawn, 0 to 7; lowered where a row would exceed 24 bits.
    bias : int, optional
        Biases are drawn from [-bias, bias] and cut to 16 bits; 32768 reaches both extremes.
        A quarter of the state's range by default.
    planes : int
        Ternary planes of every matrix, 1 to 4.
    shuffled : bool
        Whether the engine holds each layer's units in a drawn order; all else stays the same.

    Returns
    -------
    Network
    """
    rng = np.random.default_rng(seed)
    limit = (1 << hb) - 1
    bias = 1 << (hb + FRACTION_BITS - 2) if bias is None else bias
    thetas = [theta] * len(units) if isinstance(theta, int) else list(theta)
    widths = [inputs, *units]
    specs, layers = [], []
    for number, width in enumerate(units):
        rows, columns = 2 * width, widths[number]
        w, w_shift = _matrix(rng, planes, rows, columns, density, shifts)
        u, u_shift = _matrix(rng, planes, rows, width, density, shifts)
        b = _bias(rng, rows, bias)
        _lower([(w, w_shift), (u, u_shift)], limit, ACCUMULATOR_LIMIT - BIAS_MAX - 2)
        specs.append(LayerSpec(columns, width, min(thetas[number], 2 * limit), planes, planes))
        layers.append(LayerWeights(w, w_shift, u, u_shift, b))
    r, r_shift = _matrix(rng, planes, outputs, widths[-1], density, shifts)
    _lower([(r, r_shift)], limit, ACCUMULATOR_LIMIT - BIAS_MAX - 2)
    readout = ReadoutWeights(r, r_shift, _bias(rng, outputs, bias))
    spec = NetworkSpec(
        name=f"random-{seed}",
        inputs=inputs,
        layers=tuple(specs),
        readout=ReadoutSpec(outputs, mode, planes),
        target=target,
        hb=hb,
        max_steps=longest_sum(readout, limit) if mode == "sum" else None,
    )
    normalisation = Normalisation(rng.normal(size=inputs), rng.uniform(0.5, 2.0, inputs))
    order = tuple(rng.permutation(width).astype(np.int16) for width in units) if shuffled else ()
    return Network(spec, tuple(layers), readout, normalisation, order)


def random_inputs(
    seed: int, network: Network, count: int, steps: int, change: float = 0.5
) -> NDArray[np.int8]:
    """Input sequences that keep each element from one step to the next with chance 1 - change.

    Returns
    -------
    int8 array [count, steps, I], in [-M, M], both extremes included now and then
    """
    rng = np.random.default_rng(seed)
    limit, shape = network.spec.M, (count, steps, network.spec.inputs)
    fresh = np.clip(rng.integers(-limit - limit // 4, limit + limit // 4 + 1, shape), -limit, limit)
    moves = rng.random(shape) < change
    moves[:, 0] = True
    last = np.maximum.accumulate(np.where(moves, np.arange(steps)[None, :, None], 0), axis=1)
    return np.take_along_axis(fresh, last, axis=1).astype(np.int8)


def _matrix(
    rng: np.random.Generator,
    planes: int,
    rows: int,
    columns: int,
    density: float,
    shifts: tuple[int, int],
) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    signs = rng.choice(np.array([-1, 1], np.int8), (planes, rows, columns))
    weights = np.where(rng.random(signs.shape) < density, signs, 0).astype(np.int8)
    return weights, rng.integers(shifts[0], shifts[1] + 1, (planes, rows)).astype(np.uint8)


def _bias(rng: np.random.Generator, rows: int, bias: int) -> NDArray[np.int16]:
    drawn = rng.integers(-bias, bias + 1, rows) + (1 << (FRACTION_BITS - 1))
    return np.clip(drawn, BIAS_MIN, BIAS_MAX).astype(np.int16)


def _lower(matrices: list[tuple[NDArray[Any], NDArray[Any]]], limit: int, most: int) -> None:
    """Lower the shifts of rows whose worst case exceeds `most`, until none does."""
    while True:
        worst = np.sum([worst_case(w, s, limit) for w, s in matrices], axis=0)
        if (worst <= most).all():
            return
        for _, shift in matrices:
            shift[:, worst > most] = np.maximum(shift[:, worst > most], 1) - 1
