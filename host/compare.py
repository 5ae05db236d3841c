"""Run sequences on a device, and compare every logit with the integer golden model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from host.device import Device
from host.results import Result
from models.golden import GoldenModel

#: Sequences the golden model takes at once; bounds memory.
_GOLDEN_BATCH = 256


@dataclass(frozen=True)
class Comparison:
    """What was measured.

    Attributes
    ----------
    measure : str
        "accuracy" (share of sequences) or "mse" (mean squared error).
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
    device: Device,
    x: NDArray[Any],
    y: NDArray[Any],
    lengths: NDArray[np.int64] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Run every sequence on the device's loaded network.

    Parameters
    ----------
    device : Device
        With a network loaded.
    x : float or integer array [N, T, I], N >= 1
    y : integer labels [N], or float values [N]
    lengths : int64 array [N], optional
        Steps of each sequence that count.
    progress : callable, optional
        Called with 1 after each sequence.

    Raises
    ------
    InputError
        If the network cannot take the sequences.
    """
    network = device.network
    spec = network.spec
    if len(x) == 0:
        raise ValueError("there must be at least one sequence to run")
    count = np.full(len(x), x.shape[1]) if lengths is None else lengths
    clock_hz = device.identify().clock_hz
    results: list[Result] = []
    for result in device.run_many(row[:n] for row, n in zip(x, count, strict=True)):
        results.append(result)
        if progress is not None:
            progress(1)
    compared = different = labels_different = 0
    golden_answers: list[Any] = []
    model = GoldenModel(network)
    for result, (scores, logits, label) in zip(
        results, _golden(model, device, x, count), strict=True
    ):
        pairs = [(result.logits, scores)]
        if spec.readout.mode == "every":
            pairs = [(r.logits, row) for r, row in zip(result.every, logits, strict=True)]
        for got, wanted in pairs:
            assert got is not None
            compared += wanted.size
            different += int(np.count_nonzero(got != wanted))
        labels_different += result.label != label
        golden_answers.append(
            label if spec.target == "class" else model.value(scores, result.steps)[0]
        )
    if spec.target == "class":
        measure = "accuracy"
        score = float(np.mean([r.label for r in results] == y))
        golden_score = float(np.mean(np.array(golden_answers) == y))
    else:
        measure = "mse"
        values = np.array([np.atleast_1d(np.asarray(r.value, np.float64))[0] for r in results])
        score = float(np.mean((values - y) ** 2))
        golden_score = float(np.mean((np.array(golden_answers) - y) ** 2))
    cycles, steps = sum(r.cycles for r in results), sum(r.steps for r in results)
    return Comparison(
        measure=measure,
        score=score,
        golden_score=golden_score,
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


def _golden(
    model: GoldenModel, device: Device, x: NDArray[Any], count: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], int]]:
    network = device.network
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
