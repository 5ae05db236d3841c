"""Which sequences the levels get: the task's own, the user's, or random ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.network import Network
from models.random_networks import random_inputs
from models.tasks.data import Part

#: Tasks whose test part can be taken.
TASKS = ("digits", "adding")


@dataclass(frozen=True, eq=False)
class Sequences:
    """Integer sequences, N of them.

    Attributes
    ----------
    x : int8 [N, T, I], in [-M, M]
    lengths : int64 [N], 1 to T
    about : str
        Where they come from.
    """

    x: NDArray[np.int8]
    lengths: NDArray[np.int64]
    about: str


def take(network: Network, data: str, count: int, steps: int, seed: int) -> Sequences:
    """Return the first `count` sequences.

    Parameters
    ----------
    network : Network
    data : str
        "digits", "adding", "random", the path of an .npz file (x [N, T, I], y [N], lengths), or
        "auto": the test part of the task that the network names, else random.
    count : int
        At least 1.
    steps, seed : int
        Of random sequences.

    Raises
    ------
    models.tasks.data.TaskError
        If the data cannot be read.
    ValueError
        If there are fewer sequences, or they have another number of features.
    """
    if data == "auto":
        data = _own_task(network)
    if data == "random":
        x = random_inputs(seed, network, count, steps)
        about = f"{count} random sequences of {steps} steps, seed {seed}"
        return Sequences(x, np.full(count, steps, np.int64), about)
    if data in TASKS:
        part = _test_part(data)
        about = f"the first {count} of the test part of task {data!r}"
    elif data.endswith(".npz"):
        from models.tasks import arrays

        part = arrays.read(data)
        about = f"the first {count} of {data}"
    else:
        raise ValueError(
            f"--data must be auto, random, {', '.join(TASKS)} or a path ending in .npz, "
            f"not {data!r}"
        )
    if len(part) < count:
        raise ValueError(f"{data} has {len(part)} sequences, {count} are asked for")
    if part.x.shape[2] != network.spec.inputs:
        raise ValueError(
            f"{data} has {part.x.shape[2]} features a step, network {network.spec.name!r} takes "
            f"{network.spec.inputs}; --data random fits every network"
        )
    raw = part.x[:count]
    lengths = np.full(count, raw.shape[1], np.int64)
    if part.lengths is not None:
        lengths = part.lengths[:count].astype(np.int64)
        inside = np.arange(raw.shape[1]) < lengths[:, None]
        raw = np.where(inside[..., None], raw, 0.0)
    return Sequences(network.quantize(raw), lengths, about)


def _test_part(task: str) -> Part:
    from models.tasks import adding, digits

    return (digits if task == "digits" else adding).load().test


def _own_task(network: Network) -> str:
    """Return the task that the network names, if it is one of `TASKS` and fits it."""
    task = network.spec.task
    if task in TASKS and _test_part(task).x.shape[2] == network.spec.inputs:
        return task
    return "random"
