"""Time steps from a stream of bytes: CSV lines, an NPY array, or raw int8.

Each step is checked as it is read, so that an error names the line, row or step that is bad.
"""

from __future__ import annotations

import io
import reprlib
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from host.errors import InputError
from host.inputs import as_step
from models.network import Network

#: What a step is called in an error, by format.
_UNITS = {"csv": "line", "npy": "row", "raw": "step"}
_SUFFIXES = {".csv": "csv", ".txt": "csv", ".npy": "npy", ".raw": "raw", ".bin": "raw"}

FORMATS = tuple(_UNITS)


def guess_format(name: str) -> str:
    """Return the format that a file's suffix names; CSV for standard input, "-".

    Raises
    ------
    ValueError
        If the suffix names none.
    """
    if name == "-":
        return "csv"
    suffix = PurePath(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(
            f"{name}: expected a suffix that says the format ({', '.join(_SUFFIXES)}) or --format, "
            f"found {suffix or 'none'}"
        )
    return _SUFFIXES[suffix]


class StepReader:
    """Steps for a network, one after the other; ends before the first bad one.

    The error is kept instead of raised, because steps before it may still be under way:
    `check` raises it, to be called once they are answered.

    Parameters
    ----------
    network : Network
    stream : binary stream
    form : str
        One of `FORMATS`.
    most : int, optional
        Steps that a sequence may have; one more is an error.
    """

    def __init__(
        self, network: Network, stream: BinaryIO, form: str, most: int | None = None
    ) -> None:
        self._network = network
        self._stream = stream
        self._unit = _UNITS[form]
        self._most = most
        self._read: Callable[[], Iterator[NDArray[np.generic]]]
        self._read = {"csv": self._csv, "npy": self._npy, "raw": self._raw}[form]
        self._number = 0
        self._error: InputError | None = None

    def __iter__(self) -> Iterator[NDArray[np.int8]]:
        try:
            for steps, x in enumerate(self._read()):
                if steps == self._most:
                    raise InputError(
                        f"a sequence may have at most {self._most} steps, or its sum leaves 32 bits"
                    )
                yield as_step(self._network, x)[0]
        except InputError as error:
            where = f"{self._unit} {self._number}: " if self._number else ""
            self._error = InputError(f"{where}{error}")

    def check(self) -> None:
        """Raise the error that ended the steps, if one did."""
        if self._error is not None:
            raise self._error

    def _csv(self) -> Iterator[NDArray[np.generic]]:
        """Lines of numbers; the first that is not blank decides: integers, or floats."""
        spec = self._network.spec
        kind: type[np.int64] | type[np.float64] | None = None
        first = 0
        for line in self._stream:
            self._number += 1
            coding = "utf-8-sig" if self._number == 1 else "utf-8"  # spreadsheets write a mark
            text = line.decode(coding, "replace").strip()
            if not text:
                continue
            fields = text.split(",")
            if len(fields) != spec.inputs:
                raise InputError(
                    f"expected {spec.inputs} numbers with commas between, found {len(fields)}: "
                    f"{reprlib.repr(text)}"
                )
            if kind is None:
                kind = np.int64 if all(map(_is_integer, fields)) else np.float64
                first = self._number
            values = np.empty(spec.inputs, kind)
            for index, field in enumerate(fields):
                try:
                    values[index] = kind(_plain(field))
                except (ValueError, OverflowError):
                    expected = "a number"
                    if kind is np.int64:
                        expected = (
                            f"an integer from {-spec.M} to {spec.M}, because line {first} has "
                            "integers only (a float there would be 0.0, not 0)"
                        )
                    raise InputError(
                        f"expected {expected}, found {reprlib.repr(field.strip())}"
                    ) from None
            yield values

    def _npy(self) -> Iterator[NDArray[np.generic]]:
        inputs = self._network.spec.inputs
        try:
            array = np.load(io.BytesIO(self._stream.read()), allow_pickle=False)
        except Exception as error:  # NumPy's parser fails in many ways, one for each kind of damage
            raise InputError(
                f"expected an NPY file of numbers: {error or type(error).__name__}"
            ) from error
        shape = getattr(array, "shape", "an archive of arrays")
        if len(shape) != 2 or shape[1] != inputs:
            raise InputError(f"expected an array of shape [T, {inputs}], found {shape}")
        for row in array:
            self._number += 1
            yield row

    def _raw(self) -> Iterator[NDArray[np.generic]]:
        inputs = self._network.spec.inputs
        while data := self._stream.read(inputs):
            self._number += 1
            if len(data) != inputs:
                raise InputError(f"expected {inputs} bytes, found {len(data)} and the end")
            yield np.frombuffer(data, np.int8)


def _plain(field: str) -> str:
    """Refuse what Python would take for a number, and nobody else: 1_2, or foreign digits."""
    if "_" in field or not field.isascii():
        raise ValueError
    return field


def _is_integer(field: str) -> bool:
    try:
        int(_plain(field))
    except ValueError:
        return False
    return True
