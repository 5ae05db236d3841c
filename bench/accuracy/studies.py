"""What is to be trained: studies.yaml, read and checked."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import yaml

from models.spec import READOUT_MODES
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
    learning_rate : tuple of float
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
    length : int or None
        T of adding.
    """

    units: tuple[int, ...]
    mode: str
    steps: int
    tuning: float
    checks: int
    units_of: dict[str, tuple[int, ...]] = field(default_factory=dict)
    trials: int | None = None
    seeds: tuple[int, ...] = ()
    learning_rate: tuple[float, ...] = ()
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
    length: int | None = None

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

    def setup(self, name: str, cell: str) -> dict[str, Any]:
        """All that a study's figures depend on, as data: a stored one with another is another."""
        task = self.tasks[name]
        shown = asdict(replace(task, cells=(), units_of={}, units=task.sizes(cell)))
        shown.update(trials=task.trials or self.trials, seeds=task.seeds or self.seeds)
        ranges = {
            "learning_rate": task.learning_rate or self.learning_rate,
            "weight_decay": self.weight_decay,
            "input_scale": task.input_scale or self.input_scale,
            "own": self.own[cell],
        }
        more = {"sampler_seed": self.sampler_seed, "tuning_seed": self.tuning_seed}
        given = {**shown, "ranges": ranges, "batch": self.batch, **more}
        return cast(dict[str, Any], json.loads(json.dumps(given)))


def _known(what: str, data: Any, kind: type) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{what} must be a mapping, not {data!r}")
    names = {f.name: f for f in fields(kind)}
    if unknown := sorted(set(data) - set(names)):
        raise ValueError(f"{what} has an unknown key {unknown[0]!r}; known: {', '.join(names)}")
    for name, f in names.items():
        if name not in data and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{what} lacks the key {name!r}")
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}


def _integers(what: str, values: Any, low: int = 1) -> None:
    if not isinstance(values, tuple) or not all(type(v) is int and v >= low for v in values):
        raise ValueError(f"{what} must be a list of integers of at least {low}, not {values!r}")


def _range(what: str, values: Any, above: float) -> None:
    if (
        not isinstance(values, tuple)
        or len(values) != 2
        or not all(isinstance(v, int | float) for v in values)
        or not above <= values[0] <= values[1]
    ):
        raise ValueError(f"{what} must be two numbers in order, from {above:g}, not {values!r}")


def _task(name: str, given: Any) -> Task:
    settings = _known(name, given, Task)
    wanted = settings.get("task") or name
    if wanted not in named.TASKS:
        raise ValueError(f"there is no task {wanted!r}; there are {named.LISTED}")
    units_of = settings.get("units_of", {})
    if not isinstance(units_of, dict):
        raise ValueError(f"{name}: units_of must be a mapping, not {units_of!r}")
    settings["units_of"] = {c: tuple(u) if isinstance(u, list) else u for c, u in units_of.items()}
    task = Task(**settings)
    for cell in (*task.cells, *task.units_of):
        if cell not in CELLS:
            raise ValueError(f"{name}: no cell {cell!r}; there are {', '.join(CELLS)}")
    for units in (task.units, *task.units_of.values()):
        _integers(f"{name}: units", units)
    counts = (task.steps, task.checks, *(() if task.trials is None else (task.trials,)))
    _integers(f"{name}: steps, checks and trials", counts)
    _integers(f"{name}: seeds", task.seeds, 0)
    if task.mode not in READOUT_MODES:
        raise ValueError(f"{name}: mode must be one of {', '.join(READOUT_MODES)}")
    if not 0 < task.tuning <= 1 or not 0 <= task.warm_up < 1:
        raise ValueError(f"{name}: tuning must be in (0, 1], and warm_up in [0, 1)")
    for key in ("learning_rate", "input_scale"):
        if bounds := getattr(task, key):
            _range(f"{name}: {key}", bounds, 1e-6)
    return task


def read(path: Path = STUDIES) -> Studies:
    """The studies of a file.

    Raises
    ------
    ValueError
        Naming the file, and what in it is unknown, missing, no cell or task, or out of range.
    """
    try:
        data = _known("the file", yaml.safe_load(path.read_text(encoding="utf-8")), Studies)
        if not isinstance(data["tasks"], dict) or not isinstance(data["own"], dict):
            raise ValueError("tasks and own must be mappings")
        tasks = {name: _task(name, given) for name, given in data["tasks"].items()}
        own = {c: tuple(b) if isinstance(b, list) else b for c, b in data["own"].items()}
        if missing := sorted({c for task in tasks.values() for c in task.cells} - own.keys()):
            raise ValueError(f"own must have a range for each cell, but has none for {missing[0]}")
        for cell, bounds in own.items():
            _range(f"own: {cell}", bounds, 0.0)
        for key in ("learning_rate", "weight_decay", "input_scale"):
            _range(key, data[key], 1e-9)
        _integers("seeds", data["seeds"], 0)
        _integers("trials and batch", (data["trials"], data["batch"]))
        return Studies(**{**data, "own": own, "tasks": tasks})
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
