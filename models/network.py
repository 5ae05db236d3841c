"""A network with its numbers: integer arrays, validated once, read-only ever after."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.spec import (
    ACCUMULATOR_LIMIT,
    HB_RANGE,
    MAX_FAN_IN,
    MAX_SHIFT,
    SCORE_MAX,
    LayerSpec,
    NetworkError,
    NetworkSpec,
    ReadoutSpec,
)

__all__ = [
    "LayerWeights",
    "Network",
    "NetworkError",
    "Normalisation",
    "ReadoutWeights",
    "longest_sum",
    "worst_case",
]

Array = NDArray[Any]


def _array(what: str, value: object, dtype: type, dimensions: int) -> Array:
    wanted = np.dtype(dtype)
    if not isinstance(value, np.ndarray) or value.dtype != wanted:
        found = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise NetworkError(f"{what} must be an array of {wanted}, not {found}")
    if value.ndim != dimensions:
        raise NetworkError(f"{what} must have {dimensions} dimensions, not shape {value.shape}")
    copy = np.array(value, order="C")
    copy.setflags(write=False)
    return copy


def _freeze(instance: object, what: str, dtypes: dict[str, tuple[type, int]]) -> None:
    for name, (dtype, dimensions) in dtypes.items():
        array = _array(f"{what}{name}", getattr(instance, name), dtype, dimensions)
        object.__setattr__(instance, name, array)


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Weights of one layer. Rows 0..H-1 are z (inhibition), rows H..2H-1 c (candidate).

    Parameters
    ----------
    W : int8 [planes, 2H, I], values -1, 0, 1
    W_shift : uint8 [planes, 2H], 0 to 7
    U : int8 [planes, 2H, H]
    U_shift : uint8 [planes, 2H]
    b : int16 [2H], in steps of 2**-(hb + F), with the rounding half 2**(F - 1) inside
    """

    W: Array
    W_shift: Array
    U: Array
    U_shift: Array
    b: Array

    def __post_init__(self) -> None:
        kinds = {"W": (np.int8, 3), "W_shift": (np.uint8, 2), "U": (np.int8, 3)}
        _freeze(self, "", {**kinds, "U_shift": (np.uint8, 2), "b": (np.int16, 1)})


@dataclass(frozen=True, eq=False)
class ReadoutWeights:
    """Weights of the readout.

    Parameters
    ----------
    R : int8 [planes, C, H], values -1, 0, 1
    R_shift : uint8 [planes, C], 0 to 7
    b : int16 [C], in steps of 2**-(hb + F), without a rounding half
    """

    R: Array
    R_shift: Array
    b: Array

    def __post_init__(self) -> None:
        _freeze(self, "readout ", {"R": (np.int8, 3), "R_shift": (np.uint8, 2), "b": (np.int16, 1)})


@dataclass(frozen=True, eq=False)
class Normalisation:
    """How float inputs become the network's integers.

    Parameters
    ----------
    mean, scale : float64 [I]
        Finite; scale positive.
    """

    mean: Array
    scale: Array

    def __post_init__(self) -> None:
        _freeze(self, "normalisation ", {"mean": (np.float64, 1), "scale": (np.float64, 1)})
        if self.mean.shape != self.scale.shape:
            raise NetworkError(
                f"normalisation mean and scale must have one shape, not {self.mean.shape} and "
                f"{self.scale.shape}"
            )
        for name, good in (
            ("mean must be finite", np.isfinite(self.mean)),
            ("scale must be finite and positive", np.isfinite(self.scale) & (self.scale > 0)),
        ):
            if not good.all():
                feature = int(np.argmin(good))
                value = getattr(self, name.split()[0])[feature]
                raise NetworkError(f"normalisation {name}, but feature {feature} has {value}")

    def quantize(self, x: ArrayLike, hb: int) -> NDArray[np.int8]:
        """Float features to integers, the only such function: training, export and host use it.

        ``clip(rint((float64(x) - mean) * scale * 2**hb), -M, M)``, ties to even.

        Parameters
        ----------
        x : float or integer array [..., I]
        hb : int
            Fraction bits of the network, 3 to 7.

        Returns
        -------
        int8 array [..., I], in [-M, M]

        Raises
        ------
        NetworkError
            When x is not numeric, its last axis is not I, or it holds NaN or infinity.
        """
        if not HB_RANGE[0] <= hb <= HB_RANGE[1]:
            raise NetworkError(f"hb must be from {HB_RANGE[0]} to {HB_RANGE[1]}, not {hb}")
        array = np.asarray(x)
        if array.dtype.kind not in "fiu":
            raise NetworkError(f"inputs must be real numbers, not an array of {array.dtype}")
        if array.ndim == 0 or array.shape[-1] != len(self.mean):
            raise NetworkError(
                f"inputs must have {len(self.mean)} features in their last axis, not shape "
                f"{array.shape}"
            )
        array = array.astype(np.float64)
        finite = np.isfinite(array)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise NetworkError(f"inputs must be finite, but x{list(where)} is {array[where]}")
        limit = (1 << hb) - 1
        with np.errstate(over="ignore"):  # a huge input clips to M, as any large one does
            scaled = (array - self.mean) * self.scale * float(1 << hb)
        return np.clip(np.rint(scaled), -limit, limit).astype(np.int8)


def worst_case(weights: Array, shifts: Array, limit: int) -> NDArray[np.int64]:
    """Largest magnitude each row's shifted sum can take: sum over planes of nonzeros * M << s.

    Parameters
    ----------
    weights : int8 [planes, rows, columns]
    shifts : uint8 [planes, rows]
    limit : int
        M, the largest source value.

    Returns
    -------
    int64 [rows]
    """
    nonzeros = np.count_nonzero(weights, axis=2).astype(np.int64)
    return ((nonzeros * limit) << shifts.astype(np.int64)).sum(axis=0)


def longest_sum(readout: ReadoutWeights, limit: int) -> int:
    """Longest sequence whose running sum of logits is sure to fit signed 32 bit."""
    worst = worst_case(readout.R, readout.R_shift, limit) + np.abs(readout.b.astype(np.int64))
    return SCORE_MAX // max(int(worst.max()), 1)


@dataclass(frozen=True, eq=False)
class Network:
    """A network that the numeric contract allows; building one checks every rule.

    Parameters
    ----------
    spec : NetworkSpec
    layers : tuple of LayerWeights
    readout : ReadoutWeights
    normalisation : Normalisation
    order : tuple of int16 [H], one for each layer
        The engine's position k of a layer holds the unit ``order[k]``; as they come by default. It
        says where the engine keeps a unit, and so whether its events are even or odd ones
        (`models.parity`), and nothing else: weights and states are in the order of the units
        everywhere but in the engine's memories.

    Raises
    ------
    NetworkError
        Naming the array (and layer and row where there is one), what was expected and found.
    """

    spec: NetworkSpec
    layers: tuple[LayerWeights, ...]
    readout: ReadoutWeights
    normalisation: Normalisation
    order: tuple[Array, ...] = ()

    def __post_init__(self) -> None:
        spec = self.spec
        if len(self.layers) != len(spec.layers):
            raise NetworkError(
                f"the spec has {len(spec.layers)} layers, but weights of {len(self.layers)} came"
            )
        object.__setattr__(self, "layers", tuple(self.layers))
        for number, (layer, weights) in enumerate(zip(spec.layers, self.layers, strict=True)):
            _check_layer(f"layer {number}", layer, weights, spec.M)
        _check_readout(spec.readout, self.readout, spec)
        if self.normalisation.mean.shape != (spec.inputs,):
            raise NetworkError(
                f"normalisation must have {spec.inputs} features, not "
                f"{self.normalisation.mean.shape[0]}"
            )
        order = self.order or tuple(np.arange(units, dtype=np.int16) for units in spec.units)
        if len(order) != len(spec.layers):
            raise NetworkError(
                f"there must be an order for each of {len(spec.layers)} layers, not for "
                f"{len(order)}"
            )
        checked = (
            _check_order(f"layer {number}", entries, units)
            for number, (entries, units) in enumerate(zip(order, spec.units, strict=True))
        )
        object.__setattr__(self, "order", tuple(checked))

    @property
    def reordered(self) -> bool:
        """Whether the engine holds units in another order than that in which they come."""
        return any((np.diff(order) != 1).any() for order in self.order)

    @property
    def state_order(self) -> NDArray[np.int64]:
        """Units by their place in the engine's state memory, int64 [sum of H].

        Of h of all layers, one after the other: ``memory = h[state_order]``, and back
        ``h[state_order] = memory``.
        """
        first = np.cumsum([0, *self.spec.units[:-1]])
        return np.concatenate([base + order for base, order in zip(first, self.order, strict=True)])

    def quantize(self, x: ArrayLike) -> NDArray[np.int8]:
        """Float features to this network's integers (see `Normalisation.quantize`)."""
        return self.normalisation.quantize(x, self.spec.hb)

    def tensors(self) -> dict[str, Array]:
        """Every array under its name in the network file; the orders only where there are any."""
        found: dict[str, Array] = {}
        for number, layer in enumerate(self.layers):
            for field in dataclasses.fields(layer):
                found[f"layers.{number}.{field.name}"] = getattr(layer, field.name)
            if self.reordered:
                found[f"layers.{number}.order"] = self.order[number]
        for field in dataclasses.fields(self.readout):
            found[f"readout.{field.name}"] = getattr(self.readout, field.name)
        found["input.mean"] = self.normalisation.mean
        found["input.scale"] = self.normalisation.scale
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        mine, theirs = self.tensors(), other.tensors()
        return (
            self.spec == other.spec
            and mine.keys() == theirs.keys()
            and all(np.array_equal(array, theirs[name]) for name, array in mine.items())
        )


def _check_shape(what: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise NetworkError(f"{what} must have shape {shape}, not {array.shape}")


def _check_matrix(what: str, name: str, weights: Array, shifts: Array) -> None:
    """Fan-in, ternary values and shifts of one matrix, the first offending row named."""
    columns = weights.shape[2]
    if columns > MAX_FAN_IN:
        raise NetworkError(
            f"{what}, row 0 (and every other row of {name}): at most {MAX_FAN_IN} sources fit "
            f"the 16-bit sums, not {columns}"
        )
    bad = (weights < -1) | (weights > 1)
    if bad.any():
        plane, row, column = (int(i) for i in np.argwhere(bad)[0])
        raise NetworkError(
            f"{what}, row {row}: {name} must hold -1, 0 or 1, not {weights[plane, row, column]} "
            f"(plane {plane}, column {column})"
        )
    if (shifts > MAX_SHIFT).any():
        plane, row = (int(i) for i in np.argwhere(shifts > MAX_SHIFT)[0])
        raise NetworkError(
            f"{what}, row {row}: {name}_shift must be 0 to {MAX_SHIFT}, not {shifts[plane, row]} "
            f"(plane {plane})"
        )


def _check_worst(what: str, worst: NDArray[np.int64]) -> None:
    if (worst >= ACCUMULATOR_LIMIT).any():
        row = int(np.argmax(worst >= ACCUMULATOR_LIMIT))
        raise NetworkError(
            f"{what}, row {row}: its worst-case sum must stay below 2^23 = {ACCUMULATOR_LIMIT}, "
            f"but is {worst[row]}; use smaller shifts or fewer planes"
        )


def _check_layer(what: str, layer: LayerSpec, weights: LayerWeights, limit: int) -> None:
    rows = 2 * layer.units
    _check_shape(f"{what} W", weights.W, (layer.input_planes, rows, layer.inputs))
    _check_shape(f"{what} W_shift", weights.W_shift, (layer.input_planes, rows))
    _check_shape(f"{what} U", weights.U, (layer.recurrent_planes, rows, layer.units))
    _check_shape(f"{what} U_shift", weights.U_shift, (layer.recurrent_planes, rows))
    _check_shape(f"{what} b", weights.b, (rows,))
    _check_matrix(what, "W", weights.W, weights.W_shift)
    _check_matrix(what, "U", weights.U, weights.U_shift)
    worst = worst_case(weights.W, weights.W_shift, limit)
    worst = worst + worst_case(weights.U, weights.U_shift, limit)
    _check_worst(what, worst + np.abs(weights.b.astype(np.int64)))


def _check_order(what: str, order: object, units: int) -> Array:
    """Return the order as a read-only copy; a permutation, or its first wrong entry is named."""
    entries = _array(f"{what} order", order, np.int16, 1)
    _check_shape(f"{what} order", entries, (units,))
    seen: set[int] = set()
    for position, unit in enumerate(entries.tolist()):
        if unit in seen or not 0 <= unit < units:
            again = " again" if unit in seen else ""
            raise NetworkError(
                f"{what} order must hold each unit from 0 to {units - 1} once, but "
                f"order[{position}] is {unit}{again}"
            )
        seen.add(unit)
    return entries


def _check_readout(readout: ReadoutSpec, weights: ReadoutWeights, spec: NetworkSpec) -> None:
    units = spec.layers[-1].units
    _check_shape("readout R", weights.R, (readout.planes, readout.outputs, units))
    _check_shape("readout R_shift", weights.R_shift, (readout.planes, readout.outputs))
    _check_shape("readout b", weights.b, (readout.outputs,))
    _check_matrix("readout", "R", weights.R, weights.R_shift)
    worst = worst_case(weights.R, weights.R_shift, spec.M)
    _check_worst("readout", worst + np.abs(weights.b.astype(np.int64)))
    if spec.max_steps is not None and spec.max_steps > longest_sum(weights, spec.M):
        raise NetworkError(
            f"max_steps must be at most {longest_sum(weights, spec.M)} for these readout weights "
            f"(their sum must fit 32 bit), not {spec.max_steps}"
        )
