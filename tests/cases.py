"""Cases: a small network and its inputs as plain numbers, drawn one by one, printed as Python.

Hypothesis shrinks every size and every number of a case. What `Case.as_python` returns can be
pasted into a Python that was started at the repository's root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.network import LayerWeights, Network, Normalisation, ReadoutWeights, longest_sum
from models.spec import BIAS_MAX, BIAS_MIN, FRACTION_BITS, LayerSpec, NetworkSpec, ReadoutSpec

Planes = list[list[list[int]]]
Shifts = list[list[int]]


@dataclass(frozen=True)
class Layer:
    """A layer's numbers, as in `models.network.LayerWeights`."""

    theta: int
    W: Planes
    W_shift: Shifts
    U: Planes
    U_shift: Shifts
    b: list[int]


@dataclass(frozen=True)
class Readout:
    """The readout's numbers, as in `models.network.ReadoutWeights`."""

    R: Planes
    R_shift: Shifts
    b: list[int]


@dataclass(frozen=True)
class Case:
    """A network, and the sequences [T][I] that it gets one after the other."""

    lanes: int
    hb: int
    mode: str
    layers: list[Layer]
    readout: Readout
    sequences: list[list[list[int]]]

    def network(self) -> Network:
        """Return the network; building it checks every rule."""
        layers = tuple(
            LayerWeights(
                np.array(part.W, np.int8),
                np.array(part.W_shift, np.uint8),
                np.array(part.U, np.int8),
                np.array(part.U_shift, np.uint8),
                np.array(part.b, np.int16),
            )
            for part in self.layers
        )
        readout = ReadoutWeights(
            np.array(self.readout.R, np.int8),
            np.array(self.readout.R_shift, np.uint8),
            np.array(self.readout.b, np.int16),
        )
        inputs = len(self.sequences[0][0])
        spec = NetworkSpec(
            name="case",
            inputs=inputs,
            layers=tuple(
                LayerSpec(w.W.shape[2], w.U.shape[2], part.theta, len(w.W), len(w.U))
                for part, w in zip(self.layers, layers, strict=True)
            ),
            readout=ReadoutSpec(len(readout.b), self.mode, len(readout.R)),
            hb=self.hb,
            max_steps=longest_sum(readout, (1 << self.hb) - 1) if self.mode == "sum" else None,
        )
        return Network(spec, layers, readout, Normalisation(np.zeros(inputs), np.ones(inputs)))

    def inputs(self) -> list[NDArray[np.int8]]:
        """Return the sequences, int8 [T, I] each."""
        return [np.array(sequence, np.int8) for sequence in self.sequences]

    def as_python(self) -> str:
        """Return a program that plays this case on the engine."""
        return (
            "from tests.cases import Case, Layer, Readout\n"
            "from tests.hdl.core.play import play_case\n\n"
            f"play_case({self!r})\n"
        )


_WEIGHT = st.sampled_from((0, 1, -1))


def _lists(draw: Any, elements: st.SearchStrategy[int], *shape: int) -> Any:
    size = int(np.prod(shape))
    drawn = draw(st.lists(elements, min_size=size, max_size=size))
    return np.array(drawn, int).reshape(shape).tolist()


@st.composite
def cases(
    draw: Any,
    lanes: tuple[int, ...] = (12, 16),
    units: int = 7,
    layers: int = 3,
    planes: int = 2,
    sequences: int = 2,
    steps: int = 4,
    modes: tuple[str, ...] = ("last", "sum", "every"),
) -> Case:
    """Draw a case; the arguments are the largest sizes.

    Biases reach both ends of 16 bits now and then, but are mostly where the gate is neither
    shut nor wide open.
    """
    hb = draw(st.integers(3, 7))
    limit = (1 << hb) - 1
    middle = 1 << (hb + FRACTION_BITS)
    shift = st.integers(0, 7)
    bias = st.one_of(st.integers(-middle, 2 * middle), st.sampled_from((BIAS_MIN, BIAS_MAX)))
    # What shrinks last comes first: a size that shrinks moves all draws behind it.
    engine, mode = draw(st.sampled_from(lanes)), draw(st.sampled_from(modes))
    width = inputs = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, steps), min_size=1, max_size=sequences))
    value = st.integers(-limit, limit)
    x = [_lists(draw, value, length, inputs) for length in lengths]
    count = draw(st.integers(1, planes))
    made = []
    for size in draw(st.lists(st.integers(1, units), min_size=1, max_size=layers)):
        rows = 2 * size
        made.append(
            Layer(
                theta=draw(st.one_of(st.just(0), st.integers(0, 2 * limit))),
                b=_lists(draw, bias, rows),
                W=_lists(draw, _WEIGHT, count, rows, width),
                W_shift=_lists(draw, shift, count, rows),
                U=_lists(draw, _WEIGHT, count, rows, size),
                U_shift=_lists(draw, shift, count, rows),
            )
        )
        width = size
    outputs = draw(st.integers(1, 3))
    readout = Readout(
        b=_lists(draw, bias, outputs),
        R=_lists(draw, _WEIGHT, count, outputs, width),
        R_shift=_lists(draw, shift, count, outputs),
    )
    return Case(engine, hb, mode, made, readout, x)


@st.composite
def constant_inputs(draw: Any, network: Network) -> tuple[Any, int]:
    """Draw a column of the first layer's W [planes, 2 H], and a value for it that is not 0."""
    planes, rows, _ = network.layers[0].W.shape
    value = draw(st.integers(1, network.spec.M)) * draw(st.sampled_from((1, -1)))
    return _lists(draw, _WEIGHT, planes, rows), value
