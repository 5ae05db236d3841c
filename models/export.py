"""From a trained quantized module to the network: integers only, every bound checked."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from models.float_network import AdditiveGatedNetwork
from models.network import LayerWeights, Network, ReadoutWeights, longest_sum
from models.parity import assign_parities
from models.qat import QuantizedCell, QuantizedNetwork, QuantizedReadout
from models.spec import FRACTION_BITS, LayerSpec, NetworkSpec, ReadoutSpec

__all__ = ["export"]


def export(
    module: AdditiveGatedNetwork,
    name: str = "network",
    labels: Sequence[str] | None = None,
    task: str | None = None,
    calibration: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
) -> Network:
    """The network that a quantized module computes.

    Parameters
    ----------
    module : QuantizedNetwork
        From `models.qat.prepare_qat`, trained.
    name : str
    labels : sequence of str, optional
        A name per output.
    task : str, optional
    calibration : float array [N, T, I], optional
        Raw features of sequences by which units are shared out between the engine's even and odd
        positions (`models.parity.assign_parities`): training data. Without them the engine holds
        the units as they come. `models.parity.measure_parities` says what was reached.
    lengths : integers [N], optional
        Valid steps of each of these sequences.

    Returns
    -------
    Network
        Its golden model gives the module's logits and states bit for bit. For readout mode
        "sum" it says max_steps, the longest sequence whose sum is sure to fit 32 bits.

    Raises
    ------
    TypeError
        When the module is not quantized.
    NetworkError
        When a bound of the numeric contract is broken, naming layer and row; or when the network
        cannot take the calibration sequences.
    """
    if not isinstance(module, QuantizedNetwork):
        raise TypeError(
            f"export takes what prepare_qat gave, trained; a {type(module).__name__} still "
            "computes in floating point"
        )
    if module.fraction_bits != FRACTION_BITS:
        raise ValueError(
            f"the engine has {FRACTION_BITS} fraction bits; a module with {module.fraction_bits} "
            "cannot be exported"
        )
    specs, layers = [], []
    for cell in module.rnn.cells:
        assert isinstance(cell, QuantizedCell)
        if cell.exact:
            raise TypeError("a module made by from_network is exported already: use its network")
        w, w_shift = cell.input_rows.integers(cell.weight_ih)
        u, u_shift = cell.recurrent_rows.integers(cell.weight_hh)
        layers.append(
            LayerWeights(w, w_shift, u, u_shift, cell.grid.integer_bias(cell.bias, half=True))
        )
        theta = round(cell.theta * cell.grid.steps)
        specs.append(LayerSpec(cell.input_size, cell.hidden_size, theta, len(w), len(u)))
    assert isinstance(module.readout, QuantizedReadout)
    readout = module.readout
    r, r_shift = readout.rows.integers(readout.weight)
    weights = ReadoutWeights(r, r_shift, readout.grid.integer_bias(readout.bias, half=False))
    limit = (1 << module.hb) - 1
    spec = NetworkSpec(
        name=name,
        inputs=module.rnn.input_size,
        layers=tuple(specs),
        readout=ReadoutSpec(readout.out_features, module.mode, len(r)),
        target=module.target,
        hb=module.hb,
        labels=None if labels is None else tuple(labels),
        max_steps=longest_sum(weights, limit) if module.mode == "sum" else None,
        task=task,
    )
    network = Network(spec, tuple(layers), weights, module.normalisation)
    return network if calibration is None else assign_parities(network, calibration, lengths)[0]
