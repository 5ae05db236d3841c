"""A study: trials by Optuna on the validation part, then a run for each seed with the best."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.study import StudyDirection

from bench.accuracy.run import Choice, result, train
from bench.accuracy.studies import CELLS, Studies, Task
from bench.record import machine
from models.marks import better, measure_name
from models.tasks.data import TaskData, without_validation
from models.training import History
from models.writing import write_whole

__all__ = ["TIE", "save", "stored", "study", "trainings"]

TIE = 1e-3
"""Weight of the validation loss in what a trial is judged by: only ties are decided by it."""


def trainings(task: Task, studies: Studies) -> tuple[int, int]:
    """How many networks a study trains: in trials, and in full."""
    return task.trials or studies.trials, len(task.seeds or studies.seeds) + len(task.left_out)


def _middle(ranges: dict[str, list[float]]) -> dict[str, float]:
    """The middle of every range: what is tried first."""
    return {
        name: (low + high) / 2 if name == "own" else math.sqrt(low * high)
        for name, (low, high) in ranges.items()
    }


def study(
    name: str,
    cell: str,
    data: TaskData,
    studies: Studies,
    report: Callable[[str, int, History], None],
    without: Callable[[str], TaskData] | None = None,
) -> dict[str, Any]:
    """Tune a cell on a task, then train it for each seed.

    Parameters
    ----------
    name, cell : str
    data : TaskData
    studies : Studies
    report : callable
        Called after every look at validation, with what is being trained.
    without : callable, optional
        The task with a speaker left out, where the study wants that.

    Returns
    -------
    dict
        task, cell, units, measure, trials (each with its choice and validation), chosen, and
        runs (see `bench.accuracy.run.result`), each with its seed; and left_out, the same with
        the speaker's name and the first seed.
    """
    task = studies.tasks[name]
    count, _ = trainings(task, studies)
    setup = studies.setup(name, cell)
    ranges = setup["ranges"]
    measure = measure_name(data.validation.asks, data.target)
    sampler = optuna.samplers.TPESampler(seed=studies.sampler_seed)
    direction = StudyDirection.MAXIMIZE if better(measure) > 0 else StudyDirection.MINIMIZE
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tuning = optuna.create_study(sampler=sampler, direction=direction)
    tried: list[dict[str, Any]] = []

    def reporter(what: str) -> Callable[[int, History], None]:
        return lambda number, found: report(what, number, found)

    def objective(trial: optuna.Trial) -> float:
        choice = Choice(
            trial.suggest_float("learning_rate", *ranges["learning_rate"], log=True),
            trial.suggest_float("weight_decay", *ranges["weight_decay"], log=True),
            trial.suggest_float("input_scale", *ranges["input_scale"], log=True),
            trial.suggest_float("own", *ranges["own"]),
        )
        told = reporter(f"trial {trial.number + 1}")
        _, history, seconds = train(
            cell, data, task, studies, choice, studies.tuning_seed, task.tuning, told
        )  # fmt: skip
        value, loss = (part[history.best] for part in (history.validation, history.validation_loss))
        figures = {"validation": value, "loss": loss, "seconds": round(seconds, 1)}
        tried.append({**asdict(choice), **figures})
        # Few sequences give few accuracies: of equal ones the lower loss is the better.
        return value - better(measure) * TIE * loss

    tuning.enqueue_trial(_middle(ranges))
    tuning.optimize(objective, n_trials=count)
    chosen = Choice(**tuning.best_params)
    runs = []
    if task.retrain:
        data = without_validation(data)
    for seed in task.seeds or studies.seeds:
        module, history, seconds = train(
            cell, data, task, studies, chosen, seed,
            report=reporter(f"seed {seed}"),
        )  # fmt: skip
        runs.append({"seed": seed, **result(cell, data, module, history, seconds)})
    left_out = []
    for speaker in task.left_out:
        assert without is not None
        data = without(speaker)
        data = without_validation(data) if task.retrain else data
        module, history, seconds = train(
            cell, data, task, studies, chosen, studies.seeds[0], report=reporter(f"not {speaker}")
        )
        figures = result(cell, data, module, history, seconds)
        left_out.append({"speaker": speaker, "seed": studies.seeds[0], **figures})
    return {
        "task": name,
        "cell": cell,
        "units": task.sizes(cell),
        "measure": measure,
        "settings": setup,
        "trials": tried,
        "chosen": asdict(chosen),
        "runs": runs,
        "left_out": left_out,
        "torch": torch.__version__,
        "machine": machine(),
    }


def save(folder: Path, found: dict[str, Any]) -> None:
    """Write a study's figures into a folder, a file for each task and cell."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1) + "\n"
    write_whole(folder / f"{found['task']}.{found['cell']}.json", text)


def stored(folder: Path) -> list[dict[str, Any]]:
    """All studies of a folder.

    Raises
    ------
    ValueError
        Naming a file that holds none.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            study = json.loads(path.read_text(encoding="utf-8"))
            study["task"], study["runs"][0]["test"], study["trials"][0]["validation"]
            study["settings"]["steps"], study["chosen"]["own"], CELLS.index(study["cell"])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{path}: holds no study: {error!r}") from error
        found.append(study)
    return found
