"""The runs as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bench.document import prose
from bench.rules.runs import MARGIN, MISSING, WEIGHTS, Measures, Run
from models.tasks.elnino import FIRST_YEAR, PAST, STEPS, TRAIN, VALIDATION, ForecastPart

__all__ = ["markdown"]

_NAMES = {
    "additive": "additive, float",
    "ternary": "additive, ternary",
    "gru": "GRU, float",
    "none": "without",
    "robustness": "robustness",
    "teacher": "teacher",
}
_COLUMNS = (
    "network", "rules in training", "satisfied", "robustness, °C", "MSE, °C²", "MAE, °C",
    "projected: MSE", "MAE",
)  # fmt: skip


def markdown(
    runs: Sequence[Run], baselines: dict[str, Measures], rule: str, part: ForecastPart
) -> str:
    """Return what was done, a table of the test part, and one of the same with gaps.

    Parameters
    ----------
    runs : sequence of Run
    baselines : dict
        Measures on the test part, by name.
    rule : str
        One of the rules, as text.
    part : ForecastPart
        The test part.
    """
    begin = TRAIN + VALIDATION
    # A forecast begins in each month but for the last ones, whose year would end after the data.
    first, last = (FIRST_YEAR + month // 12 for month in (begin, begin + len(part) + STEPS - 2))
    seeds = sorted({run.seed for run in runs})
    kept = min(found.satisfied for run in runs for found in (run.projected, run.gaps_projected))
    what = (
        f"Measured: mean over seeds {', '.join(map(str, seeds))} (least to greatest), "
        f"{len(part)} forecasts of {STEPS} months each from {first} to {last}. *Satisfied*: "
        "forecasts that keep every rule of their month; *robustness*: its mean; *projected*: the "
        f"same forecasts moved by the teacher at test time, of which {100 * kept:.4g} % "
        "satisfy the rules. Pulls in training: "
        f"the teacher's (STLnet's), weight {WEIGHTS['teacher']:g}, or what robustness lacks of the "
        f"margin, squared, weight {WEIGHTS['robustness']:g}; margin {MARGIN:g} °C."
    )
    gaps = (
        f"The same networks where {100 * MISSING:g} % of the {PAST} past months, drawn at random, "
        "are unknown and have the training mean in their place:"
    )
    ternary = [run for run in runs if run.agree is not None]
    agree = sum(bool(run.agree) for run in ternary)
    lines = [
        prose(what),
        _table(runs, lambda run: run.test, lambda run: run.projected, baselines),
        prose(gaps),
        _table(runs, lambda run: run.gaps, lambda run: run.gaps_projected, {}),
    ]
    if ternary:
        lines.append(
            prose(
                "Forecasts of the ternary networks by the integer golden model equal those of "
                f"training bit for bit in {agree} of {len(ternary)} runs."
            )
        )
    lines += [
        "The rule of forecasts that begin in February:",
        "```\n" + _wrapped(rule) + "\n```",
    ]
    return "\n\n".join(lines)


def _table(
    runs: Sequence[Run],
    plain: Callable[[Run], Measures],
    projected: Callable[[Run], Measures],
    baselines: dict[str, Measures],
) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    for name, found in baselines.items():
        lines.append(
            f"| {name} | | {100 * found.satisfied:.1f} % | {found.robustness:.2f} | "
            f"{found.mse:.3f} | {found.mae:.3f} | | |"
        )
    for cell, pull in dict.fromkeys((run.cell, run.pull) for run in runs):
        own = [run for run in runs if (run.cell, run.pull) == (cell, pull)]
        now, moved = [plain(run) for run in own], [projected(run) for run in own]
        cells = [
            _NAMES[cell],
            _NAMES[pull],
            _spread([100 * m.satisfied for m in now], 1, " %"),
            _spread([m.robustness for m in now], 2),
            _spread([m.mse for m in now], 3),
            _spread([m.mae for m in now], 3),
            _spread([m.mse for m in moved], 3),
            _spread([m.mae for m in moved], 3),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spread(values: Sequence[float], digits: int, unit: str = "") -> str:
    mean = f"{np.mean(values):.{digits}f}{unit}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _wrapped(rule: str) -> str:
    """A rule, one part of its conjunction a line; the parser reads it all the same."""
    return (
        rule.replace(") and (always", ")\nand (always")
        .replace(") and (eventually", ")\nand (eventually")
        .replace(") and ((", ")\nand ((")
    )
