"""`python -m bench.rules`: forecasts with and without rules in signal temporal logic.

Networks of additive gates, in floating point and ternary, and a GRU foretell a year of sea surface
temperatures (`models.tasks.elnino`). Rules come from the training part (`models.rules.seasons`).
Each network is trained without them, with what robustness lacks in the loss, and towards its own
forecast as the teacher moves it (STLnet); the teacher may also move forecasts at test time.

Writes JSON, and beside it the Markdown that it prints and the picture rules.png. `--docs` puts
table and picture into docs/. Everything is measured, on one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from tqdm import tqdm

from bench.arguments import bench_parser, count, guarded, seed_value
from bench.document import ACCURACY, add_docs_option, refresh
from bench.record import write
from bench.rules.picture import picture, worst
from bench.rules.runs import (
    CELLS,
    MARGIN,
    MISSING,
    WEIGHTS,
    Run,
    climatology,
    measures,
    train_one,
)
from bench.rules.tables import markdown
from models.rules.seasons import rule_text, yearly_rules
from models.rules.training import PULLS, History, RuleBook, forecast
from models.tasks import elnino
from models.writing import write_whole

__all__ = ["main"]

EPOCHS, SEEDS = 60, (0, 1, 2)
QUICK_EPOCHS, QUICK_PULLS = 4, ("none", "teacher")
#: Whose forecast is drawn.
DRAWN = "ternary"

_EXAMPLES = """\
examples:
  python -m bench.rules
      27 trainings: three networks, three ways, three seeds; some minutes
  python -m bench.rules --docs
      the same; refreshes docs/accuracy.md and docs/rules.png
  python -m bench.rules --cells gru --pulls none teacher --seeds 7
  python -m bench.rules --quick
      one seed, 4 epochs, not with robustness in the loss: whether it works, no figures to keep
"""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("rules", __doc__, _EXAMPLES)
    add = parser.add_argument
    add("--cells", nargs="+", choices=CELLS, default=CELLS, help=f"({' '.join(CELLS)})")
    add("--pulls", nargs="+", choices=PULLS, default=PULLS, help=f"({' '.join(PULLS)})")
    add("--seeds", type=seed_value, nargs="+", default=SEEDS, metavar="N", help="(0 1 2)")
    add("--epochs", type=count, default=EPOCHS, metavar="N", help=f"({EPOCHS})")
    add("--quick", action="store_true", help=f"seed 0, {QUICK_EPOCHS} epochs, no robustness")
    add_docs_option(parser, ACCURACY)
    options = parser.parse_args(arguments)
    if options.quick and options.docs:
        parser.error("documents hold whole trainings: --docs goes without --quick")
    if options.quick:
        options.epochs, options.seeds, options.pulls = QUICK_EPOCHS, SEEDS[:1], QUICK_PULLS
    drawn = {"none", "teacher"} <= set(options.pulls) and DRAWN in options.cells
    if options.docs and not drawn:
        parser.error(f"--docs draws {DRAWN}, none and teacher: they must be among the runs")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    task = elnino.load()
    book = RuleBook(yearly_rules(task.train), MARGIN)
    plans = [
        (cell, pull, seed)
        for cell in dict.fromkeys(options.cells)
        for pull in dict.fromkeys(options.pulls)
        for seed in dict.fromkeys(options.seeds)
    ]
    runs = []
    with tqdm(total=len(plans) * options.epochs, unit="epoch") as bar:
        for plan in plans:
            bar.set_description(" ".join(map(str, plan)))

            def report(number: int, history: History) -> None:
                bar.update()

            runs.append(train_one(*plan, task, book, options.epochs, report))
    baselines = {
        "what came": measures(task.test.y, task.test, book),
        "mean of each calendar month": measures(
            climatology(task.train, task.test), task.test, book
        ),
    }
    text = markdown(runs, baselines, rule_text(task.train, 1), task.test) + "\n"
    print(text, end="")
    write(
        options.output,
        {
            "what": "measured",
            "torch": torch.__version__,
            "epochs": options.epochs,
            "weights": WEIGHTS,
            "margin": MARGIN,
            "missing": MISSING,
            "rules": [rule_text(task.train, month) for month in range(12)],
            "baselines": {name: vars(found) for name, found in baselines.items()},
            "runs": [run.record() for run in runs],
        },
    )
    write_whole(options.output.with_suffix(".md"), text)
    drawn = _draw(runs, task, book)
    for name, data in drawn.items():
        write_whole(options.output.parent / name, data)
    if options.docs:
        refresh(options.docs, "rules", text, drawn, ACCURACY)
    differ = [run for run in runs if run.agree is False]
    for run in differ:
        print(f"error: {run.cell} {run.pull} seed {run.seed}: training and integers differ")
    return 1 if differ else 0


def _draw(runs: Sequence[Run], task: elnino.Forecast, book: RuleBook) -> dict[str, bytes]:
    """The forecast that breaks its rule most, if it was made both ways."""
    seed = runs[0].seed
    found = {
        run.pull: forecast(run.module, task.test, task)
        for run in runs
        if (run.cell, run.seed) == (DRAWN, seed)
    }
    if not {"none", "teacher"} <= found.keys():
        return {}
    values = book.robustness(torch.from_numpy(found["none"]), task.test.month).numpy()
    return {"rules.png": picture(task, book, worst(values), found["none"], found["teacher"])}
