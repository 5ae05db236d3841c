"""A whole trainable network: normalisation, gated layers, readout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.cells import AdditiveGatedRNN
from models.network import Normalisation
from models.recurrent import RecurrentLayers, valid_steps
from models.spec import READOUT_MODES, TARGETS

__all__ = ["AdditiveGatedNetwork", "Output", "SequenceNetwork"]


class Output(NamedTuple):
    """What a network gives.

    Parameters
    ----------
    logits : Tensor [N, T, C]
        Of every step (beyond a sequence's length: of the held state).
    scores : Tensor [N, C]
        Logits of the last valid step, or in mode "sum" their sum over the valid steps, in
        float64 so that it is exact.
    states : tuple of Tensor [N, T, H_l]
        What every layer gives; of additive gates, their states.
    h_n : tuple of Tensor [N, S_l]
        Last valid state of every layer.
    valid : Tensor, bool [N, T]
    """

    logits: Tensor
    scores: Tensor
    states: tuple[Tensor, ...]
    h_n: tuple[Tensor, ...]
    valid: Tensor


class SequenceNetwork(nn.Module):
    """Recurrent layers of any kind and a linear readout, in floating point.

    Parameters
    ----------
    rnn : RecurrentLayers
    outputs : int
        C: classes, or 1 for a single float target.
    mode : str
        Readout: "last", "sum" or "every".
    target : str
        "class" or "value".
    normalisation : Normalisation, optional
        Of the raw features; mean 0 and scale 1 by default. It goes into the network file.
    readout_scale : float
        Scale of the initial readout weights.
    dropout : float
        Share of the last layer's units that the readout does not see while training, drawn for
        each sequence and kept for all its steps (drawn anew each step it would average out in a
        sum over steps), in [0, 1). In evaluation mode nothing is changed.
    """

    def __init__(
        self,
        rnn: RecurrentLayers,
        outputs: int,
        mode: str = "last",
        target: str = "class",
        normalisation: Normalisation | None = None,
        readout_scale: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        input_size = rnn.input_size
        if mode not in READOUT_MODES:
            raise ValueError(f"mode must be one of {', '.join(READOUT_MODES)}, not {mode!r}")
        if target not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        if normalisation is None:
            normalisation = Normalisation(np.zeros(input_size), np.ones(input_size))
        if normalisation.mean.shape != (input_size,):
            raise ValueError(
                f"normalisation must have {input_size} features, not {len(normalisation.mean)}"
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), not {dropout}")
        self.mode, self.target, self.normalisation = mode, target, normalisation
        self.dropout = dropout
        self.rnn = rnn
        self.readout = nn.Linear(self.rnn.hidden_sizes[-1], outputs)
        bound = readout_scale * self.rnn.hidden_sizes[-1] ** -0.5
        nn.init.uniform_(self.readout.weight, -bound, bound)
        nn.init.zeros_(self.readout.bias)

    def prepare(self, x: Tensor) -> Tensor:
        """Raw features [N, T, I] to what the first layer sees, in [-1, 1]."""
        if not x.is_floating_point():
            raise TypeError(f"x must be a floating-point tensor of raw features, not {x.dtype}")
        mean = torch.as_tensor(self.normalisation.mean.copy(), device=x.device)
        scale = torch.as_tensor(self.normalisation.scale.copy(), device=x.device)
        return ((x.double() - mean) * scale).clamp(-1.0, 1.0).to(self.readout.weight.dtype)

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | Sequence[int] | None = None,
        hx: Sequence[Tensor] | None = None,
    ) -> Output:
        """Run sequences.

        Parameters
        ----------
        x : Tensor [N, T, I]
            Raw features.
        lengths : integers [N], 1 to T, optional
        hx : one Tensor [N, S_l] per layer, optional
            State to start from; zero by default.

        Returns
        -------
        Output
        """
        if x.dim() != 3:
            raise ValueError(f"x must have shape [N, T, I], not {list(x.shape)}")
        count, steps = x.shape[:2]
        valid = valid_steps(lengths, steps, count, x.device)
        start = None if hx is None else tuple(hx)
        states, last = self.rnn.states(self.prepare(x).transpose(0, 1), start, valid)
        everywhere = x.new_ones((count, steps), dtype=torch.bool)
        mask = everywhere if valid is None else valid[..., 0].T
        logits = self.readout(self._dropped(states[-1].transpose(0, 1)))
        if self.mode == "sum":
            scores = torch.where(mask[..., None], logits.double(), 0.0).sum(dim=1)
        else:
            # The state holds beyond a sequence's length, so its last logits are those there.
            scores = logits[:, -1].double()
        return Output(logits, scores, tuple(s.transpose(0, 1) for s in states), tuple(last), mask)

    def _dropped(self, states: Tensor) -> Tensor:
        """States [N, T, H] as the readout sees them."""
        if not (self.training and self.dropout):
            return states
        units = states.new_ones((len(states), 1, states.shape[2]))
        return states * nn.functional.dropout(units, self.dropout)


class AdditiveGatedNetwork(SequenceNetwork):
    """Layers of additive gates and a linear readout, in floating point.

    Parameters
    ----------
    input_size : int
        I.
    hidden_size : int or sequence of int
        H of every layer, or one per layer.
    outputs, mode, target, normalisation, readout_scale, dropout
        As for `SequenceNetwork`.
    num_layers : int
        1 to 4.
    theta : float or sequence of float
        Dead zone of the states, in [0, 2).
    input_scale : float
        Scale of the initial input weights.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        outputs: int,
        num_layers: int = 1,
        mode: str = "last",
        target: str = "class",
        theta: float | Sequence[float] = 0.0,
        normalisation: Normalisation | None = None,
        input_scale: float = 1.0,
        readout_scale: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        rnn = AdditiveGatedRNN(
            input_size, hidden_size, num_layers, theta=theta, input_scale=input_scale
        )
        super().__init__(rnn, outputs, mode, target, normalisation, readout_scale, dropout)
