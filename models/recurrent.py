"""Recurrent layers one above the other, called like `torch.nn.GRU`, whatever their cells are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from models.spec import MAX_LAYERS

__all__ = ["Hidden", "Layer", "RecurrentLayers", "layer_sizes", "valid_steps"]

Hidden = Tensor | tuple[Tensor, ...]


class Layer(nn.Module, ABC):
    """One layer of a recurrent network.

    Parameters
    ----------
    input_size, hidden_size : int
        I, and H: numbers that it takes and gives in a step.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"sizes must be at least 1, not {input_size} and {hidden_size}")
        self.input_size, self.hidden_size = input_size, hidden_size

    @property
    def state_size(self) -> int:
        """Numbers S that it keeps from one step to the next, zero at first."""
        return self.hidden_size

    @abstractmethod
    def sequence(self, x: Tensor, state: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """All steps of a batch: x [T, N, I], state [N, S], valid bool [T, N, 1] or None for all.

        Returns
        -------
        Tensor [T, N, H], what the layer gives after each step (held where not valid), and the last
        state [N, S]
        """


class RecurrentLayers(nn.Module):
    """Layers one above the other.

    Parameters
    ----------
    cells : iterable of Layer
        1 to 4, each as wide as the one above expects.
    batch_first : bool
        Sequences are [N, T, I] instead of [T, N, I].

    Attributes
    ----------
    hidden_sizes : tuple of int
        H of each layer.
    """

    def __init__(self, cells: Iterable[Layer], batch_first: bool = False) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        if not 1 <= len(self.cells) <= MAX_LAYERS:
            raise ValueError(f"there must be 1 to {MAX_LAYERS} layers, not {len(self.cells)}")
        layers = self.layers
        for below, above in pairwise(layers):
            if below.hidden_size != above.input_size:
                raise ValueError(
                    f"a layer above one of {below.hidden_size} must take as many inputs, not "
                    f"{above.input_size}"
                )
        self.input_size = layers[0].input_size
        self.hidden_sizes = tuple(layer.hidden_size for layer in layers)
        self.num_layers, self.batch_first = len(layers), batch_first

    @property
    def layers(self) -> list[Layer]:
        """The cells, as what they are."""
        return [cast(Layer, cell) for cell in self.cells]

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
        hx : Tensor [layers, N, S] (or [layers, S]), or one [N, S_l] per layer, optional
            Zero by default.
        lengths : integers [N], 1 to T, optional
            For padded input; beyond its length a sequence's state holds and its output is 0,
            as `torch.nn.utils.rnn.pad_packed_sequence` gives it.

        Returns
        -------
        output
            What the last layer gives after each step, laid out like the input.
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
        """What every layer gives: x [T, N, I], valid bool [T, N, 1] or None.

        Returns
        -------
        list of Tensor [T, N, H_l], and the last states, list of Tensor [N, S_l]
        """
        if x.shape[-1] != self.input_size:
            raise ValueError(f"input must have {self.input_size} features, not {x.shape[-1]}")
        if len(x) == 0:
            raise ValueError("input must hold at least one time step, found none")
        initial = self._initial(x, hx)
        outputs, last = [], []
        for layer, h in zip(self.layers, initial, strict=True):
            x, h = layer.sequence(x, h, valid)
            outputs.append(x)
            last.append(h)
        return outputs, last

    @property
    def _equal(self) -> bool:
        return len({layer.state_size for layer in self.layers}) == 1

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
        wanted = [(x.shape[1], layer.state_size) for layer in self.layers]
        if hx is None:
            return [x.new_zeros(shape) for shape in wanted]
        parts = list(hx)
        found = [tuple(part.shape) for part in parts]
        if found != wanted:
            raise ValueError(f"hx must have the shapes {wanted}, one per layer, not {found}")
        return parts


def layer_sizes(hidden_size: int | Sequence[int], num_layers: int) -> list[int]:
    """Sizes of all layers, given once for so many layers or for each.

    Raises
    ------
    ValueError
        When the two say different things, or there are too many layers.
    """
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
    return sizes


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
    if not count or int(counted.min()) == steps:
        return None
    return (torch.arange(steps, device=device)[:, None] < counted)[..., None]
