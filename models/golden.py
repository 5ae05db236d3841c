"""The integer golden model: the numeric contract, written densely in NumPy.

Every accumulator is computed afresh from the whole input and the whole state, on purpose: the
gateware gets there by adding deltas, so the two share no way of going wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.network import LayerWeights, Network
from models.spec import FRACTION_BITS, NetworkError

__all__ = ["GoldenModel", "GoldenResult", "State", "as_inputs", "as_lengths"]

Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class State:
    """Where N sequences stand.

    Parameters
    ----------
    h : tuple of int8 [N, H_l]
    scores : int64 [N, C]
        Running sum of the logits in readout mode "sum"; stays 0 in the other modes.
    steps : int64 [N]
        Steps taken.
    """

    h: tuple[NDArray[np.int8], ...]
    scores: Int
    steps: Int


@dataclass(frozen=True, eq=False)
class GoldenResult:
    """What a run gives; beyond a sequence's length the state (and so its logits) holds.

    Parameters
    ----------
    states : tuple of int8 [N, T, H_l]
    logits : int32 [N, T, C]
    scores : int64 [N, C]
        Logits of the last valid step, or in mode "sum" their sum.
    labels : int64 [N]
        Index of the largest score, the lowest on a tie.
    state : State
        To continue from.
    """

    states: tuple[NDArray[np.int8], ...]
    logits: NDArray[np.int32]
    scores: Int
    labels: Int
    state: State


def as_inputs(x: ArrayLike, width: int, limit: int, dimensions: int) -> NDArray[np.int8]:
    """Check integer inputs: an integer array of that many dimensions, values in [-M, M]."""
    array = np.asarray(x)
    if array.dtype.kind not in "iu":
        raise NetworkError(f"x must be an array of integers, not of {array.dtype}")
    if array.ndim != dimensions or array.shape[-1] != width:
        axes = "[N, T, I]" if dimensions == 3 else "[N, I]"
        raise NetworkError(f"x must have shape {axes} with I = {width}, not {array.shape}")
    bad = (array < -limit) | (array > limit)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise NetworkError(
            f"x must lie in [-{limit}, {limit}], but x{list(where)} is {array[where]}"
        )
    return array.astype(np.int8)


def as_lengths(lengths: ArrayLike | None, count: int, steps: int) -> Int:
    """Check sequence lengths: N integers from 1 to T; None means T for all."""
    if lengths is None:
        return np.full(count, steps, np.int64)
    array = np.asarray(lengths)
    if array.dtype.kind not in "iu" or array.shape != (count,):
        raise NetworkError(
            f"lengths must be {count} integers, not an array of {array.dtype} of shape "
            f"{array.shape}"
        )
    if count and not (1 <= array.min() and array.max() <= steps):
        raise NetworkError(
            f"lengths must be from 1 to {steps}, but lie from {array.min()} to {array.max()}"
        )
    return array.astype(np.int64)


def _ternary(planes: NDArray[np.int8], shifts: NDArray[np.uint8], source: Int) -> Int:
    """sum over planes of (plane @ source) << shift, for a batch of sources [N, columns]."""
    total = np.zeros((len(source), planes.shape[1]), np.int64)
    for plane, shift in zip(planes, shifts, strict=True):
        total += (source @ plane.T.astype(np.int64)) << shift.astype(np.int64)
    return total


class GoldenModel:
    """Runs a network in integers, a batch at a time.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.spec = network.spec

    def initial_state(self, batch: int) -> State:
        """All zero."""
        return State(
            tuple(np.zeros((batch, units), np.int8) for units in self.spec.units),
            np.zeros((batch, self.spec.outputs), np.int64),
            np.zeros(batch, np.int64),
        )

    def step(self, x: ArrayLike, state: State) -> tuple[NDArray[np.int32], State]:
        """One time step.

        Parameters
        ----------
        x : integer array [N, I], in [-M, M]
        state : State

        Returns
        -------
        logits : int32 [N, C]
        state : State

        Raises
        ------
        NetworkError
            When x has another shape or type, is out of range, or a sequence gets longer than
            the spec's max_steps.
        """
        inputs = as_inputs(x, self.spec.inputs, self.spec.M, 2)
        self._check_state(state, len(inputs))
        self._check_steps(state.steps + 1)
        return self._step(inputs, state, np.ones(len(inputs), bool))

    def run(
        self, x: ArrayLike, lengths: ArrayLike | None = None, state: State | None = None
    ) -> GoldenResult:
        """Whole sequences.

        Parameters
        ----------
        x : integer array [N, T, I], in [-M, M], T >= 1
        lengths : integers [N], 1 to T, optional
        state : State, optional
            Where to continue from; zero by default.

        Returns
        -------
        GoldenResult
        """
        inputs = as_inputs(x, self.spec.inputs, self.spec.M, 3)
        count, steps, _ = inputs.shape
        if steps == 0:
            raise NetworkError("x must hold at least one time step, found none")
        valid = as_lengths(lengths, count, steps)
        state = self.initial_state(count) if state is None else state
        self._check_state(state, count)
        self._check_steps(state.steps + valid)
        states = tuple(np.zeros((count, steps, units), np.int8) for units in self.spec.units)
        logits = np.zeros((count, steps, self.spec.outputs), np.int32)
        for step in range(steps):
            logits[:, step], state = self._step(inputs[:, step], state, step < valid)
            for saved, h in zip(states, state.h, strict=True):
                saved[:, step] = h
        if self.spec.readout.mode == "sum":
            scores = state.scores
        else:
            scores = logits[np.arange(count), valid - 1].astype(np.int64)
        labels = np.argmax(scores, axis=1)  # NumPy takes the first of equal maxima
        return GoldenResult(states, logits, scores, labels, state)

    def value(self, scores: ArrayLike, steps: ArrayLike = 1) -> NDArray[np.float64]:
        """A float target's value: score / 2**(hb + F), in mode "sum" also divided by the steps.

        Parameters
        ----------
        scores : integers [..., C]
        steps : integers [...], used in mode "sum" only

        Returns
        -------
        float64 [..., C]
        """
        values = np.asarray(scores).astype(np.float64)
        values = values / float(1 << (self.spec.hb + FRACTION_BITS))
        if self.spec.readout.mode == "sum":
            values = values / np.asarray(steps, np.float64)[..., None]
        return values

    def _step(
        self, x: NDArray[np.int8], state: State, valid: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], State]:
        source: Int = x.astype(np.int64)
        layers: list[NDArray[np.int8]] = []
        for layer, weights, h in zip(self.spec.layers, self.network.layers, state.h, strict=True):
            moved = self._layer(weights, layer.theta, source, h.astype(np.int64))
            source = np.where(valid[:, None], moved, h)
            layers.append(source.astype(np.int8))
        readout = self.network.readout
        logits = _ternary(readout.R, readout.R_shift, source) + readout.b
        scores = state.scores
        if self.spec.readout.mode == "sum":
            scores = scores + np.where(valid[:, None], logits, 0)
        return logits.astype(np.int32), State(tuple(layers), scores, state.steps + valid)

    def _layer(self, weights: LayerWeights, theta: int, x: Int, h: Int) -> Int:
        units, limit = h.shape[1], self.spec.M
        total = _ternary(weights.W, weights.W_shift, x) + _ternary(weights.U, weights.U_shift, h)
        p = (total + weights.b) >> FRACTION_BITS
        z = np.clip(p[:, :units], 0, 2 * limit + 1)
        c = np.clip(p[:, units:], -limit, limit)
        gap = c - h
        shrunk = np.sign(gap) * np.maximum(np.abs(gap) - theta, 0)
        return h + np.clip(shrunk, -z, z)

    def _check_state(self, state: State, count: int) -> None:
        shapes: list[tuple[str, NDArray[Any], tuple[int, ...]]] = [
            (f"h of layer {number}", h, (count, units))
            for number, (h, units) in enumerate(zip(state.h, self.spec.units, strict=False))
        ]
        if len(state.h) != len(self.spec.units):
            raise NetworkError(
                f"the state must have h of {len(self.spec.units)} layers, not {len(state.h)}"
            )
        shapes += [("scores", state.scores, (count, self.spec.outputs))]
        shapes += [("steps", state.steps, (count,))]
        for what, array, shape in shapes:
            if array.shape != shape:
                raise NetworkError(f"the state's {what} must be {shape}, not {array.shape}")
        for number, h in enumerate(state.h):
            if h.size and np.abs(h.astype(np.int64)).max() > self.spec.M:
                raise NetworkError(
                    f"h of layer {number} must lie in [-{self.spec.M}, {self.spec.M}], but lies "
                    f"from {h.min()} to {h.max()}"
                )

    def _check_steps(self, steps: Int) -> None:
        limit = self.spec.max_steps
        if limit is not None and steps.size and steps.max() > limit:
            raise NetworkError(
                f"a sequence may have at most {limit} steps (the running sum is 32 bit), not "
                f"{steps.max()}"
            )
