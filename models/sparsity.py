"""How many events buy how much accuracy: the sweep behind `python -m models.train --sparsity`.

Each setting of the hold regularizer's weight and the dead zone is judged by cross-validation:
networks are trained on all folds but one and validated on that one, so that every sequence
outside the test part counts once. (On the 203 validation digits alone half a point is one digit,
and the choice was luck.) The setting to use is the sparsest at most half a point below the
densest; the test part chooses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.evaluate import Evaluation

__all__ = ["GRID", "POINTS", "Setting", "Trial", "choose", "densest", "figures", "table"]

POINTS = 0.5
"""Points of validation accuracy (percent) that sparsity may cost."""


@dataclass(frozen=True)
class Setting:
    """One point of the sweep.

    Parameters
    ----------
    hold : float
        Weight of the hold regularizer, at least 0.
    theta : int
        Dead zone of every layer in state steps of 2**-hb, 0 to 2M.
    """

    hold: float
    theta: int

    @property
    def name(self) -> str:
        """For files and pictures."""
        return f"hold-{self.hold:g}-theta-{self.theta}"


GRID = tuple(Setting(hold, theta) for hold in (0.0, 1.0, 2.0, 3.0) for theta in (0, 16))
"""The settings that are tried, the usual training first."""

FOLDS = 3
"""Networks trained for each setting."""


@dataclass(frozen=True)
class Trial:
    """What the networks of a setting, one for each fold, do on what they were not trained on."""

    setting: Setting
    folds: tuple[Evaluation, ...]

    def _mean(self, values: Sequence[float]) -> float:
        return float(np.average(values, weights=[fold.sequences for fold in self.folds]))

    @property
    def accuracy(self) -> float:
        """Share of all sequences that the network which did not know them got right."""
        return self._mean([fold.integer for fold in self.folds])

    @property
    def layer_events(self) -> tuple[float, ...]:
        """Units of each layer that changed in a step, on average."""
        counts = zip(*(fold.events for fold in self.folds), strict=True)
        return tuple(self._mean(layer) for layer in counts)

    @property
    def events(self) -> float:
        """The same, of all layers."""
        return sum(self.layer_events)

    @property
    def hold(self) -> float:
        """Share of units that stayed as they were."""
        return self._mean([fold.hold for fold in self.folds])


def densest(trials: Sequence[Trial]) -> Trial:
    """The trial with the most events a step."""
    return max(trials, key=lambda trial: trial.events)


def choose(trials: Sequence[Trial]) -> int:
    """The sparsest setting at most `POINTS` below the densest on validation.

    Parameters
    ----------
    trials : sequence of Trial, at least one

    Returns
    -------
    int
        Its index: of those allowed the one with the fewest events a step, of equals the more
        accurate, then the earlier one.
    """
    # Accuracies are counts over a count: rounding must not decide.
    least = densest(trials).accuracy - POINTS / 100 - 1e-9
    allowed = [n for n, trial in enumerate(trials) if trial.accuracy >= least]
    return min(allowed, key=lambda n: (trials[n].events, -trials[n].accuracy))


def table(trials: Sequence[Trial], chosen: int) -> str:
    """The sweep as Markdown, a row for each setting in their order."""
    lines = [
        "| hold | theta | validation accuracy | events a step, by layer | units held | |",
        "|---|---|---|---|---|---|",
    ]
    for number, trial in enumerate(trials):
        events = " + ".join(f"{count:.1f}" for count in trial.layer_events)
        lines.append(
            f"| {trial.setting.hold:g} | {trial.setting.theta} | {100 * trial.accuracy:.2f} % | "
            f"{events} | {100 * trial.hold:.1f} % | {'chosen' if number == chosen else ''} |"
        )
    return "\n".join(lines) + "\n"


def figures(trials: Sequence[Trial], chosen: int) -> dict[str, Any]:
    """The sweep as data for JSON; "network" is the file that holds the first fold's network."""
    rows = [
        {
            **asdict(trial.setting),
            "network": f"{trial.setting.name}.safetensors",
            "accuracy": trial.accuracy,
            "events": trial.layer_events,
            "held": trial.hold,
            "folds": [{**asdict(fold), "agree": fold.agree} for fold in trial.folds],
        }
        for trial in trials
    ]
    return {"points_allowed": POINTS, "chosen": chosen, "trials": rows}
