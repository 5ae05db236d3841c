"""The float cell and its layers: additive gates with an interface like `torch.nn.GRU`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from models.gate import gate, gate_sequence
from models.spec import MAX_LAYERS

__all__ = ["AdditiveGatedCell", "AdditiveGatedRNN"]

Hidden = Tensor | tuple[Tensor, ...]


class AdditiveGatedCell(nn.Module):
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
        super().__init__()
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"sizes must be at least 1, not {input_size} and {hidden_size}")
        if not 0.0 <= theta < 2.0:
            raise ValueError(f"theta must be in [0, 2), not {theta}")
        self.input_size, self.hidden_size = input_size, hidden_size
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

    def sequence(self, x: Tensor, h: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch: x [T, N, I], h [N, H], valid bool [T, N, 1] or None for all.

        Returns
        -------
        Tensor [T, N, H], the state after each step (held where not valid), and the last one
        """
        w, u, b = self.weights()
        inputs = nn.functional.linear(x, w, b)
        states = gate_sequence(inputs, u, h, valid, self.theta, self.steps, reuse=True)
        return states, states[-1]


class AdditiveGatedRNN(nn.Module):
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
        super().__init__()
        if isinstance(hidden_size, int):
            sizes = [hidden_size] * num_layers
        else:
            sizes = list(hidden_size)
            if num_layers not in (1, len(sizes)):
                raise ValueError(
                    f"num_layers must be {len(sizes)}, the number of hidden sizes, not {num_layers}"
                )
        if not 1 <= len(sizes) <= MAX_LAYERS:
            raise ValueError(f"there must be 1 to {MAX_LAYERS} layers, not {len(sizes)}")
        thetas = [theta] * len(sizes) if isinstance(theta, int | float) else list(theta)
        if len(thetas) != len(sizes):
            raise ValueError(f"theta must be given for {len(sizes)} layers, not {len(thetas)}")
        self.input_size, self.hidden_sizes = input_size, tuple(sizes)
        self.num_layers, self.batch_first = len(sizes), batch_first
        widths = [input_size, *sizes]
        self.cells = nn.ModuleList(
            AdditiveGatedCell(
                widths[number], size, thetas[number], input_scale if number == 0 else 1.0
            )
            for number, size in enumerate(sizes)
        )

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Hidden | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor | PackedSequence, Hidden]:
        """Run sequences.

        Parameters
        ----------
        input : Tensor [T, N, I] ([N, T, I] if batch_first), or [T, I], or PackedSequence
        hx : Tensor [layers, N, H] (or [layers, H]), or one [N, H_l] per layer, optional
            Zero by default.
        lengths : integers [N], 1 to T, optional
            For padded input; beyond its length a sequence's state holds and its output is 0,
            as `torch.nn.utils.rnn.pad_packed_sequence` gives it.

        Returns
        -------
        output
            State of the last layer after each step, laid out like the input.
        h_n
            Last valid state of each layer, like hx: a Tensor, or a tuple if the layers differ
            in size.
        """
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError("lengths are part of a PackedSequence; give None beside one")
            padded, packed_lengths = pad_packed_sequence(input)
            states, h_n = self._run(padded, hx, packed_lengths)
            order = input.sorted_indices
            if order is not None:
                states, packed_lengths = states[:, order], packed_lengths[order.cpu()]
            packed = pack_padded_sequence(states, packed_lengths)
            return PackedSequence(
                packed.data, input.batch_sizes, input.sorted_indices, input.unsorted_indices
            ), h_n
        if input.dim() == 2:
            if lengths is not None:
                raise ValueError("lengths need a batch: input must have 3 dimensions, not 2")
            parts = None if hx is None else [h.unsqueeze(0) for h in hx]
            states, h_n = self._run(input.unsqueeze(1), parts)
            single = tuple(h.squeeze(0) for h in h_n)
            return states.squeeze(1), torch.stack(single) if self._equal else single
        if input.dim() != 3:
            raise ValueError(f"input must have 2 or 3 dimensions, not shape {list(input.shape)}")
        states, h_n = self._run(input.transpose(0, 1) if self.batch_first else input, hx, lengths)
        return states.transpose(0, 1) if self.batch_first else states, h_n

    def states(
        self, x: Tensor, hx: Hidden | Sequence[Tensor] | None, valid: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """States of every layer: x [T, N, I], valid bool [T, N, 1] or None.

        Returns
        -------
        list of Tensor [T, N, H_l] and list of Tensor [N, H_l]
        """
        if x.shape[-1] != self.input_size:
            raise ValueError(f"input must have {self.input_size} features, not {x.shape[-1]}")
        if len(x) == 0:
            raise ValueError("input must hold at least one time step, found none")
        initial = self._initial(x, hx)
        outputs, last = [], []
        for cell, h in zip(self.cells, initial, strict=True):
            assert isinstance(cell, AdditiveGatedCell)
            x, h = cell.sequence(x, h, valid)
            outputs.append(x)
            last.append(h)
        return outputs, last

    @property
    def _equal(self) -> bool:
        return len(set(self.hidden_sizes)) == 1

    def _run(
        self,
        x: Tensor,
        hx: Hidden | Sequence[Tensor] | None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, Hidden]:
        valid = valid_steps(lengths, x.shape[0], x.shape[1], x.device)
        outputs, last = self.states(x, hx, valid)
        output = outputs[-1] if valid is None else torch.where(valid, outputs[-1], 0.0)
        return output, torch.stack(last) if self._equal else tuple(last)

    def _initial(self, x: Tensor, hx: Hidden | Sequence[Tensor] | None) -> list[Tensor]:
        wanted = [(x.shape[1], size) for size in self.hidden_sizes]
        if hx is None:
            return [x.new_zeros(shape) for shape in wanted]
        parts = list(hx)
        found = [tuple(part.shape) for part in parts]
        if found != wanted:
            raise ValueError(f"hx must have the shapes {wanted}, one per layer, not {found}")
        return parts


def valid_steps(
    lengths: Tensor | Sequence[int] | None, steps: int, count: int, device: torch.device
) -> Tensor | None:
    """Which steps lie within their sequence: bool [T, N, 1], or None when all do."""
    if lengths is None:
        return None
    counted = torch.as_tensor(lengths, device=device)
    if counted.shape != (count,) or counted.is_floating_point():
        raise ValueError(
            f"lengths must be {count} integers, not {counted.dtype} of shape {list(counted.shape)}"
        )
    if count and not (1 <= int(counted.min()) and int(counted.max()) <= steps):
        raise ValueError(
            f"lengths must be from 1 to {steps}, but lie from {int(counted.min())} to "
            f"{int(counted.max())}"
        )
    if int(counted.min()) == steps:
        return None
    return (torch.arange(steps, device=device)[:, None] < counted)[..., None]
