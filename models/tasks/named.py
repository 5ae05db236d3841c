"""Tasks by their names, as command lines ask for them."""

from __future__ import annotations

import os

from models.tasks import adding, arrays, digits
from models.tasks.data import TaskData

__all__ = ["TASKS", "load"]

TASKS = ("digits", "digits-pixels", "adding")


def load(
    name: str | None,
    data: str | os.PathLike[str] | None = None,
    length: int = adding.DEFAULT_LENGTH,
) -> TaskData:
    """A task of this repository, or the user's own arrays.

    Parameters
    ----------
    name : str or None
        One of `TASKS`; not looked at where there are data.
    data : path of an .npz file, optional
    length : int
        T of adding.

    Returns
    -------
    TaskData

    Raises
    ------
    TaskError
        When the data cannot be read, or the task is missing.
    """
    if data is not None:
        return arrays.load(data)
    if name == "adding":
        return adding.load(length)
    return digits.load("pixels" if name == "digits-pixels" else "rows")
