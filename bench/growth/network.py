"""A network whose events are known beforehand, whatever comes in: to play a point on the RTL.

A unit that is to change has a large inhibition, so it takes its candidate, c = b - h: from 0 to b,
back to 0, and so on, an event in every step. A unit that is to hold has no inhibition. The other
weights are zero, which costs what any weight costs: the engine adds zeros as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.golden import GoldenModel
from models.network import LayerWeights, Network, Normalisation, ReadoutWeights
from models.spec import FRACTION_BITS, LayerSpec, NetworkSpec, ReadoutSpec

__all__ = ["OUTPUTS", "emitted", "inputs_with_events", "network_with_events"]

OUTPUTS = 10
_HB = 7
_LIMIT = (1 << _HB) - 1


def network_with_events(inputs: Sequence[bool], units: Sequence[Sequence[bool]]) -> Network:
    """Return a network in which the marked units change in every step, and no others.

    Parameters
    ----------
    inputs : sequence of bool [I]
        Only their number counts here; see `inputs_with_events`.
    units : sequence of sequence of bool
        By layer.

    Raises
    ------
    models.spec.NetworkError
        If a network cannot have these sizes.
    """
    specs, layers = [], []
    columns = len(inputs)
    for layer in units:
        changes = np.asarray(layer, bool)
        size = len(changes)
        u = np.zeros((1, 2 * size, size), np.int8)
        u[0, size:] = -np.diag(changes.astype(np.int8))
        # One step of the state is 2**F of the sum; the bias has the rounding half.
        steps = np.concatenate([np.where(changes, 2 * _LIMIT + 1, 0), np.where(changes, _LIMIT, 0)])
        specs.append(LayerSpec(columns, size, 0, 1, 1))
        layers.append(
            LayerWeights(
                np.zeros((1, 2 * size, columns), np.int8),
                np.zeros((1, 2 * size), np.uint8),
                u,
                np.full((1, 2 * size), FRACTION_BITS, np.uint8),
                ((steps << FRACTION_BITS) + (1 << (FRACTION_BITS - 1))).astype(np.int16),
            )
        )
        columns = size
    r = np.ones((1, OUTPUTS, columns), np.int8)
    r[0, 1::2] = -1
    readout = ReadoutWeights(r, np.zeros((1, OUTPUTS), np.uint8), np.zeros(OUTPUTS, np.int16))
    spec = NetworkSpec(
        name="growth",
        inputs=len(inputs),
        layers=tuple(specs),
        readout=ReadoutSpec(OUTPUTS, "last", 1),
        target="class",
        hb=_HB,
    )
    normalisation = Normalisation(np.zeros(len(inputs)), np.ones(len(inputs)))
    return Network(spec, tuple(layers), readout, normalisation)


def inputs_with_events(inputs: Sequence[bool], steps: int) -> NDArray[np.int8]:
    """Return int8 [T, I] in which the marked inputs change in every step, from zero at first."""
    signs = np.where(np.arange(steps) % 2, -_LIMIT, _LIMIT)
    return np.outer(signs, np.asarray(inputs, np.int8)).astype(np.int8)


def emitted(network: Network, x: NDArray[np.int8]) -> list[list[list[bool]]]:
    """Return which units change, by step and layer, as the golden model has it.

    Parameters
    ----------
    network : Network
    x : int8 [T, I]
    """
    states = GoldenModel(network).run(x[None]).states
    changed = [np.diff(h[0].astype(np.int64), axis=0, prepend=0) != 0 for h in states]
    return [[layer[step].tolist() for layer in changed] for step in range(len(x))]
