"""Ternary quantization-aware training, and a network file's own float arithmetic.

A quantized network computes in float32 on the integer grid of the numeric contract: every sum
is below 2**24 grid steps, so float32 holds it exactly, in any order. It shares no arithmetic
with the integer golden models and must equal them bit for bit.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.cells import AdditiveGatedCell
from models.float_network import AdditiveGatedNetwork
from models.network import Network
from models.spec import BIAS_MAX, BIAS_MIN, FRACTION_BITS, HB_RANGE, MAX_SHIFT

__all__ = ["QuantizedCell", "QuantizedNetwork", "QuantizedReadout", "from_network", "prepare_qat"]

THRESHOLD = 0.7
"""A weight below this share of its row's mean magnitude becomes 0."""


def ternarize(
    weight: Tensor, fraction_bits: int, exponent: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Nearest ternary row: signs, and k with the row's scale 2**-k.

    Parameters
    ----------
    weight : Tensor [rows, columns]
    fraction_bits : int
        F; k lies in F - 7 to F, so that the shift F - k is 0 to 7.
    exponent : Tensor [rows], optional
        k to use instead of the one drawn from the weights.

    Returns
    -------
    Tensor [rows, columns] of -1, 0, 1, and Tensor [rows] of k
    """
    size = weight.abs()
    kept = size > THRESHOLD * size.mean(dim=1, keepdim=True)
    if exponent is None:
        mean = (size * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
        exponent = torch.round(-torch.log2(mean)).clamp(fraction_bits - MAX_SHIFT, fraction_bits)
    return weight.sign() * kept, exponent


def _straight_through(value: Tensor, parameter: Tensor) -> Tensor:
    # value + 0: adding parameter and taking it off again would round the value.
    return value + (parameter - parameter.detach())


class _Grid(nn.Module):
    """Numbers of the grid that cells and readout share: hb, F, and how to get onto it."""

    def __init__(self, hb: int, fraction_bits: int) -> None:
        super().__init__()
        self.hb, self.fraction_bits = hb, fraction_bits

    @property
    def steps(self) -> int:
        """Grid steps of a state per unit, 2**hb."""
        return 1 << self.hb

    def weight(self, parameter: Tensor, exponent: Tensor | None) -> Tensor:
        """Ternary weights times their rows' powers of two, straight-through."""
        signs, k = ternarize(parameter.detach(), self.fraction_bits, exponent)
        return _straight_through(signs * torch.exp2(-k)[:, None], parameter)

    def bias(self, parameter: Tensor, half: bool) -> Tensor:
        """Bias on the grid of 2**-(hb + F), cut to 16 bits, with the rounding half if wanted."""
        scale = float(1 << (self.hb + self.fraction_bits))
        offset = float(1 << (self.fraction_bits - 1)) if half else 0.0
        scaled = parameter * scale + offset
        rounded = _straight_through(torch.round(scaled.detach()), scaled)
        return rounded.clamp(BIAS_MIN, BIAS_MAX) / scale

    def integer_weight(
        self, parameter: Tensor, exponent: Tensor | None
    ) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
        """One plane [1, rows, columns] and its shifts [1, rows]."""
        signs, k = ternarize(parameter.detach(), self.fraction_bits, exponent)
        shift = self.fraction_bits - k
        return signs.numpy(force=True).astype(np.int8)[None], shift.numpy(force=True).astype(
            np.uint8
        )[None]

    def integer_bias(self, parameter: Tensor, half: bool) -> NDArray[np.int16]:
        """Bias in grid steps."""
        steps = self.bias(parameter.detach(), half) * float(1 << (self.hb + self.fraction_bits))
        return steps.numpy(force=True).astype(np.int16)


class QuantizedCell(AdditiveGatedCell):
    """A cell that computes on the grid, with ternary rows.

    Parameters
    ----------
    cell : AdditiveGatedCell
        Its parameters are taken over (copied).
    hb, fraction_bits : int
    freeze_scales : bool
        Keep every row's power of two as it is now, instead of following the weights.
    """

    def __init__(
        self, cell: AdditiveGatedCell, hb: int, fraction_bits: int, freeze_scales: bool = False
    ) -> None:
        super().__init__(cell.input_size, cell.hidden_size, cell.theta, cell.input_scale)
        self.load_state_dict(cell.state_dict())
        self.grid = _Grid(hb, fraction_bits)
        self.steps = self.grid.steps
        # The dead zone lies on the grid as well.
        self.theta = round(cell.theta * self.grid.steps) / self.grid.steps
        self.exact: bool = False
        self.k_ih: Tensor | None
        self.k_hh: Tensor | None
        self.register_buffer("k_ih", None)
        self.register_buffer("k_hh", None)
        if freeze_scales:
            self.k_ih = ternarize(self.weight_ih.detach(), fraction_bits)[1]
            self.k_hh = ternarize(self.weight_hh.detach(), fraction_bits)[1]

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Quantized input weights, recurrent weights and bias, with the rounding half in it."""
        if self.exact:
            return self.weight_ih, self.weight_hh, self.bias
        return (
            self.grid.weight(self.weight_ih, self.k_ih),
            self.grid.weight(self.weight_hh, self.k_hh),
            self.grid.bias(self.bias, half=True),
        )


class QuantizedReadout(nn.Linear):
    """A readout with ternary rows; parameters as for `QuantizedCell`."""

    def __init__(
        self, linear: nn.Linear, hb: int, fraction_bits: int, freeze_scales: bool = False
    ) -> None:
        super().__init__(linear.in_features, linear.out_features)
        self.load_state_dict(linear.state_dict())
        self.grid = _Grid(hb, fraction_bits)
        self.exact: bool = False
        self.k: Tensor | None
        self.register_buffer("k", None)
        if freeze_scales:
            self.k = ternarize(self.weight.detach(), fraction_bits)[1]

    def forward(self, input: Tensor) -> Tensor:
        """Logits [..., C] of states [..., H]."""
        if self.exact:
            return nn.functional.linear(input, self.weight, self.bias)
        weight = self.grid.weight(self.weight, self.k)
        return nn.functional.linear(input, weight, self.grid.bias(self.bias, half=False))


class QuantizedNetwork(AdditiveGatedNetwork):
    """A network on the grid; made by `prepare_qat` or `from_network`.

    Its `forward` takes raw features (float), quantized by the same NumPy function that export
    and host use, or integers that are quantized already.
    """

    hb: int
    fraction_bits: int

    def prepare(self, x: Tensor) -> Tensor:
        """Raw features, or integers in [-M, M], to multiples of 2**-hb."""
        limit = (1 << self.hb) - 1
        if x.is_floating_point():
            x = torch.from_numpy(self.normalisation.quantize(x.numpy(force=True), self.hb))
            x = x.to(self.readout.weight.device)
        elif x.numel() and (int(x.min()) < -limit or int(x.max()) > limit):
            raise ValueError(
                f"integer inputs must lie in [-{limit}, {limit}], but lie from {int(x.min())} to "
                f"{int(x.max())}"
            )
        return x.to(torch.float32) / (1 << self.hb)


def prepare_qat(
    module: AdditiveGatedNetwork,
    hb: int = 7,
    freeze_scales: bool = False,
    fraction_bits: int = FRACTION_BITS,
) -> QuantizedNetwork:
    """A copy of a float network that trains on the grid, straight-through.

    Parameters
    ----------
    module : AdditiveGatedNetwork
        Left as it is.
    hb : int
        Fraction bits of a state, 3 to 7.
    freeze_scales : bool
        Keep every row's power of two as it is now. Calmer where rows would jump by factors of
        two (text); not needed for the tasks shipped here.
    fraction_bits : int
        F; only the engine's own value can be exported.

    Returns
    -------
    QuantizedNetwork
        Weights ternary per row (threshold 0.7 times the row's mean magnitude, scale the power
        of two nearest to what survives), biases on the 16-bit grid, states of hb + 1 bits.

    Raises
    ------
    TypeError
        When the module is not an AdditiveGatedNetwork, or is quantized already.
    ValueError
        When hb is out of range.
    """
    if not isinstance(module, AdditiveGatedNetwork) or isinstance(module, QuantizedNetwork):
        raise TypeError(
            f"prepare_qat takes an AdditiveGatedNetwork in floating point, not a "
            f"{type(module).__name__}"
        )
    if not HB_RANGE[0] <= hb <= HB_RANGE[1]:
        raise ValueError(f"hb must be from {HB_RANGE[0]} to {HB_RANGE[1]}, not {hb}")
    network = QuantizedNetwork.__new__(QuantizedNetwork)
    network.__dict__ = copy.deepcopy(module.__dict__)
    network.hb, network.fraction_bits = hb, fraction_bits
    arguments = (hb, fraction_bits, freeze_scales)
    for number, cell in enumerate(module.rnn.cells):
        assert isinstance(cell, AdditiveGatedCell)
        network.rnn.cells[number] = QuantizedCell(cell, *arguments)
    network.readout = QuantizedReadout(module.readout, *arguments)
    return network.to(torch.float32)


def from_network(network: Network) -> QuantizedNetwork:
    """A quantized network that computes with exactly a network file's numbers.

    Parameters
    ----------
    network : Network
        Any number of planes: they are added up as real weights, sum of plane * 2**(s - F).

    Returns
    -------
    QuantizedNetwork
        In evaluation mode; its logits times 2**(hb + F) and states times 2**hb are integers,
        the same as the golden model's.
    """
    spec = network.spec
    steps = 1 << spec.hb
    float_module = AdditiveGatedNetwork(
        spec.inputs,
        spec.units,
        spec.outputs,
        mode=spec.readout.mode,
        target=spec.target,
        theta=[layer.theta / steps for layer in spec.layers],
        normalisation=network.normalisation,
    )
    module = prepare_qat(float_module, spec.hb)
    for cell, weights in zip(module.rnn.cells, network.layers, strict=True):
        assert isinstance(cell, QuantizedCell)
        cell.exact = True
        _fill(cell.weight_ih, _real(weights.W, weights.W_shift))
        _fill(cell.weight_hh, _real(weights.U, weights.U_shift))
        _fill(cell.bias, weights.b / float(1 << (spec.hb + FRACTION_BITS)))
    assert isinstance(module.readout, QuantizedReadout)
    module.readout.exact = True
    _fill(module.readout.weight, _real(network.readout.R, network.readout.R_shift))
    _fill(module.readout.bias, network.readout.b / float(1 << (spec.hb + FRACTION_BITS)))
    return module.eval()


def _real(planes: NDArray[np.int8], shifts: NDArray[np.uint8]) -> NDArray[np.float64]:
    scales = np.exp2(shifts.astype(np.float64) - FRACTION_BITS)
    return np.einsum("prc,pr->rc", planes.astype(np.float64), scales)


def _fill(parameter: Tensor, values: NDArray[np.float64]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))
    parameter.requires_grad_(False)
