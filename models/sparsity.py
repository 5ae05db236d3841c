"""How many events buy how much accuracy: the sweep behind `python -m models.train --sparsity`.

One network is trained for each setting of the hold regularizer's weight and the dead zone. The
one to use is the sparsest whose accuracy on validation is at most half a point below the
densest's; the test part chooses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.evaluate import Evaluation
from models.network import Network

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


@dataclass(frozen=True)
class Trial:
    """A network that was trained with a setting, and what it does on the validation part."""

    setting: Setting
    network: Network
    validation: Evaluation

    @property
    def events(self) -> float:
        """Units of all layers that changed in a step, on average."""
        return sum(self.validation.events)


def densest(trials: Sequence[Trial]) -> Trial:
    """The trial with the most events a step."""
    return max(trials, key=lambda trial: trial.events)


def choose(trials: Sequence[Trial]) -> int:
    """The sparsest network at most `POINTS` below the densest on validation.

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
    least = densest(trials).validation.integer - POINTS / 100 - 1e-9
    allowed = [n for n, trial in enumerate(trials) if trial.validation.integer >= least]
    return min(allowed, key=lambda n: (trials[n].events, -trials[n].validation.integer))


def table(trials: Sequence[Trial], chosen: int) -> str:
    """The sweep as Markdown, a row for each setting in their order."""
    lines = [
        "| hold | theta | validation accuracy | events a step, by layer | units held | |",
        "|---|---|---|---|---|---|",
    ]
    for number, trial in enumerate(trials):
        result = trial.validation
        events = " + ".join(f"{count:.1f}" for count in result.events)
        lines.append(
            f"| {trial.setting.hold:g} | {trial.setting.theta} | {100 * result.integer:.2f} % | "
            f"{events} | {100 * result.hold:.1f} % | {'chosen' if number == chosen else ''} |"
        )
    return "\n".join(lines) + "\n"


def figures(trials: Sequence[Trial], chosen: int) -> dict[str, Any]:
    """The sweep as data for JSON."""
    rows = [
        {
            **asdict(trial.setting),
            "network": f"{trial.setting.name}.safetensors",
            "validation": {**asdict(trial.validation), "agree": trial.validation.agree},
        }
        for trial in trials
    ]
    return {"points_allowed": POINTS, "chosen": chosen, "trials": rows}
