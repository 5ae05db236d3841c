"""Which points are looked at, each with several draws of the events."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.growth.network import emitted, inputs_with_events, network_with_events
from bench.growth.point import Cost, Events, Point, cost, draw, gru_cycles
from bench.hardware.steps import simulate
from hdl.core.parameters import SPRAM_WORDS, EngineParameters
from models.layout import check_capacity

__all__ = ["Row", "layer_points", "measure", "parameters_of", "play"]

#: Steps of the shorter of two sequences that the RTL plays: the first one follows a reset, and
#: the last one gives an answer.
_STEPS = 3


@dataclass(frozen=True)
class Row:
    """A point, and what its draws cost.

    Attributes
    ----------
    point : Point
    events : Events
        Of the first draw.
    costs : tuple of Cost
        By draw.
    """

    point: Point
    events: Events
    costs: tuple[Cost, ...]

    @property
    def cycles(self) -> float:
        """Mean of the draws."""
        return statistics.fmean(one.cycles for one in self.costs)

    @property
    def parts(self) -> tuple[float, float, float]:
        """Cycles of adding, of reading and the rest: means of the draws."""
        return (
            statistics.fmean(one.adding for one in self.costs),
            statistics.fmean(one.reading for one in self.costs),
            statistics.fmean(one.rest for one in self.costs),
        )

    def record(self) -> dict[str, Any]:
        """Return everything for JSON."""
        adding, reading, rest = self.parts
        return {
            **vars(self.point),
            "events": self.events.count,
            "cycles": self.cycles,
            "least": min(one.cycles for one in self.costs),
            "most": max(one.cycles for one in self.costs),
            "adding": adding,
            "reading": reading,
            "rest": rest,
            "busy": (adding + reading) / self.cycles,
            "dense_gru": gru_cycles(self.point),
        }


def parameters_of(lanes: int) -> EngineParameters:
    """Return the engine that is looked at: weights in single-port RAM, where the largest fit."""
    return EngineParameters(lanes=lanes, weights="spram", store_words=SPRAM_WORDS)


def measure(point: Point, lanes: int, draws: int, seed: int) -> Row:
    """Draw a point's events several times and count the cycles.

    Parameters
    ----------
    point : Point
    lanes : int
    draws, seed : int
        How many, and of what.

    Raises
    ------
    ValueError
        Saying what is short, if the network does not fit.
    """
    drawn = [draw(point, seed, number) for number in range(draws)]
    network = network_with_events(drawn[0].inputs, drawn[0].units)
    check_capacity(network, parameters_of(lanes).capacity)
    return Row(point, drawn[0], tuple(cost(point, events, lanes) for events in drawn))


def layer_points(hidden: int, inputs: int, rate: float, most: int) -> list[Point]:
    """Return stacks of 1 to `most` layers: all of them move, only the lowest does, none does."""
    points = []
    for layers in range(1, most + 1):
        points.append(Point(hidden, inputs, rate, layers, layers))
        if layers > 1:
            points.append(Point(hidden, inputs, rate, layers, 1))
        points.append(Point(hidden, inputs, 0.0, layers, 0))
    return points


def play(row: Row, lanes: int) -> int:
    """Play the first draw of a point on the RTL and return the cycles of a step there.

    Two sequences, of which one is a step longer, so that what belongs to neither reset nor answer
    is the difference. Each step is compared with golden model and cycle model as well.

    Raises
    ------
    ValueError
        If the RTL takes other cycles than the point, or the network has other events.
    hdl.toolchain.ToolError
        If the simulator is missing.
    """
    point, events = row.point, row.events
    network = network_with_events(events.inputs, events.units)
    taken: list[int] = []
    for steps in (_STEPS, _STEPS + 1):
        x = inputs_with_events(events.inputs, steps)
        wanted: Sequence[Sequence[bool]] = [list(layer) for layer in events.units]
        if any(found != wanted for found in emitted(network, x)):
            raise ValueError(f"{point}: the network does not emit the events that were drawn")
        case = f"growth-{point.hidden}-{point.layers}-{point.moving}-{steps}"
        taken += simulate(network, parameters_of(lanes), x[None], case)
    cycles = taken[1] - taken[0]
    if cycles != row.costs[0].cycles:
        raise ValueError(
            f"{point}: the RTL takes {cycles} cycles a step, the cycle model says "
            f"{row.costs[0].cycles}"
        )
    return cycles
