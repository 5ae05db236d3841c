"""What is loaded into the core: the network in the order in which the passes take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.gru.core import Region
from bench.gru.lanes import LANES
from bench.gru.model import Integers, Network
from bench.gru.signatures import Pass
from bench.gru.store import COLUMNS

__all__ = ["Load", "loads"]

#: Region, address and 16 bits of data.
Load = tuple[Any, int, int]

#: Index into `Network.shifts` and `Network.bias`, which are of r, z, nx and nh.
_GATE: dict[Any, int] = {
    Pass.CANDIDATE_STATE: 3,
    Pass.RESET: 0,
    Pass.CANDIDATE_INPUT: 2,
    Pass.UPDATE: 1,
}


def loads(network: Network) -> Iterator[Load]:
    """Everything that the core must be loaded with before use, in any order."""
    matrices, biases = [], []
    readouts = -(-network.sizes.outputs // LANES)
    padding = LANES * readouts - network.sizes.outputs
    for group in range(network.sizes.hidden // LANES):
        rows = slice(group * LANES, (group + 1) * LANES)
        W, U = network.W[:, rows], network.U[:, rows]
        matrices += [U[2], np.hstack([W[0], U[0]]), W[2], np.hstack([W[1], U[1]])]
        biases += [network.bias[gate, rows] for gate in _GATE.values()]
    readout = np.vstack([network.R, np.zeros((padding, network.sizes.hidden), np.int64)])
    matrices += np.split(readout, readouts)
    biases += [network.readout_bias, np.zeros(padding, np.int64)]

    # Weights, column by column: eight bytes, of which each RAM takes two.
    columns = np.concatenate([matrix.T for matrix in matrices])
    yield from _region(Region.WEIGHTS, _halves(columns.reshape(-1, COLUMNS, 2)))
    yield from _region(Region.BIASES, np.concatenate(biases))
    for kind, gate in _GATE.items():
        yield Region.SHIFTS, kind.value, network.shifts[gate]


def _halves(pairs: Integers) -> Integers:
    result: Integers = (pairs[..., 0] & 0xFF) | (pairs[..., 1] & 0xFF) << 8
    return result.reshape(-1)


def _region(region: Any, values: Integers) -> Iterator[Load]:
    for address, value in enumerate(values):
        yield region, address, int(value) & 0xFFFF
