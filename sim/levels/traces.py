"""What a level gave for one sequence, and where two levels differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


class LevelError(RuntimeError):
    """A level that cannot be made of its build; the message says why."""


class Unavailable(LevelError):
    """A level that cannot be run here, and that is no defect; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One sequence of T steps, as integers.

    Attributes
    ----------
    states : mapping of step to int64 [sum of H]
        h of all layers, in the network file's unit order, after these steps.
    answers : int64 [T, C]
        What is answered after each step: its logits, in readout mode "sum" their sum so far.
    labels : int64 [T]
        Index of the largest answer, the lowest on a tie.
    answer, label, state
        The same after the sequence as a whole: once more, in as few requests as it takes.
    """

    states: Mapping[int, Int]
    answers: Int
    labels: Int
    answer: Int
    label: int
    state: Int


@dataclass(frozen=True)
class Mismatch:
    """One number that is not the QAT module's.

    Attributes
    ----------
    level : str
    sequence, step : int
        From 0.
    what : str
        "state", "logit" or "label".
    layer, unit : int or None
        Of a state; a logit has only its index, in `unit`.
    expected, found : int
        The QAT module's, and this level's.
    whole : bool
        It was seen where the sequence ran as a whole, not step by step.
    """

    level: str
    sequence: int
    step: int
    what: str
    layer: int | None
    unit: int | None
    expected: int
    found: int
    whole: bool = False

    def __str__(self) -> str:
        where = {
            "state": f"layer {self.layer}, unit {self.unit}",
            "logit": f"logit {self.unit}",
            "label": "label",
        }[self.what]
        run = ", the sequence run as a whole" if self.whole else ""
        return (
            f"{self.level}: sequence {self.sequence}, step {self.step}, {where}: "
            f"expected {self.expected} (qat), found {self.found}{run}"
        )


@dataclass
class Tally:
    """What was compared on one level.

    Attributes
    ----------
    sequences, steps : int
    logits, states, labels : int
        Numbers compared.
    mismatches : int
        Numbers of any kind that differ.
    first : Mismatch or None
        The first of them: by sequence, step, then states before logits before labels.
    """

    sequences: int = 0
    steps: int = 0
    logits: int = 0
    states: int = 0
    labels: int = 0
    mismatches: int = 0
    first: Mismatch | None = field(default=None)

    def add(
        self, level: str, units: tuple[int, ...], sequence: int, wanted: Trace, found: Trace
    ) -> None:
        """Compare one sequence; `units` are the layers' H."""
        steps = len(wanted.answers)
        self.sequences += 1
        self.steps += steps
        self.states += sum(h.size for h in found.states.values()) + found.state.size
        self.logits += found.answers.size + found.answer.size
        self.labels += found.labels.size + 1
        for mismatch in _mismatches(level, units, sequence, wanted, found):
            self.mismatches += 1
            self.first = self.first or mismatch


def _mismatches(
    level: str, units: tuple[int, ...], sequence: int, wanted: Trace, found: Trace
) -> Iterator[Mismatch]:
    layer_of = np.repeat(np.arange(len(units)), units)
    first_unit = np.repeat(np.cumsum([0, *units[:-1]]), units)
    steps = len(wanted.answers)

    def of_step(
        step: int, h: tuple[Int, Int] | None, logits: tuple[Int, Int], labels: tuple[int, int],
        whole: bool,
    ) -> Iterator[Mismatch]:  # fmt: skip
        if h is not None:
            for index in np.flatnonzero(h[0] != h[1]):
                yield Mismatch(
                    level, sequence, step, "state", int(layer_of[index]),
                    int(index - first_unit[index]), int(h[0][index]), int(h[1][index]), whole,
                )  # fmt: skip
        for index in np.flatnonzero(logits[0] != logits[1]):
            values = int(logits[0][index]), int(logits[1][index])
            yield Mismatch(level, sequence, step, "logit", None, int(index), *values, whole)
        if labels[0] != labels[1]:
            yield Mismatch(level, sequence, step, "label", None, None, *labels, whole)

    for step in range(steps):
        h = (wanted.states[step], found.states[step]) if step in found.states else None
        yield from of_step(
            step,
            h,
            (wanted.answers[step], found.answers[step]),
            (int(wanted.labels[step]), int(found.labels[step])),
            False,
        )
    yield from of_step(
        steps - 1,
        (wanted.state, found.state),
        (wanted.answer, found.answer),
        (wanted.label, found.label),
        True,
    )
