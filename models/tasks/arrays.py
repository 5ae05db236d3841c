"""The user's own arrays, from an .npz file: x [N, T, I], y [N], and optional lengths [N]."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.spec import MAX_FAN_IN, MAX_OUTPUTS
from models.tasks.data import Part, TaskData, TaskError, normalise, split

__all__ = ["load", "read"]

MIN_SEQUENCES = 10


def read(path: str | os.PathLike[str]) -> Part:
    """Read and check the arrays.

    Parameters
    ----------
    path : path of an .npz file
        x float or integer [N, T, I], finite; y integer [N] (classes from 0) or float [N]
        (values), finite; lengths integer [N], 1 to T, optional. Beyond a sequence's length x
        may hold anything, NaN included: it becomes 0.

    Returns
    -------
    Part

    Raises
    ------
    TaskError
        Naming the array, what was expected, and what was found.
    """
    source = Path(path)
    try:
        archive = np.load(source, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise TaskError(f"{source}: must be an .npz of named arrays, not a single array")
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise TaskError(f"{source}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        if isinstance(error, TaskError):
            raise
        raise TaskError(f"{source}: must be an .npz of plain arrays: {error}") from error
    try:
        return _check(arrays)
    except TaskError as error:
        raise TaskError(f"{source}: {error}") from error


def load(path: str | os.PathLike[str], seed: int = 0) -> TaskData:
    """Arrays as a task: 70 % training, 15 % validation, 15 % test, stratified by class.

    The normalisation is drawn from the training part.

    Parameters
    ----------
    path : path of an .npz file
    seed : int
        Of the split.

    Returns
    -------
    TaskData
    """
    part = read(path)
    if len(part) < MIN_SEQUENCES:
        raise TaskError(f"{path}: x must hold at least {MIN_SEQUENCES} sequences, not {len(part)}")
    if part.x.shape[2] > MAX_FAN_IN:
        raise TaskError(
            f"{path}: x must have at most {MAX_FAN_IN} features (a row's fan-in), not "
            f"{part.x.shape[2]}"
        )
    classes = part.y.dtype.kind == "i"
    if classes:
        try:
            _check_complete(part.y.astype(np.int64))
        except TaskError as error:
            raise TaskError(f"{path}: {error}") from error
    rest, test = split(part, 0.15, seed, classes, str(path))
    train, validation = split(rest, 0.15 / 0.85, seed + 1, classes, str(path))
    return TaskData(
        name=Path(path).stem,
        train=train,
        validation=validation,
        test=test,
        normalisation=normalise(train),
        target="class" if classes else "value",
        outputs=int(part.y.max()) + 1 if classes else 1,
    )


def _check(arrays: dict[str, NDArray[np.generic]]) -> Part:
    unknown = sorted(arrays.keys() - {"x", "y", "lengths"})
    missing = sorted({"x", "y"} - arrays.keys())
    if unknown or missing:
        raise TaskError(
            f"must hold x, y and optionally lengths; missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(unknown) or 'none'}"
        )
    x, y = arrays["x"], arrays["y"]
    if x.dtype.kind not in "fiu":
        raise TaskError(f"x must hold real numbers, not {x.dtype}")
    if x.ndim != 3 or 0 in x.shape:
        raise TaskError(f"x must have shape [N, T, I], none of them 0, not {list(x.shape)}")
    count, steps, _ = x.shape
    if y.shape != (count,):
        raise TaskError(
            f"y must have shape [{count}], one target per sequence, not {list(y.shape)}"
        )
    if y.dtype.kind not in "fiu":
        raise TaskError(f"y must hold integers (classes) or real numbers, not {y.dtype}")
    values = x.astype(np.float64)
    lengths = None
    if "lengths" in arrays:
        lengths = _check_lengths(arrays["lengths"], count, steps)
        values[np.arange(steps) >= lengths[:, None]] = 0.0
    if not np.isfinite(values).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise TaskError(f"x must be finite, but x{list(where)} is {values[where]}")
    if y.dtype.kind == "f":
        targets = y.astype(np.float64)
        if not np.isfinite(targets).all():
            row = int(np.argmin(np.isfinite(targets)))
            raise TaskError(f"y must be finite, but y[{row}] is {targets[row]}")
        return Part(values, targets, lengths)
    return Part(values, _check_classes(y), lengths)


def _check_lengths(lengths: NDArray[np.generic], count: int, steps: int) -> NDArray[np.int64]:
    if lengths.dtype.kind not in "iu" or lengths.shape != (count,):
        raise TaskError(
            f"lengths must be {count} integers, not {lengths.dtype} of shape {list(lengths.shape)}"
        )
    counted = lengths.astype(np.int64)
    if counted.min() < 1 or counted.max() > steps:
        raise TaskError(
            f"lengths must be from 1 to T = {steps}, but lie from {counted.min()} to "
            f"{counted.max()}"
        )
    return counted


def _check_classes(y: NDArray[np.generic]) -> NDArray[np.int64]:
    classes = y.astype(np.int64)
    if classes.min() < 0:
        raise TaskError(f"classes in y must be numbered from 0, but one is {classes.min()}")
    if classes.max() >= MAX_OUTPUTS:
        raise TaskError(f"classes in y must be below {MAX_OUTPUTS}, but one is {classes.max()}")
    return classes


def _check_complete(classes: NDArray[np.int64]) -> None:
    """Every class from 0 to the largest must occur, or it could not be learned."""
    found = np.unique(classes)
    if len(found) < 2:
        raise TaskError(f"y must hold at least 2 classes, found only class {found[0]}")
    if len(found) != found[-1] + 1:
        absent = int(np.setdiff1d(np.arange(found[-1] + 1), found)[0])
        raise TaskError(
            f"classes in y must be 0 to C - 1 without gaps: the largest is {found[-1]}, but class "
            f"{absent} never occurs"
        )
