"""A step of given sizes and events, and its cycles: what the lanes do, and the rest.

Cycles are those of `host.cycles`, which equal the RTL's, and so is what the lanes do in them; the
device's own counters tell them apart in the same way. What is left as "rest" is what pipelines,
records and comparisons of inputs cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.growth.network import network_with_events
from host.cycles import CycleModel
from models.layout import ceil_div

__all__ = ["GRU_MULTIPLIERS", "TAGS", "Cost", "Events", "Point", "cost", "draw", "gru_cycles"]

#: Of a conventional GRU on this chip: as many as there are DSP blocks, and as many 8-bit weights as
#: the single-port RAMs give in a cycle.
GRU_MULTIPLIERS = 8

TAGS = {
    "events": "derived (drawn at random at the given rate)",
    "cycles": "derived (cycle model, equal to the RTL)",
    "least": "derived (cycle model, equal to the RTL; of the draws)",
    "most": "derived (cycle model, equal to the RTL; of the draws)",
    "adding": "derived (cycle model, equal to the RTL: the lanes add events)",
    "reading": "derived (cycle model, equal to the RTL: a pass reads the lanes)",
    "rest": "derived (cycles less adding and reading)",
    "busy": "derived (adding and reading as a part of the cycles)",
    "dense_gru": f"derived (multiply-accumulates / {GRU_MULTIPLIERS})",
}


@dataclass(frozen=True)
class Point:
    """A step's sizes and how much of them moves.

    Attributes
    ----------
    hidden : int
        H of each layer.
    inputs : int
        I.
    rate : float
        Share of the inputs, and of the units of each layer that moves, that change; 0 to 1. Where
        it is not 0, one at least.
    layers : int
        One to four.
    moving : int
        How many of the layers move, the lowest ones; the units of the others hold.
    """

    hidden: int
    inputs: int
    rate: float
    layers: int = 1
    moving: int = 1

    @property
    def units(self) -> tuple[int, ...]:
        """H by layer."""
        return (self.hidden,) * self.layers


@dataclass(frozen=True)
class Events:
    """What changes in a step: which inputs, and by layer which units."""

    inputs: tuple[bool, ...]
    units: tuple[tuple[bool, ...], ...]

    @property
    def count(self) -> int:
        """Units that change."""
        return sum(map(sum, self.units))


@dataclass(frozen=True)
class Cost:
    """Cycles of a step without an answer, its events the same in the step before.

    Attributes
    ----------
    cycles : int
        All of them.
    adding : int
        In which the lanes add events.
    reading : int
        In which they are read for a pass.
    """

    cycles: int
    adding: int
    reading: int

    @property
    def rest(self) -> int:
        """Cycles in which the lanes do neither."""
        return self.cycles - self.adding - self.reading


def draw(point: Point, seed: int, number: int) -> Events:
    """Draw which inputs and units change, all subsets of the right size alike.

    A layer's units depend on its sizes, seed and number alone, so that points which differ in what
    is above it differ in nothing else.
    """

    def some(source: int, size: int, rate: float) -> tuple[bool, ...]:
        generator = np.random.default_rng((seed, number, source))
        chosen = np.zeros(size, bool)
        count = max(1, round(rate * size)) if rate else 0
        chosen[generator.permutation(size)[:count]] = True
        return tuple(chosen.tolist())

    rates = [point.rate if layer < point.moving else 0.0 for layer in range(point.layers)]
    return Events(
        some(0, point.inputs, point.rate),
        tuple(some(layer, point.hidden, rate) for layer, rate in enumerate(rates, 1)),
    )


def cost(point: Point, events: Events, lanes: int) -> Cost:
    """Return what a step costs on an engine with `lanes` lanes.

    Raises
    ------
    models.layout.ImageError
        If there is no such engine.
    """
    model = CycleModel(network_with_events(events.inputs, events.units), lanes)
    model.step(events.inputs, events.units, due=False)  # after a reset no pass is skipped
    adding, reading = model.adding, model.reading
    cycles = model.step(events.inputs, events.units, due=False)
    return Cost(cycles, model.adding - adding, model.reading - reading)


def gru_cycles(point: Point) -> int:
    """Return the cycles of a conventional GRU's products at the same sizes, and nothing else."""
    below = (point.inputs, *point.units)
    products = sum(3 * h * (i + h) for i, h in zip(below, point.units, strict=False))
    return ceil_div(products, GRU_MULTIPLIERS)
