"""All cells by their names, and networks of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from models.cells import AdditiveGatedCell
from models.family.egru import EGRULayer
from models.family.gru import GRULayer
from models.family.hitnet import HitNetGRULayer, HitNetLSTMLayer
from models.family.lstm import LSTMLayer
from models.family.mi_gru import MIGRULayer
from models.family.mi_lstm import MILSTMLayer
from models.float_network import AdditiveGatedNetwork, SequenceNetwork
from models.recurrent import Layer, RecurrentLayers, layer_sizes

__all__ = ["CELLS", "build"]

CELLS: dict[str, Callable[..., Layer]] = {
    "additive": AdditiveGatedCell,
    "gru": GRULayer,
    "lstm": LSTMLayer,
    "mi-gru": MIGRULayer,
    "mi-lstm": MILSTMLayer,
    "egru": EGRULayer,
    "hitnet-gru": HitNetGRULayer,
    "hitnet-lstm": HitNetLSTMLayer,
}


def build(
    cell: str,
    input_size: int,
    hidden_size: int | Sequence[int],
    outputs: int,
    num_layers: int = 1,
    settings: dict[str, Any] | None = None,
    **network: Any,
) -> SequenceNetwork:
    """A network whose layers are all of one kind, in floating point.

    Of additive gates it is an `AdditiveGatedNetwork`, which `models.qat.prepare_qat` takes.

    Parameters
    ----------
    cell : str
        One of `CELLS`.
    input_size : int
        I.
    hidden_size : int or sequence of int
        H of every layer, or one per layer.
    outputs : int
        C.
    num_layers : int
        1 to 4.
    settings : dict, optional
        What the cell takes besides its sizes, such as ``{"threshold": 0.5}`` of an EGRU.
    **network
        What `SequenceNetwork` takes: mode, target, normalisation, readout_scale.

    Raises
    ------
    ValueError
        If there is no such cell, or a size or setting is not possible.
    """
    if cell not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}, not {cell!r}")
    if cell == "additive":  # the one that can be quantized
        return AdditiveGatedNetwork(
            input_size, hidden_size, outputs, num_layers, **(settings or {}), **network
        )
    sizes = layer_sizes(hidden_size, num_layers)
    widths = [input_size, *sizes[:-1]]
    layers = [
        CELLS[cell](width, size, **(settings or {}))
        for width, size in zip(widths, sizes, strict=True)
    ]
    return SequenceNetwork(RecurrentLayers(layers), outputs, **network)
