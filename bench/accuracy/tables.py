"""Studies as Markdown tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.accuracy.studies import CELLS
from bench.document import prose
from models.marks import better, shown
from models.pictures import new_figure, png

__all__ = ["markdown", "picture"]

_COLUMNS = (
    "Active: units that change (additive) or speak (egru) in a step. Exact: integers and PyTorch "
    "module agree on every logit and state of the test part. Chosen: learning rate, weight decay, "
    "scale of the initial input weights, and the cell's own constant. Seconds: of a run, on one "
    "thread of a machine that did other work as well."
)
_CHOSEN = ("learning_rate", "weight_decay", "input_scale", "own")
_WHAT = {
    "accuracy": "accuracy",
    "mse": "mean squared error",
    "bits": "bits a character",
    "error rate": "character error rate",
}


_ORDER = ("digits", "digits-pixels", "digit-strings", "spoken-digits", "text", "text-hitnet")


def _of_task(found: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Studies by their tasks, cells in their order."""
    names = {study["task"] for study in found}
    ordered = [name for name in _ORDER if name in names]
    tasks: dict[str, list[dict[str, Any]]] = {n: [] for n in ordered + sorted(names - set(ordered))}
    for study in sorted(found, key=lambda study: CELLS.index(study["cell"])):
        tasks[study["task"]].append(study)
    return tasks


def _spread(measure: str, values: Sequence[float]) -> str:
    """Mean, and how far the seeds lie on either side of it (standard deviation)."""
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1 if values[1:] else 0))
    if measure in ("accuracy", "error rate"):
        return f"{100 * mean:.2f} ± {100 * deviation:.2f} %"
    return f"{shown(measure, mean)} ± {shown(measure, deviation)}"


def _best_trial(measure: str, study: dict[str, Any]) -> float:
    values = [trial["validation"] for trial in study["trials"]]
    return max(values, key=lambda value: better(measure) * value)


def _row(study: dict[str, Any]) -> str:
    measure, runs = study["measure"], study["runs"]
    active = [run["active"] for run in runs if "active" in run]
    exact = [run["agree"] for run in runs if "agree" in run]
    chosen = study["chosen"]
    return " | ".join(
        (
            f"| {study['cell']}",
            " x ".join(map(str, study["units"])),
            f"{runs[0]['parameters']}",
            shown(measure, _best_trial(measure, study)),
            f"**{_spread(measure, [run['test'] for run in runs])}**",
            ", ".join(shown(measure, run["test"]).removesuffix(" %") for run in runs),
            f"{100 * np.mean(active):.0f} %" if active else "",
            ("yes" if all(exact) else "NO") if exact else "",
            ", ".join(f"{chosen[key]:.2g}" for key in _CHOSEN),
            f"{np.mean([run['seconds'] for run in runs]):.0f} |",
        )
    )


def _left_out(studies: Sequence[dict[str, Any]]) -> list[str]:
    """A table of speakers left out, if there were any."""
    studies = [study for study in studies if study.get("left_out")]
    if not studies:
        return []
    speakers = [run["speaker"] for run in studies[0]["left_out"]]
    rows = []
    for study in studies:
        values = [run["test"] for run in study["left_out"]]
        shown_values = (f"{100 * value:.1f}" for value in values)
        rows.append(
            f"| {study['cell']} | {' | '.join(shown_values)} | **{100 * np.mean(values):.1f}** |"
        )
    return [
        prose(
            "Trained on five speakers, tested on all recordings of the sixth, in %, with the "
            f"settings chosen above and seed {studies[0]['left_out'][0]['seed']}. (They were "
            "chosen with some recordings of all six.)"
        ),
        "\n".join(
            (
                f"| cell | {' | '.join(speakers)} | mean |",
                "|---" * (len(speakers) + 2) + "|",
                *rows,
            )
        ),
    ]


def markdown(found: Sequence[dict[str, Any]]) -> str:
    """A table for each task."""
    parts = []
    for task, studies in _of_task(found).items():
        first = studies[0]
        trials = {len(study["trials"]) for study in studies}
        seeds = ", ".join(str(run["seed"]) for run in first["runs"])
        settings = first["settings"]
        parts += [
            f"### {task}",
            prose(
                f"Measured. {_WHAT[first['measure']].capitalize()}, mean and standard deviation of "
                f"seeds {seeds}; "
                f"{' or '.join(map(str, sorted(trials)))} trials for each cell, then "
                f"{settings['steps']} batches of a run"
                f"{', on the validation part as well' if settings['retrain'] else ''}. {_COLUMNS}"
            ),
            "\n".join(
                (
                    "| cell | H | parameters | best trial, validation | test | seeds | active "
                    "| exact | chosen | s |",
                    "|---|---|---|---|---|---|---|---|---|---|",
                    *(_row(study) for study in studies),
                )
            ),
            *_left_out(studies),
        ]
    return "\n\n".join(parts)


def picture(found: Sequence[dict[str, Any]]) -> bytes:
    """Every run's figure on the test part as a dot, a panel for each task, as a PNG."""
    tasks = _of_task(found)
    rows = [len(studies) for studies in tasks.values()]
    figure = new_figure(sum(0.25 * count + 1.1 for count in rows))
    ratios = {"height_ratios": [count + 0.5 for count in rows]}
    panels = np.atleast_1d(figure.subplots(len(tasks), 1, gridspec_kw=ratios))
    for axes, (task, studies) in zip(panels, tasks.items(), strict=True):
        measure = studies[0]["measure"]
        scale = 100 if measure in ("accuracy", "error rate") else 1
        for place, study in enumerate(studies):
            values = [scale * run["test"] for run in study["runs"]]
            axes.plot(values, [place] * len(values), "o", alpha=0.6)
            axes.plot(np.mean(values), place, "|k", markersize=14)
        axes.set_yticks(range(len(studies)), [study["cell"] for study in studies])
        axes.set_ylim(len(studies) - 0.4, -0.6)
        unit = " (%)" if scale == 100 else ""
        side = "more" if better(measure) > 0 else "less"
        axes.set_xlabel(f"{_WHAT[measure]}{unit}, test; {side} is better")
        axes.set_title(task)
        axes.grid(axis="x", alpha=0.3)
    return png(figure)
