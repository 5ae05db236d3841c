"""The float cell and its layers: additive gates with an interface like `torch.nn.GRU`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.gate import gate, gate_sequence
from models.recurrent import Layer, RecurrentLayers, layer_sizes

__all__ = ["AdditiveGatedCell", "AdditiveGatedRNN"]


class AdditiveGatedCell(Layer):
    """One time step of one layer; see `models.gate` for the equation and its source.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    theta : float
        Dead zone of the state, in [0, 2); states lie in [-1, 1].
    input_scale : float
        Initial input weights are drawn from U(±input_scale * max(1/sqrt H, 1/sqrt I)),
        recurrent ones from U(±1/sqrt H); biases start at 0.

    Attributes
    ----------
    weight_ih : Tensor [2H, I], weight_hh : Tensor [2H, H], bias : Tensor [2H]
        Rows 0..H-1 are z (inhibition), rows H..2H-1 are c (candidate).
    """

    steps: int | None = None
    """States per unit of a quantized cell; None computes on real numbers."""

    def __init__(
        self, input_size: int, hidden_size: int, theta: float = 0.0, input_scale: float = 1.0
    ) -> None:
        super().__init__(input_size, hidden_size)
        if not 0.0 <= theta < 2.0:
            raise ValueError(f"theta must be in [0, 2), not {theta}")
        self.theta, self.input_scale = theta, input_scale
        self.weight_ih = nn.Parameter(torch.empty(2 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(2 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(2 * hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        recurrent = self.hidden_size**-0.5
        bound = self.input_scale * max(recurrent, self.input_size**-0.5)
        nn.init.uniform_(self.weight_ih, -bound, bound)
        nn.init.uniform_(self.weight_hh, -recurrent, recurrent)
        nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"{self.input_size}, {self.hidden_size}, theta={self.theta}"

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the cell computes with: input weights, recurrent weights, bias."""
        return self.weight_ih, self.weight_hh, self.bias

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """One step.

        Parameters
        ----------
        input : Tensor [N, I] or [I]
        hx : Tensor [N, H] or [H], optional
            Zero by default.

        Returns
        -------
        Tensor [N, H] or [H]
        """
        if input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"input must be [N, {self.input_size}] or [{self.input_size}], not "
                f"{list(input.shape)}"
            )
        shape = (*input.shape[:-1], self.hidden_size)
        hx = input.new_zeros(shape) if hx is None else hx
        if hx.shape != shape:
            raise ValueError(f"hx must be {list(shape)}, not {list(hx.shape)}")
        w, u, b = self.weights()
        return gate(input @ w.T + b + hx @ u.T, hx, self.theta, self.steps)

    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch; see `Layer.sequence`. It gives its states."""
        w, u, b = self.weights()
        inputs = nn.functional.linear(x, w, b)
        states = gate_sequence(inputs, u, state, valid, self.theta, self.steps, reuse=True)
        return states, states[-1]


class AdditiveGatedRNN(RecurrentLayers):
    """One to four layers of additive gated cells, called like `torch.nn.GRU`.

    Parameters
    ----------
    input_size : int
    hidden_size : int or sequence of int
        H of every layer, or one per layer.
    num_layers : int
        1 to 4; with a sequence of sizes, their number.
    batch_first : bool
        Sequences are [N, T, I] instead of [T, N, I].
    theta : float or sequence of float
        Dead zone, for all layers or one per layer.
    input_scale : float
        Scale of the first layer's initial input weights.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        batch_first: bool = False,
        theta: float | Sequence[float] = 0.0,
        input_scale: float = 1.0,
    ) -> None:
        sizes = layer_sizes(hidden_size, num_layers)
        thetas = [theta] * len(sizes) if isinstance(theta, int | float) else list(theta)
        if len(thetas) != len(sizes):
            raise ValueError(f"theta must be given for {len(sizes)} layers, not {len(thetas)}")
        widths = [input_size, *sizes]
        super().__init__(
            (
                AdditiveGatedCell(
                    widths[number], size, thetas[number], input_scale if number == 0 else 1.0
                )
                for number, size in enumerate(sizes)
            ),
            batch_first,
        )
