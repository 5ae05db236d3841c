"""`python -m bench.accuracy`: every cell on every task, with the same budget of trials.

Each cell's learning rate, weight decay and own initial constant are chosen by Optuna on the
validation part, in as many trials for each; then it is trained for each seed, and the test part
is looked at. Tasks, sizes, ranges and budgets: bench/accuracy/studies.yaml. A file for each task
and cell goes into --output as soon as it is done, so that a long run can be stopped, and done in
parts; the tables are made of all that are there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bench.accuracy.studies import CELLS, STUDIES, Studies, read
from bench.accuracy.study import save, stored, study, trainings
from bench.accuracy.tables import markdown, picture
from bench.arguments import bench_parser, guarded
from bench.document import ACCURACY, add_docs_option, refresh
from models.tasks import named
from models.tasks.data import TaskData
from models.training import History
from models.writing import check_folder

__all__ = ["main"]

_EXAMPLES = """examples:
  python -m bench.accuracy --quick                         a minute: digits, two cells
  python -m bench.accuracy --tasks digits --docs
  python -m bench.accuracy --tasks text --text book.txt --cells additive gru
  python -m bench.accuracy --tasks spoken-digits --recordings fsdd/recordings
  python -m bench.accuracy --tables --docs                 nothing is trained
"""

#: Of --quick: nothing to judge a cell by, but all that happens in a study.
FULL, QUICK = Path("build/bench/accuracy"), Path("build/bench/accuracy-quick")
_QUICK_CELLS = ("additive", "gru")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("accuracy", __doc__, _EXAMPLES)
    parser.set_defaults(output=None)
    add = parser.add_argument
    add("--tasks", nargs="+", metavar="TASK", help=f"some of: {', '.join(read().tasks)}")
    add("--cells", nargs="+", choices=CELLS, metavar="CELL", help=f"some of: {', '.join(CELLS)}")
    add("--studies", type=Path, default=STUDIES, help="another studies.yaml")
    add("--text", type=Path, metavar="FILE", help="the text of the task text")
    add("--recordings", type=Path, metavar="FOLDER", help="those of spoken digits")
    add("--again", action="store_true", help="also what is in --output already")
    add("--tables", action="store_true", help="train nothing: tables of what is in --output")
    add("--quick", action="store_true",
        help=f"digits, {' and '.join(_QUICK_CELLS)}, one seed: to see it work")  # fmt: skip
    add_docs_option(parser, ACCURACY)
    options = parser.parse_args(arguments)
    if options.quick and (options.docs or options.tasks or options.cells or options.tables):
        parser.error("--quick is a form of its own: without --docs, --tasks, --cells, --tables")
    if options.output is None:
        options.output = QUICK if options.quick else FULL
    return options


def _quick(studies: Studies) -> Studies:
    digits = replace(studies.tasks["digits"], cells=_QUICK_CELLS, steps=90, checks=5, trials=2)
    return replace(studies, seeds=studies.seeds[:1], tasks={"digits": digits})


def _data(task: str, options: argparse.Namespace) -> Path | None:
    """Where a task's data are; None for one that needs none, or where nobody said."""
    if task == "text":
        return options.text
    return options.recordings if task.startswith("spoken") else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments), check_folder)


def _run(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    studies = read(options.studies)
    if options.quick:
        studies = _quick(studies)
    if not options.tables:
        _train(options, studies)
    found = stored(options.output)
    if not found:
        raise ValueError(f"{options.output}: holds no studies; train some first")
    for old in (s for s in found if not _is_asked(s, studies)):
        print(f"NOT AS IN {options.studies}: {old['task']}, {old['cell']} (train it again)")
    text = markdown(found) + "\n"
    print(text, end="")
    if options.docs is not None:
        refresh(options.docs, "accuracy", text, {"accuracy.png": picture(found)}, ACCURACY)
    wrong = [s for s in found for r in s["runs"] if r.get("agree") is False]
    for one in wrong:
        print(f"NOT EXACT: {one['task']}, {one['cell']}")
    return 1 if wrong else 0


def _is_asked(found: dict[str, Any], studies: Studies) -> bool:
    """Whether a stored study was made as the file says now."""
    name = found["task"]
    return name in studies.tasks and found["settings"] == studies.setup(name, found["cell"])


def _train(options: argparse.Namespace, studies: Studies) -> None:
    of = {name: study.task or name for name, study in studies.tasks.items()}
    for name in options.tasks or ():
        if name not in of:
            raise ValueError(f"{options.studies} has no study {name!r}; it has {', '.join(of)}")
    tasks = options.tasks or [
        n for n in of if of[n] not in named.NEEDY or _data(of[n], options) is not None
    ]
    # What cannot be loaded is better known before an hour of training.
    loaded = {}
    for name in tasks:
        task, data = studies.tasks[name], _data(of[name], options)
        loaded[name] = named.load(of[name], data, task.length)
        if task.retrain and loaded[name].fresh is not None:
            raise ValueError(
                f"{name}: retrain is not for {of[name]}, whose batches are drawn fresh"
            )
        for speaker in task.left_out:
            _without(of[name], data, speaker)
    done = {(s["task"], s["cell"]): s["settings"] for s in stored(options.output)}
    todo = [
        (name, cell)
        for name in tasks
        for cell in options.cells or studies.tasks[name].cells
        if options.again or done.get((name, cell)) != studies.setup(name, cell)
    ]
    total = 0
    for name, _ in todo:
        task = studies.tasks[name]
        trials, runs = trainings(task, studies)
        total += trials * max(1, round(task.tuning * task.checks)) + runs * task.checks
    with tqdm(total=total, desc="accuracy", unit="check") as bar:

        def report(what: str, _: int, history: History) -> None:
            bar.set_description(f"{name} {cell} {what}")
            if history.validation:
                bar.set_postfix(validation=f"{history.validation[-1]:.4f}")
            bar.update()

        for name, cell in todo:
            without = partial(_without, of[name], _data(of[name], options))
            save(options.output, study(name, cell, loaded[name], studies, report, without))


def _without(task: str, data: Path | None, speaker: str) -> TaskData:
    return named.load(task, data, left_out=speaker)
