"""Run sequences on a device, and compare every logit with the integer golden model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.device import Device
from host.results import Result
from models.golden import GoldenModel
from models.marks import check_mode, mark, measure_name
from models.spec import FRACTION_BITS, NetworkSpec
from models.tasks.data import OneHot, Part

#: Integers of any width, [C] or [T, C].
Integers = NDArray[np.integer[Any]]

#: Sequences the golden model takes at once; bounds memory.
_GOLDEN_BATCH = 256


@dataclass(frozen=True)
class Comparison:
    """What was measured.

    Attributes
    ----------
    measure : str
        See `models.marks.measure_name`.
    score : float
        By the device's answers.
    golden_score : float
        By the golden model's.
    sequences, steps : int
        Run in all.
    logits_compared, logits_different : int
        In mode "every" at every step, else one set a sequence.
    labels_different : int
        Sequences whose label is not the golden model's.
    cycles : int
        In all, resets included.
    cycles_per_step_mean, cycles_per_step_worst : float
        Mean over all steps; worst sequence, its reset spread over its steps.
    clock_hz : int
        The device's clock.
    """

    measure: str
    score: float
    golden_score: float
    sequences: int
    steps: int
    logits_compared: int
    logits_different: int
    labels_different: int
    cycles: int
    cycles_per_step_mean: float
    cycles_per_step_worst: float
    clock_hz: int

    @property
    def exact(self) -> bool:
        """Whether every answer equalled the golden model's."""
        return self.logits_different == 0 and self.labels_different == 0

    @property
    def microseconds_per_step(self) -> float:
        """Mean time the engine works on a step, at its clock."""
        return self.cycles_per_step_mean / self.clock_hz * 1e6


def compare(
    device: Device, part: Part, progress: Callable[[Result], object] | None = None
) -> Comparison:
    """Run every sequence on the device's loaded network.

    Parameters
    ----------
    device : Device
        With a network loaded.
    part : Part
        At least one sequence; integer x are taken as they are.
    progress : callable, optional
        Called with each sequence's result.

    Raises
    ------
    InputError
        If the network cannot take the sequences.
    ValueError
        If there is none, or the network does not answer what the part asks for.
    """
    network = device.network
    spec = network.spec
    if len(part) == 0:
        raise ValueError("there must be at least one sequence to run")
    measure = measure_name(part.asks, spec.target)
    check_mode(part.asks, spec.readout.mode)
    # Features of a text are made when they are read, so they are read a few at a time.
    x = part.x
    count = np.full(len(x), x.shape[1]) if part.lengths is None else part.lengths
    clock_hz = device.identify().clock_hz
    results: list[Result] = []
    for result in device.run_many(x[row][:n] for row, n in enumerate(count)):
        results.append(result)
        if progress is not None:
            progress(result)
    compared = different = labels_different = 0
    found, wanted = _Marks(measure, spec), _Marks(measure, spec)
    answers = zip(results, _golden(GoldenModel(network), x, count), strict=True)
    for row, (result, (scores, logits, label)) in enumerate(answers):
        assert result.logits is not None
        pairs = [(result.logits, scores)]
        every = None
        if spec.readout.mode == "every":
            every = np.stack([_logits(step) for step in result.every])
            pairs = list(zip(every, logits, strict=True))
        for got, right in pairs:
            compared += right.size
            different += int(np.count_nonzero(got != right))
        labels_different += result.label != label
        piece = part.take(np.arange(row, row + 1))
        found.add(piece, result.logits, every, result.steps)
        wanted.add(piece, scores, logits, result.steps)
    cycles, steps = sum(r.cycles for r in results), sum(r.steps for r in results)
    return Comparison(
        measure=measure,
        score=found.value,
        golden_score=wanted.value,
        sequences=len(results),
        steps=steps,
        logits_compared=compared,
        logits_different=different,
        labels_different=labels_different,
        cycles=cycles,
        cycles_per_step_mean=cycles / steps,
        cycles_per_step_worst=max(r.cycles / r.steps for r in results),
        clock_hz=clock_hz,
    )


def _logits(result: Result) -> NDArray[np.int64]:
    assert result.logits is not None
    return result.logits


class _Marks:
    """A measure, sequence by sequence, from integers."""

    def __init__(self, measure: str, spec: NetworkSpec) -> None:
        self._measure, self._spec = measure, spec
        self._sum = self._weight = 0.0

    def add(self, part: Part, scores: Integers, logits: Integers | None, steps: int) -> None:
        """Count one sequence: scores [C], and in mode "every" logits [T, C]."""
        scale = float(1 << (self._spec.hb + FRACTION_BITS))
        means = scores / scale / (steps if self._spec.readout.mode == "sum" else 1)
        every = means[None] if logits is None else logits / scale
        if part.asks == "step":  # of the steps that were run
            part = replace(part, y=part.y[:, :steps])
        counted, over = mark(self._measure, part, every[None], means[None], np.array([steps]))
        self._sum, self._weight = self._sum + counted, self._weight + over

    @property
    def value(self) -> float:
        """The measure of all that were counted."""
        return self._sum / self._weight


def _golden(
    model: GoldenModel, x: NDArray[Any] | OneHot, count: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], int]]:
    network = model.network
    for start in range(0, len(x), _GOLDEN_BATCH):
        part, lengths = x[start : start + _GOLDEN_BATCH], count[start : start + _GOLDEN_BATCH]
        if part.dtype.kind == "f":
            inside = np.arange(part.shape[1]) < lengths[:, None]
            part = network.normalisation.quantize(
                np.where(inside[..., None], part, 0.0), network.spec.hb
            )
        run = model.run(part, lengths)
        for index, length in enumerate(lengths):
            yield run.scores[index], run.logits[index, :length], int(run.labels[index])
