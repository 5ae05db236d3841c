"""Networks made of others, of which it is known how they must behave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.golden import State
from models.network import Network, Normalisation
from models.spec import BIAS_MAX

Order = NDArray[np.int64]


def permuted(network: Network, orders: Sequence[Order]) -> Network:
    """Return the network whose unit i of layer l is unit orders[l][i] of the given one."""
    layers = []
    below = np.arange(network.spec.inputs)
    for weights, order in zip(network.layers, orders, strict=True):
        rows = np.concatenate([order, order + len(order)])
        layers.append(
            replace(
                weights,
                W=weights.W[:, rows][:, :, below],
                W_shift=weights.W_shift[:, rows],
                U=weights.U[:, rows][:, :, order],
                U_shift=weights.U_shift[:, rows],
                b=weights.b[rows],
            )
        )
        below = order
    readout = replace(network.readout, R=network.readout.R[:, :, below])
    return replace(network, layers=tuple(layers), readout=readout)


def permuted_state(h: Sequence[int], orders: Sequence[Order]) -> list[int]:
    """Return the states of all units, one layer after the other, in the permuted order."""
    values, moved, begin = np.asarray(h), [], 0
    for order in orders:
        moved += values[begin + order].tolist()
        begin += len(order)
    return moved


def holding(network: Network, held: Sequence[Sequence[int]], biases: Sequence[int]) -> Network:
    """Return the network in which z of some units of each layer is 0, whatever comes.

    Their rows are without weights, and their biases are given in turn: below 2^F, so that
    z = 0; some are negative.
    """
    layers = []
    for weights, units in zip(network.layers, held, strict=True):
        w, u, b = weights.W.copy(), weights.U.copy(), weights.b.copy()
        for number, unit in enumerate(units):
            w[:, unit] = u[:, unit] = 0
            b[unit] = biases[number % len(biases)]
        layers.append(replace(weights, W=w, U=u, b=b))
    return replace(network, layers=tuple(layers))


def with_constant_input(network: Network, weights: ArrayLike, value: int) -> Network:
    """Return the network with one more input, behind the others, that is always `value`.

    What it adds is taken from the biases, so nothing else changes. A row whose bias would not
    fit 16 bits gets no weight.

    Parameters
    ----------
    network : Network
    weights : int [planes, 2 H], -1, 0 or 1
        The new column of the first layer's W.
    value : int
        In [-M, M].
    """
    first = network.layers[0]
    column = np.array(weights, np.int8)
    added = (column.astype(int) * value << first.W_shift.astype(int)).sum(axis=0)
    fits = np.abs(first.b - added) <= BIAS_MAX
    column[:, ~fits] = 0
    layer = replace(
        first,
        W=np.concatenate([first.W, column[:, :, None]], axis=2),
        b=np.where(fits, first.b - added, first.b).astype(np.int16),
    )
    inputs = network.spec.inputs + 1
    below, *above = network.spec.layers
    spec = replace(network.spec, inputs=inputs, layers=(replace(below, inputs=inputs), *above))
    norm = Normalisation(np.zeros(inputs), np.ones(inputs))
    return Network(spec, (layer, *network.layers[1:]), network.readout, norm)


def as_state(network: Network, h: ArrayLike) -> State:
    """Return the state with these values of all units, at the beginning of a sequence."""
    values, parts, begin = np.asarray(h, np.int8), [], 0
    for units in network.spec.units:
        parts.append(values[None, begin : begin + units])
        begin += units
    outputs = network.spec.outputs
    return State(tuple(parts), np.zeros((1, outputs), np.int64), np.zeros(1, np.int64))
