"""HitNet's quantizers, as wrappers: ternary weights by a threshold, activations drawn or cut.

Wang, Xie, Deng, Li, Wang and Xie, "HitNet: Hybrid Ternary Recurrent Neural Network" (NeurIPS
2018). Weights: threshold ternary quantization (TTQ), 0 within a threshold around 0. Activations:
Bernoulli ternary quantization (BTQ), which while training draws 1 or -1 with the probability that
the activation's magnitude is, and otherwise rounds. A slope in the activations, sigmoid(slope p)
and tanh(slope p), brings them near -1, 0 and 1 before.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from models.qat import straight_through, ternary_rows

__all__ = ["TernaryActivation", "TernaryWeight", "ternary_weights"]


class TernaryWeight(nn.Module):
    """A parametrization: rows of -1, 0, 1 times a power of two each; gradients go straight through.

    Parameters
    ----------
    threshold : float
        A weight of at most this share of its row's mean magnitude becomes 0; at least 0.
    """

    def __init__(self, threshold: float = 0.7) -> None:
        super().__init__()
        if threshold < 0:
            raise ValueError(f"threshold must be at least 0, not {threshold}")
        self.threshold = threshold

    def forward(self, weight: Tensor) -> Tensor:
        """What is computed with, of a weight [rows, columns]."""
        signs, mean = ternary_rows(weight.detach(), self.threshold)
        # Of a row of zeros nothing is left, whatever its scale.
        scale = torch.exp2(torch.round(torch.log2(mean.clamp(min=2.0**-24))))
        return straight_through(signs * scale[:, None], weight)


class TernaryActivation(nn.Module):
    """tanh(slope p), or sigmoid(slope p), as -1, 0 or 1 (0 or 1); gradients are those before that.

    Parameters
    ----------
    gate : bool
        sigmoid instead of tanh.
    slope : float
        Above 0.
    drawn : bool
        While training, draw: the Bernoulli quantization. False: cut at ±1/2 always, a plain
        threshold. In evaluation it is cut either way.
    """

    def __init__(self, gate: bool = False, slope: float = 1.0, drawn: bool = True) -> None:
        super().__init__()
        if slope <= 0:
            raise ValueError(f"slope must be above 0, not {slope}")
        self.gate, self.slope, self.drawn = gate, slope, drawn

    def extra_repr(self) -> str:
        """Settings, for printing."""
        return f"gate={self.gate}, slope={self.slope:g}, drawn={self.drawn}"

    def forward(self, p: Tensor) -> Tensor:
        """Activations of pre-activations."""
        smooth = torch.sigmoid(self.slope * p) if self.gate else torch.tanh(self.slope * p)
        with torch.no_grad():
            level = torch.rand_like(smooth) if self.drawn and self.training else 0.5
            ternary = smooth.sign() * (smooth.abs() > level)
        return straight_through(ternary, smooth)


def ternary_weights(module: nn.Module, names: Sequence[str], threshold: float = 0.7) -> None:
    """Make matrices of a module, by their parameters' names, ternary from now on.

    Training goes on moving the real weights behind them (`torch.nn.utils.parametrize`).

    Raises
    ------
    ValueError
        If the module has no such parameter.
    """
    for name in names:
        if not isinstance(getattr(module, name, None), nn.Parameter):
            raise ValueError(f"{type(module).__name__} has no parameter {name!r}")
        parametrize.register_parametrization(module, name, TernaryWeight(threshold))
