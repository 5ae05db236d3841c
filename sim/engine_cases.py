"""Networks and inputs for the engine's tests, drawn from a seed, extremes included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.network import Network, longest_sum
from models.random_networks import random_inputs, random_network

#: Rows that a matrix may get instead of drawn ones: nothing, every source, every source inverted.
_ROWS = (0, 1, -1)

#: At every bound at once: 257 inputs, 256 units, every row with its largest shift and bias.
LARGEST: dict[str, Any] = {
    "inputs": 257, "units": (256,), "outputs": 17, "density": 1.0, "shifts": (7, 7), "bias": 32768,
}  # fmt: skip


def draw_network(seed: int) -> Network:
    """Draw a network of moderate size: all sizes, planes, bounds and modes are drawn.

    Those of odd seeds are held by the engine in a drawn order of units.
    """
    rng = np.random.default_rng(seed)
    layers = int(rng.integers(1, 5))
    largest = 48 if layers == 1 else 24
    network = random_network(
        seed,
        inputs=int(rng.choice(np.array([1, *rng.integers(2, 40, 4)]))),
        units=tuple(int(h) for h in rng.integers(1, largest, layers)),
        outputs=int(rng.choice(np.array([1, *rng.integers(2, 40, 4)]))),
        hb=int(rng.integers(3, 8)),
        theta=[int(rng.integers(20) * rng.integers(2)) for _ in range(layers)],
        mode=str(rng.choice(["last", "sum", "every"])),
        density=(0.1, 0.5, 0.9)[rng.integers(3)],
        shifts=[(0, 4), (0, 7), (0, 0), (7, 7)][rng.integers(4)],
        bias=[None, 32768, 0][rng.integers(3)],
        planes=int(rng.choice([1, 1, 2, 3, 4])),
        shuffled=seed % 2 == 1,
    )
    return with_extreme_rows(network, rng) if rng.random() < 0.6 else network


def with_extreme_rows(network: Network, rng: np.random.Generator) -> Network:
    """Make a third of all rows zero, one or minus one throughout."""

    def cut(planes: NDArray[np.int8], shifts: NDArray[np.uint8]) -> tuple[Any, Any]:
        rows = rng.random(planes.shape[1]) < 1 / 3
        planes, shifts = planes.copy(), shifts.copy()
        planes[:, rows] = rng.choice(_ROWS, np.count_nonzero(rows))[None, :, None]
        if len(planes) > 1:  # four full planes would exceed 24 bits with large shifts
            shifts[:, rows] = 0
        return planes, shifts

    layers = []
    for weights in network.layers:
        w, w_shift = cut(weights.W, weights.W_shift)
        u, u_shift = cut(weights.U, weights.U_shift)
        layers.append(replace(weights, W=w, W_shift=w_shift, U=u, U_shift=u_shift))
    r, r_shift = cut(network.readout.R, network.readout.R_shift)
    readout = replace(network.readout, R=r, R_shift=r_shift)
    spec = network.spec
    if spec.readout.mode == "sum":
        spec = replace(spec, max_steps=longest_sum(readout, spec.M))
    return replace(network, spec=spec, layers=tuple(layers), readout=readout)


def draw_sequences(seed: int, network: Network) -> list[NDArray[np.int8]]:
    """Draw input sequences: busy ones, calm ones, constant ones, extremes, and one step alone."""
    limit, width = network.spec.M, network.spec.inputs
    busy = random_inputs(seed, network, 1, 4, change=0.7)[0]
    calm = random_inputs(seed + 1, network, 1, 5, change=0.1)[0]
    # Constant until the states stand still and passes are skipped, then a new input.
    constant = np.repeat(random_inputs(seed + 2, network, 1, 2)[0], (7, 2), axis=0)
    extreme = np.array([limit, -limit, limit, 0], np.int8)[:, None].repeat(width, axis=1)
    alone = random_inputs(seed + 3, network, 1, 1)[0]
    return [busy, alone, constant, extreme, calm]
