"""Ternary quantization-aware training, and a network file's own float arithmetic.

A quantized network computes in float32 on the integer grid of the numeric contract: every sum
is below 2**24 grid steps, so float32 holds it exactly, in any order. It shares no arithmetic
with the integer golden models and must equal them bit for bit. Why it is written here:
docs/decisions/0009-brevitas.md.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.cells import AdditiveGatedCell
from models.float_network import AdditiveGatedNetwork
from models.network import Network
from models.spec import BIAS_MAX, BIAS_MIN, FRACTION_BITS, HB_RANGE, MAX_PLANES, MAX_SHIFT

__all__ = [
    "Planes",
    "QuantizedCell",
    "QuantizedNetwork",
    "QuantizedReadout",
    "from_network",
    "prepare_qat",
]

THRESHOLD = 0.7
"""A weight below this share of its row's mean magnitude becomes 0."""


def ternary_rows(weight: Tensor, threshold: float = THRESHOLD) -> tuple[Tensor, Tensor]:
    """Which weights a threshold leaves, and how large they are.

    Parameters
    ----------
    weight : Tensor [rows, columns]
    threshold : float
        A weight of at most this share of its row's mean magnitude becomes 0.

    Returns
    -------
    Tensor [rows, columns] of -1, 0, 1, and Tensor [rows] of the mean magnitude of what is left,
    0 for a row of zeros
    """
    size = weight.abs()
    kept = size > threshold * size.mean(dim=1, keepdim=True)
    return weight.sign() * kept, (size * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)


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
    signs, mean = ternary_rows(weight)
    if exponent is None:
        exponent = torch.round(-torch.log2(mean)).clamp(fraction_bits - MAX_SHIFT, fraction_bits)
    return signs, exponent


def ternary_planes(
    weight: Tensor, planes: int, fraction_bits: int, exponents: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Rows as sums of ternary rows: the first plane is the nearest, each next one of what is left.

    Parameters
    ----------
    weight : Tensor [rows, columns]
    planes : int
    fraction_bits : int
    exponents : Tensor [planes, rows], optional
        As for `ternarize`, of each plane.

    Returns
    -------
    Tensor [planes, rows, columns] of -1, 0, 1, and Tensor [planes, rows] of k
    """
    found, left = [], weight
    for plane in range(planes):
        signs, k = ternarize(left, fraction_bits, None if exponents is None else exponents[plane])
        found.append((signs, k))
        left = left - signs * torch.exp2(-k)[:, None]
    return torch.stack([signs for signs, _ in found]), torch.stack([k for _, k in found])


def straight_through(value: Tensor, parameter: Tensor) -> Tensor:
    """A value whose gradient is the parameter's."""
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

    def bias(self, parameter: Tensor, half: bool) -> Tensor:
        """Bias on the grid of 2**-(hb + F), cut to 16 bits, with the rounding half if wanted."""
        scale = float(1 << (self.hb + self.fraction_bits))
        offset = float(1 << (self.fraction_bits - 1)) if half else 0.0
        scaled = parameter * scale + offset
        rounded = straight_through(torch.round(scaled.detach()), scaled)
        return rounded.clamp(BIAS_MIN, BIAS_MAX) / scale

    def integer_bias(self, parameter: Tensor, half: bool) -> NDArray[np.int16]:
        """Bias in grid steps."""
        steps = self.bias(parameter.detach(), half) * float(1 << (self.hb + self.fraction_bits))
        return steps.numpy(force=True).astype(np.int16)


@dataclass(frozen=True)
class Planes:
    """Ternary planes of a network's matrices, 1 to 4 each.

    More than one where one is too coarse; each costs the engine words, and cycles for each event
    or row.

    Attributes
    ----------
    inputs : int
        Of the first layer's W.
    recurrent : int
        Of every U, and of every other W.
    readout : int
        Of R.

    Raises
    ------
    ValueError
        When one is out of range.
    """

    inputs: int = 1
    recurrent: int = 1
    readout: int = 1

    def __post_init__(self) -> None:
        for name, count in vars(self).items():
            if not 1 <= count <= MAX_PLANES:
                raise ValueError(f"planes of {name} must be from 1 to {MAX_PLANES}, not {count}")


class TernaryRows(nn.Module):
    """What makes a matrix a sum of ternary planes, each row of each with a power of two.

    Parameters
    ----------
    planes : int
    fraction_bits : int
    frozen : Tensor, optional
        The matrix whose powers of two are kept, instead of following those that come.
    """

    def __init__(self, planes: int, fraction_bits: int, frozen: Tensor | None = None) -> None:
        super().__init__()
        self.planes, self.fraction_bits = planes, fraction_bits
        self.k: Tensor | None
        self.register_buffer("k", None)
        if frozen is not None:
            self.k = self._planes(frozen)[1]

    def forward(self, parameter: Tensor) -> Tensor:
        """The sum of the planes, straight-through."""
        signs, k = self._planes(parameter)
        return straight_through((signs * torch.exp2(-k)[..., None]).sum(dim=0), parameter)

    def integers(self, parameter: Tensor) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
        """Planes [planes, rows, columns] and their shifts [planes, rows]."""
        signs, k = self._planes(parameter)
        shift = self.fraction_bits - k
        return signs.numpy(force=True).astype(np.int8), shift.numpy(force=True).astype(np.uint8)

    def _planes(self, parameter: Tensor) -> tuple[Tensor, Tensor]:
        return ternary_planes(parameter.detach(), self.planes, self.fraction_bits, self.k)


class QuantizedCell(AdditiveGatedCell):
    """A cell that computes on the grid, with ternary rows.

    Parameters
    ----------
    cell : AdditiveGatedCell
        Its parameters are taken over (copied).
    hb, fraction_bits : int
    freeze_scales : bool
        Keep every row's power of two as it is now, instead of following the weights.
    planes : tuple of int
        Ternary planes of W and of U.
    """

    def __init__(
        self,
        cell: AdditiveGatedCell,
        hb: int,
        fraction_bits: int,
        freeze_scales: bool = False,
        planes: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__(cell.input_size, cell.hidden_size, cell.theta, cell.input_scale)
        self.load_state_dict(cell.state_dict())
        self.grid = _Grid(hb, fraction_bits)
        self.steps = self.grid.steps
        # The dead zone lies on the grid as well.
        self.theta = round(cell.theta * self.grid.steps) / self.grid.steps
        self.exact: bool = False
        self.input_rows, self.recurrent_rows = (
            TernaryRows(count, fraction_bits, weight if freeze_scales else None)
            for count, weight in zip(planes, (self.weight_ih, self.weight_hh), strict=True)
        )

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Quantized input weights, recurrent weights and bias, with the rounding half in it."""
        if self.exact:
            return self.weight_ih, self.weight_hh, self.bias
        return (
            self.input_rows(self.weight_ih),
            self.recurrent_rows(self.weight_hh),
            self.grid.bias(self.bias, half=True),
        )


class QuantizedReadout(nn.Linear):
    """A readout with ternary rows; parameters as for `QuantizedCell`."""

    def __init__(
        self,
        linear: nn.Linear,
        hb: int,
        fraction_bits: int,
        freeze_scales: bool = False,
        planes: int = 1,
    ) -> None:
        super().__init__(linear.in_features, linear.out_features)
        self.load_state_dict(linear.state_dict())
        self.grid = _Grid(hb, fraction_bits)
        self.exact: bool = False
        self.rows = TernaryRows(planes, fraction_bits, self.weight if freeze_scales else None)

    def forward(self, input: Tensor) -> Tensor:
        """Logits [..., C] of states [..., H]."""
        if self.exact:
            return nn.functional.linear(input, self.weight, self.bias)
        weight = self.rows(self.weight)
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
    planes: Planes | None = None,
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
    planes : Planes, optional
        Ternary planes of the matrices; one of each by default.

    Returns
    -------
    QuantizedNetwork
        Weights ternary per row (threshold 0.7 times the row's mean magnitude, scale the power
        of two nearest to what survives), or sums of such planes; biases on the 16-bit grid, states
        of hb + 1 bits.

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
    planes = planes or Planes()
    for number, cell in enumerate(module.rnn.cells):
        assert isinstance(cell, AdditiveGatedCell)
        counts = planes.recurrent if number else planes.inputs, planes.recurrent
        network.rnn.cells[number] = QuantizedCell(cell, *arguments, counts)
    network.readout = QuantizedReadout(module.readout, *arguments, planes.readout)
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
