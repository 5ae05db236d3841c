"""What training draws: a learning curve, and accuracy against events; how all pictures are made."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.marks import measure_name
from models.sparsity import POINTS, Trial, densest
from models.tasks.data import TaskData
from models.training import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["learning_curve", "new_figure", "png", "trade_off"]


def new_figure(height: float) -> Figure:
    """An empty figure, 7 inches wide and `height` inches high, that no window ever shows."""
    from matplotlib.figure import Figure  # slow to import, and not needed before training is done

    return Figure(figsize=(7, height), layout="constrained")


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG, 120 dots an inch; `models.writing.write_whole` keeps them."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def learning_curve(task: TaskData, history: History) -> bytes:
    """Losses and, where there is validation, its accuracy over the epochs as a PNG."""
    figure = new_figure(4)
    axes = figure.subplots()
    epochs = np.arange(1, len(history.loss) + 1)
    axes.semilogy(epochs, history.loss, label="training loss")
    if history.validation:
        axes.semilogy(epochs, history.validation_loss, label="validation loss")
    axes.axvline(history.best + 1, color="grey", linestyle=":", label="epoch kept")
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross-entropy" if task.target == "class" else "mean squared error")
    lines = axes.get_legend_handles_labels()
    if task.target == "class" and history.validation:
        name = measure_name(task.validation.asks, task.target)
        bits = name == "bits"
        right = axes.twinx()
        values = np.array(history.validation) * (1 if bits else 100)
        right.plot(epochs, values, "g", label=f"validation, {name}")
        right.set_ylabel("bits a step" if bits else "%")
        more = right.get_legend_handles_labels()
        lines = (lines[0] + more[0], lines[1] + more[1])
    figure.legend(*lines, loc="outside lower center", ncols=4)
    axes.set_title(task.name)
    return png(figure)


def trade_off(trials: Sequence[Trial], chosen: int, title: str) -> bytes:
    """Validation accuracy against events a step as a PNG, the chosen setting marked."""
    figure = new_figure(4.5)
    axes = figure.subplots()
    for number, theta in enumerate(sorted({trial.setting.theta for trial in trials})):
        own = [trial for trial in trials if trial.setting.theta == theta]
        axes.plot(
            [trial.events for trial in own],
            [100 * trial.accuracy for trial in own],
            marker="os^Dv"[number % 5],
            label=f"theta = {theta}",
        )
    for trial in trials:
        axes.annotate(
            f"{trial.setting.hold:g}",
            (trial.events, 100 * trial.accuracy),
            textcoords="offset points",
            xytext=(5, 5),
        )
    best = trials[chosen]
    axes.plot(
        [best.events],
        [100 * best.accuracy],
        "o",
        markersize=16,
        markerfacecolor="none",
        markeredgecolor="black",
        label="chosen",
    )
    axes.axhline(
        100 * densest(trials).accuracy - POINTS,
        color="grey",
        linestyle=":",
        label=f"{POINTS} points below the densest",
    )
    axes.margins(0.08)
    axes.set_xlim(left=0)
    axes.set_xlabel("events a step (hidden units that changed)")
    axes.set_ylabel("accuracy on validation, %")
    axes.set_title(f"{title}: numbers are the weight of the hold regularizer")
    axes.legend(loc="lower right")
    return png(figure)
