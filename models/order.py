"""The network as the engine holds it: each layer's units by their positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.network import Network

__all__ = ["by_position"]


def by_position(network: Network) -> Network:
    """Lay a network's rows and columns out by position: unit k becomes the unit ``order[k]``.

    What it computes is the same, but for the order of the units; its own order is as they come.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Network
    """
    if not network.reordered:
        return network
    layers = []
    below = np.arange(network.spec.inputs)
    for weights, order in zip(network.layers, network.order, strict=True):
        units = order.astype(np.int64)
        rows = np.concatenate([units, units + len(units)])  # z rows, then c rows
        layers.append(
            replace(
                weights,
                W=weights.W[:, rows][:, :, below],
                W_shift=weights.W_shift[:, rows],
                U=weights.U[:, rows][:, :, units],
                U_shift=weights.U_shift[:, rows],
                b=weights.b[rows],
            )
        )
        below = units
    readout = replace(network.readout, R=network.readout.R[:, :, below])
    return Network(network.spec, tuple(layers), readout, network.normalisation)
