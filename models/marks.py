"""How good answers are: accuracy, mean squared error, bits a symbol, or an error rate of strings.

Which of them follows from what is asked for (`Part.asks`) and from the network's target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tasks.data import Part

__all__ = [
    "BLANK",
    "better",
    "check_mode",
    "collapse",
    "edits",
    "mark",
    "measure_name",
    "shown",
    "spelled",
]

BLANK = 0
"""The class that a network answers between two characters of a string."""

_NAMES = {
    ("sequence", "class"): "accuracy",
    ("sequence", "value"): "mse",
    ("step", "class"): "bits",
    ("step", "value"): "mse",
    ("string", "class"): "error rate",
}

Logits = NDArray[np.float64]


def measure_name(asks: str, target: str) -> str:
    """What answers are judged by.

    Parameters
    ----------
    asks : str
        `Part.asks`: "sequence", "step" or "string".
    target : str
        The network's: "class" or "value".

    Returns
    -------
    str
        "accuracy" (share of sequences), "mse", "bits" (mean -log2 of the probability of each
        step's class) or "error rate" (insertions, deletions and replacements a character).

    Raises
    ------
    ValueError
        If there is no measure for the two, as for strings of values.
    """
    try:
        return _NAMES[asks, target]
    except KeyError:
        raise ValueError(f"a network with target {target!r} cannot answer a {asks}") from None


def check_mode(asks: str, mode: str) -> None:
    """Refuse a readout that answers once where more is asked for.

    Raises
    ------
    ValueError
        When there are targets for steps, or strings, and the mode is not "every".
    """
    if asks != "sequence" and mode != "every":
        raise ValueError(
            f"a {asks} is asked for, so the network must answer at every step, but its readout's "
            f"mode is {mode}"
        )


def better(measure: str) -> int:
    """1 where more is better (accuracy), else -1."""
    return 1 if measure == "accuracy" else -1


def shown(measure: str, value: float) -> str:
    """A figure as text, such as "97.78 %"."""
    if measure in ("accuracy", "error rate"):
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if measure == "bits" else f"{value:.6f}"


def collapse(labels: NDArray[np.integer[Any]]) -> list[int]:
    """The string that a label for each step spells: repetitions once, then without blanks.

    The greedy decoding of connectionist temporal classification (Graves et al., 2006).

    Parameters
    ----------
    labels : integer array [T]

    Returns
    -------
    list of int, 1 to C - 1
    """
    changed = np.ones(len(labels), bool)
    changed[1:] = labels[1:] != labels[:-1]
    return [int(label) for label in labels[changed & (labels != BLANK)]]


def spelled(string: list[int], labels: tuple[str, ...] | None) -> str:
    """A string of classes as text, by the names of the classes where they have some."""
    return "".join(str(label) if labels is None else labels[label] for label in string)


def edits(found: list[int], wanted: list[int]) -> int:
    """Fewest insertions, deletions and replacements that turn one string into the other."""
    row = list(range(len(wanted) + 1))
    for count, symbol in enumerate(found, 1):
        above, row = row, [count]
        for place, other in enumerate(wanted):
            row.append(min(above[place + 1] + 1, row[place] + 1, above[place] + (symbol != other)))
    return row[-1]


def mark(
    measure: str, part: Part, logits: Logits, scores: Logits, steps: NDArray[np.int64]
) -> tuple[float, float]:
    """The sum of what is counted, and how many it is counted over: their ratio is the measure.

    Parameters
    ----------
    measure : str
        From `measure_name`.
    part : Part
    logits : float64 [N, T, C]
        Of every step; looked at where there is an answer for every step.
    scores : float64 [N, C]
        Of every sequence: of its last step, or means over its steps.
    steps : int64 [N]
        Valid ones.

    Returns
    -------
    (float, float)
    """
    if measure == "accuracy":
        return float((np.argmax(scores, axis=1) == part.y).sum()), len(part)
    if measure == "error rate":
        assert part.y_lengths is not None
        wrong = 0
        best = np.argmax(logits, axis=2)
        for labels, count, y, length in zip(best, steps, part.y, part.y_lengths, strict=True):
            wrong += edits(collapse(labels[:count]), y[:length].tolist())
        return wrong, float(part.y_lengths.sum())
    if part.asks == "sequence":
        return float(((scores[:, 0] - part.y) ** 2).sum()), len(part)
    valid = np.arange(part.y.shape[1]) < steps[:, None]
    if measure == "mse":
        return float(((logits[..., 0] - part.y)[valid] ** 2).sum()), float(valid.sum())
    chosen = np.take_along_axis(logits, part.y[..., None].astype(np.int64), axis=2)[..., 0]
    top = logits.max(axis=2)
    log_sum = top + np.log(np.exp(logits - top[..., None]).sum(axis=2))
    return float(((log_sum - chosen)[valid]).sum() / np.log(2)), float(valid.sum())
