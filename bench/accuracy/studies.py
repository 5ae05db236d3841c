"""What is to be trained: studies.yaml, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from models.tasks import named

__all__ = ["CELLS", "STUDIES", "Studies", "Task", "read"]

STUDIES = Path(__file__).with_name("studies.yaml")

CELLS = (
    "additive",
    "additive-float",
    "gru",
    "lstm",
    "mi-gru",
    "mi-lstm",
    "egru",
    "hitnet-gru",
    "hitnet-lstm",
    "threshold-gru",
    "threshold-lstm",
)
"""Cells by their names in tables; "additive" is ternary with states of 8 bits."""

_PLAIN = tuple(cell for cell in CELLS if not cell.startswith("threshold"))


@dataclass(frozen=True)
class Task:
    """A study: a task and its networks, all cells alike.

    Attributes
    ----------
    task : str or None
        What is trained on (`models.tasks.named`); None: the study has its name.
    units, mode
        H of each layer, and the readout.
    steps : int
        Batches of a run.
    tuning : float
        Share of them in a trial, above 0 and at most 1.
    checks : int
        How often validation is looked at.
    units_of : dict
        H of each layer of cells that have others.
    trials : int or None
    seeds : tuple of int
    input_scale : tuple of float
        Other than those of all studies.
    left_out : tuple of str
        Speakers, for each of whom one more network is trained on the others and tested on theirs.
    shift, dropout, readout_scale, freeze_scales, input_planes, recurrent_planes, readout_planes
        As for `models.train`; the last four are of the ternary network alone.
    warm_up : float
        Share of its steps that the ternary network is trained in floating point before.
    retrain : bool
        Runs are trained on what was for validation in the trials as well, and their last weights
        kept; otherwise validation chooses among the checks.
    cells : tuple of str
        Those that are compared.
    """

    units: tuple[int, ...]
    mode: str
    steps: int
    tuning: float
    checks: int
    units_of: dict[str, tuple[int, ...]] = field(default_factory=dict)
    trials: int | None = None
    seeds: tuple[int, ...] = ()
    input_scale: tuple[float, ...] = ()
    shift: float = 0.0
    dropout: float = 0.0
    left_out: tuple[str, ...] = ()
    readout_scale: float = 1.0
    freeze_scales: bool = False
    warm_up: float = 0.0
    input_planes: int = 1
    recurrent_planes: int = 1
    readout_planes: int = 1
    retrain: bool = False
    cells: tuple[str, ...] = _PLAIN
    task: str | None = None

    def sizes(self, cell: str) -> tuple[int, ...]:
        """H of each layer of a cell's network."""
        return self.units_of.get(cell, self.units)


@dataclass(frozen=True)
class Studies:
    """All tasks, and the budget; see studies.yaml."""

    sampler_seed: int
    tuning_seed: int
    trials: int
    seeds: tuple[int, ...]
    batch: int
    learning_rate: tuple[float, float]
    weight_decay: tuple[float, float]
    input_scale: tuple[float, float]
    own: dict[str, tuple[float, float]]
    tasks: dict[str, Task]


def _known(what: str, data: Any, kind: type) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{what} must be a mapping, not {data!r}")
    names = {f.name for f in fields(kind)}
    if unknown := sorted(set(data) - names):
        raise ValueError(f"{what} has an unknown key {unknown[0]!r}; known: {', '.join(names)}")
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}


def read(path: Path = STUDIES) -> Studies:
    """The studies of a file.

    Raises
    ------
    ValueError
        Naming the file, and what in it is unknown, missing or no cell or task.
    """
    try:
        data = _known("the file", yaml.safe_load(path.read_text(encoding="utf-8")), Studies)
        tasks = {}
        for name, given in data["tasks"].items():
            settings = _known(name, given, Task)
            if (wanted := settings.get("task", name)) not in named.TASKS:
                raise ValueError(f"there is no task {wanted!r}; there are {named.LISTED}")
            settings["units_of"] = {c: tuple(u) for c, u in settings.get("units_of", {}).items()}
            task = Task(**settings)
            for cell in (*task.cells, *task.units_of):
                if cell not in CELLS:
                    raise ValueError(f"{name}: no cell {cell!r}; there are {', '.join(CELLS)}")
            tasks[name] = task
        own = {cell: tuple(bounds) for cell, bounds in data["own"].items()}
        if missing := sorted({c for task in tasks.values() for c in task.cells} - own.keys()):
            raise ValueError(f"own must have a range for each cell, but has none for {missing[0]}")
        return Studies(**{**data, "own": own, "tasks": tasks})
    except (yaml.YAMLError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
