"""Tasks by their names, as command lines ask for them."""

from __future__ import annotations

import argparse
import os

from models.tasks import adding, arrays, continuous, digit_strings, digits, spoken_digits, text
from models.tasks.data import TaskData, TaskError

__all__ = ["LISTED", "NEEDY", "TASKS", "add_options", "load", "load_chosen"]

TASKS = (
    "digits",
    "digits-pixels",
    "digit-strings",
    "adding",
    "spoken-digits",
    "spoken-digits-stream",
    "text",
)

#: What `--data` of a task is.
_RECORDINGS = "a folder of recordings"
_DATA = {"text": "a text file", "spoken-digits": _RECORDINGS, "spoken-digits-stream": _RECORDINGS}

NEEDY = tuple(_DATA)
"""Tasks whose data somebody must give."""

#: Steps of a training sequence, of the tasks that can have any.
_LENGTHS = {"adding": adding.DEFAULT_LENGTH, "text": text.DEFAULT_LENGTH}

LISTED = ", ".join(TASKS)


def load(
    name: str | None,
    data: str | os.PathLike[str] | None = None,
    length: int | None = None,
    left_out: str | None = None,
    labels: tuple[str, ...] | None = None,
) -> TaskData:
    """A task of this repository, or the user's own arrays.

    Parameters
    ----------
    name : str or None
        One of `TASKS`; None: the data are arrays (`models.tasks.arrays`).
    data : path, optional
        Of an .npz file, or of what the task is made from: a text file, a folder of recordings.
    length : int, optional
        T of adding and text; their defaults are 200 and 128.
    left_out : str, optional
        Of spoken digits: the speaker to test on.
    labels : tuple of str, optional
        Of the network that is to answer; text is told by them which character is which.

    Returns
    -------
    TaskData

    Raises
    ------
    TaskError
        When the data cannot be read, are missing or not wanted, or there is no such task.
    """
    if length is not None:
        if name not in _LENGTHS:
            raise TaskError(f"a length is for {' and '.join(_LENGTHS)} only")
        if length < 1:
            raise TaskError(f"a length must be at least 2, not {length}")
    if left_out is not None and _DATA.get(name or "") != _RECORDINGS:
        raise TaskError("a speaker can be left out of spoken digits only")
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
        return text.load(data, steps, labels)
    if name == "digit-strings":
        return digit_strings.load()
    if name == "spoken-digits":
        assert data is not None
        return spoken_digits.load(data, left_out)
    if name == "spoken-digits-stream":
        assert data is not None
        return continuous.load(data, left_out)
    return digits.load("pixels" if name == "digits-pixels" else "rows")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data`` and ``--length``, which say more of a task."""
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="arrays (.npz) instead of a task; of text, a text file; of spoken digits, a folder of "
        "recordings",
    )
    parser.add_argument(
        "--left-out", metavar="SPEAKER", help="of spoken digits: test on all of this speaker's"
    )
    parser.add_argument(
        "--length",
        type=int,
        metavar="T",
        help="of adding (default 200), or of the sequences that text is trained on (128)",
    )


def load_chosen(options: argparse.Namespace, labels: tuple[str, ...] | None = None) -> TaskData:
    """The task that a command line with `task` and `add_options` asks for."""
    return load(options.task, options.data, options.length, options.left_out, labels)
