"""What a caller hands over becomes the network's integers, or an error that says why not."""

from __future__ import annotations

import operator
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.errors import InputError
from host.results import State
from models.network import Network, NetworkError
from models.spec import NetworkSpec

#: A running sum is 32 bits wide.
_MOST_SCORE = (1 << 31) - 1


def as_sequence(network: Network, sequence: ArrayLike) -> NDArray[np.int8]:
    """Return a sequence [T, I] as int8.

    Floats go through the network's normalisation; integers are taken as they are.

    Raises
    ------
    InputError
        If the shape is not [T, I] with T >= 1, the type is no real number, a float is not
        finite, or an integer lies outside [-M, M].
    """
    return _integers(network, sequence, "a sequence", 2)


def as_step(network: Network, x: ArrayLike) -> NDArray[np.int8]:
    """Return one time step [I] as int8 [1, I]; otherwise as `as_sequence`."""
    return _integers(network, x, "a step", 1)[None]


def check_state(spec: NetworkSpec, state: State) -> None:
    """Refuse a state that no sequence of the network can be in.

    Raises
    ------
    InputError
        If its arrays are not integers of the network's sizes and ranges, or its steps no count.
    """
    try:
        steps = operator.index(state.steps)
    except TypeError:
        steps = -1
    longest = spec.max_steps or sys.maxsize
    if not 0 <= steps <= longest:
        upper = "" if spec.max_steps is None else f" to {longest}"
        raise InputError(f"the state's steps must be an integer from 0{upper}, not {state.steps!r}")
    # So many a step, or a sequence of the most steps could leave 32 bits.
    most_score = _MOST_SCORE if spec.max_steps is None else _MOST_SCORE * steps // longest
    for what, values, size, most in (
        ("h", state.h, sum(spec.units), spec.M),
        ("scores", state.scores, spec.outputs, most_score),
    ):
        array: NDArray[Any] = np.asarray(values)
        if array.dtype.kind not in "iu" or array.shape != (size,):
            raise InputError(
                f"the state's {what} must be {size} integers, "
                f"not {array.dtype} of shape {array.shape}"
            )
        # Not by magnitude: that of the lowest integer overflows.
        if (array > most).any() or (array < -most).any():
            raise InputError(f"the state's {what} must lie in [-{most}, {most}]")


def _integers(network: Network, given: ArrayLike, what: str, dimensions: int) -> NDArray[np.int8]:
    spec = network.spec
    axes = "[T, I]" if dimensions == 2 else "[I]"
    try:
        array: NDArray[Any] = np.asarray(given)
    except ValueError as error:
        raise InputError(f"{what} must be an array of shape {axes}: {error}") from error
    if array.ndim != dimensions or array.shape[-1] != spec.inputs:
        raise InputError(f"{what} must have shape {axes} with I = {spec.inputs}, not {array.shape}")
    if array.shape[0] == 0:
        raise InputError(f"{what} must have at least one time step")
    if array.dtype.kind == "f":
        try:
            return network.normalisation.quantize(array, spec.hb)
        except NetworkError as error:
            raise InputError(str(error)) from error
    if array.dtype.kind not in "iu":
        raise InputError(f"{what} must be real numbers, not an array of {array.dtype}")
    wide = array.astype(np.float64) if array.dtype == np.uint64 else array.astype(np.int64)
    bad = np.abs(wide) > spec.M
    # The one integer whose magnitude overflows its own type is out of range as well.
    bad |= wide < -spec.M
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"integer inputs must lie in [-{spec.M}, {spec.M}], but x{list(where)} is "
            f"{array[where]} (floats would be scaled by the network's normalisation)"
        )
    return array.astype(np.int8)
