"""Tasks by their names, as command lines ask for them."""

from __future__ import annotations

import argparse
import os

from models.tasks import adding, arrays, digit_strings, digits, text
from models.tasks.data import TaskData, TaskError

__all__ = ["LISTED", "TASKS", "add_options", "load", "load_chosen"]

TASKS = ("digits", "digits-pixels", "digit-strings", "adding", "text")

#: What `--data` of a task is.
_DATA = {"text": "a text file"}

#: Steps of a training sequence, of the tasks that can have any.
_LENGTHS = {"adding": adding.DEFAULT_LENGTH, "text": text.DEFAULT_LENGTH}

LISTED = ", ".join(TASKS)


def load(
    name: str | None,
    data: str | os.PathLike[str] | None = None,
    length: int | None = None,
) -> TaskData:
    """A task of this repository, or the user's own arrays.

    Parameters
    ----------
    name : str or None
        One of `TASKS`; None: the data are arrays (`models.tasks.arrays`).
    data : path, optional
        Of an .npz file, or of what the task is made from: text is made from a text file.
    length : int, optional
        T of adding and text; their defaults are 200 and 128.

    Returns
    -------
    TaskData

    Raises
    ------
    TaskError
        When the data cannot be read, are missing or not wanted, or there is no such task.
    """
    if length is not None and name not in _LENGTHS:
        raise TaskError(f"a length is for {' and '.join(_LENGTHS)} only")
    if name is None:
        if data is None:
            raise TaskError(f"there must be a task ({LISTED}) or data")
        return arrays.load(data)
    if name not in TASKS:
        raise TaskError(f"the task must be one of {LISTED}, not {name!r}")
    if (data is None) == (name in _DATA):
        wanted = f"needs {_DATA[name]} as data" if name in _DATA else "comes with its data"
        raise TaskError(f"{name} {wanted}, but was given {'none' if data is None else data}")
    steps = length or _LENGTHS.get(name, 0)
    if name == "adding":
        return adding.load(steps)
    if name == "text":
        assert data is not None
        return text.load(data, steps)
    if name == "digit-strings":
        return digit_strings.load()
    return digits.load("pixels" if name == "digits-pixels" else "rows")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data`` and ``--length``, which say more of a task."""
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="arrays (.npz) instead of a task; or, of text, a text file",
    )
    parser.add_argument(
        "--length",
        type=int,
        metavar="T",
        help="of adding (default 200), or of the sequences that text is trained on (128)",
    )


def load_chosen(options: argparse.Namespace) -> TaskData:
    """The task that a command line with `task` and `add_options` asks for."""
    return load(options.task, options.data, options.length)
