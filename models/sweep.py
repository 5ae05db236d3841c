"""Running the sweep of `models.sparsity`: cross-validation, and the files that it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from models.evaluate import evaluate
from models.export import export
from models.file import save
from models.float_network import AdditiveGatedNetwork
from models.pictures import trade_off
from models.sparsity import Setting, Trial, choose, figures, table
from models.tasks.data import TaskData
from models.writing import write_whole

__all__ = ["sweep"]

#: Trains a quantized network with a setting on a cut of the task.
Training = Callable[[Setting, TaskData], AdditiveGatedNetwork]


def sweep(
    grid: Sequence[Setting], cuts: Sequence[TaskData], train: Training, folder: Path
) -> Setting:
    """Cross-validate every setting, write and print what they gave.

    Parameters
    ----------
    grid : sequence of Setting, at least one
    cuts : sequence of TaskData
        The task's folds (`models.tasks.data.folds`), whose targets are classes.
    train : callable
        See `Training`.
    folder : Path
        Is there; takes sparsity.md, .json and .png, and each setting's network of the first fold.

    Returns
    -------
    Setting
        The one to use, by `models.sparsity.choose`.

    Raises
    ------
    OSError
        When a file cannot be written; and whatever `train` raises.
    """
    trials = [_try(setting, cuts, train, folder) for setting in grid]
    chosen = choose(trials)
    rows = table(trials, chosen)
    write_whole(folder / "sparsity.md", rows)
    write_whole(folder / "sparsity.json", json.dumps(figures(trials, chosen), indent=2) + "\n")
    write_whole(folder / "sparsity.png", trade_off(trials, chosen, cuts[0].name))
    print(rows)
    return trials[chosen].setting


def _try(setting: Setting, cuts: Sequence[TaskData], train: Training, folder: Path) -> Trial:
    """Cross-validate one setting; the first fold's network is written."""
    results = []
    for number, cut in enumerate(cuts):
        network = export(train(setting, cut), cut.name, cut.labels, cut.name)
        results.append(evaluate(network, cut.validation))
        if number == 0:
            save(network, folder / f"{setting.name}.safetensors")
    return Trial(setting, tuple(results))
