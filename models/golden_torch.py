"""The integer golden model in PyTorch integer tensors: written apart from the NumPy one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.network import Network
from models.spec import FRACTION_BITS

__all__ = ["TorchGoldenModel", "TorchGoldenResult"]


class TorchGoldenResult(NamedTuple):
    """As `models.golden.GoldenResult`, in int64 tensors."""

    states: tuple[Tensor, ...]
    logits: Tensor
    scores: Tensor
    labels: Tensor


class TorchGoldenModel:
    """Runs a network in integer tensors, on any device that multiplies them.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.spec = network.spec
        self.layers = [
            tuple(_tensor(a) for a in (w.W, w.W_shift, w.U, w.U_shift, w.b)) for w in network.layers
        ]
        readout = network.readout
        self.readout = tuple(_tensor(a) for a in (readout.R, readout.R_shift, readout.b))

    def run(self, x: Tensor, lengths: Tensor | Sequence[int] | None = None) -> TorchGoldenResult:
        """Whole sequences from the zero state.

        Parameters
        ----------
        x : integer Tensor [N, T, I], in [-M, M]
        lengths : integers [N], 1 to T, optional

        Returns
        -------
        TorchGoldenResult

        Raises
        ------
        ValueError
            When x is not of integers, or out of range.
        """
        if x.is_floating_point() or x.dim() != 3 or x.shape[2] != self.spec.inputs:
            raise ValueError(
                f"x must be integers [N, T, {self.spec.inputs}], not {x.dtype} {list(x.shape)}"
            )
        if int(x.max()) > self.spec.M or int(x.min()) < -self.spec.M:
            raise ValueError(f"x must lie in [-{self.spec.M}, {self.spec.M}]")
        x = x.long()
        count, steps, _ = x.shape
        ends = torch.as_tensor([steps] * count if lengths is None else lengths)
        h = [x.new_zeros(count, units) for units in self.spec.units]
        saved: list[list[Tensor]] = [[] for _ in h]
        logits, scores = [], x.new_zeros(count, self.spec.outputs)
        for step in range(steps):
            valid = (step < ends)[:, None]
            source = x[:, step]
            for number, (w, ws, u, us, b) in enumerate(self.layers):
                p = (_rows(w, ws, source) + _rows(u, us, h[number]) + b) >> FRACTION_BITS
                z, c = p.chunk(2, dim=1)
                z, c = z.clamp(0, 2 * self.spec.M + 1), c.clamp(-self.spec.M, self.spec.M)
                # The gate's other form: c + S(h - c, z), with theta's dead zone taken off first.
                gap, theta = h[number] - c, self.spec.layers[number].theta
                gap = (gap - theta).clamp(min=0) - (-gap - theta).clamp(min=0)
                left = (gap - z).clamp(min=0) - (-gap - z).clamp(min=0)
                h[number] = torch.where(valid, h[number] - gap + left, h[number])
                source = h[number]
                saved[number].append(source)
            r, rs, b = self.readout
            logits.append(_rows(r, rs, source) + b)
            if self.spec.readout.mode == "sum":
                scores = scores + logits[-1] * valid
            else:
                scores = torch.where(valid, logits[-1], scores)
        best = (scores == scores.max(dim=1, keepdim=True).values).long()
        return TorchGoldenResult(
            tuple(torch.stack(layer, 1) for layer in saved),
            torch.stack(logits, 1),
            scores,
            torch.argmax(best, dim=1),  # the first of the largest
        )


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.int64))


def _rows(planes: Tensor, shifts: Tensor, source: Tensor) -> Tensor:
    """sum over planes of (plane @ source) << shift."""
    raw = torch.einsum("prc,nc->npr", planes, source)
    return (raw << shifts).sum(dim=1)
