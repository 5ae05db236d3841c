"""Who stands where: operations for each weight bit read, and operations a second.

An operation is a ternary addition of this engine, or a multiply-accumulate of the others. They are
not worth the same; the peers are on the picture because they share the chip's memories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.roofline.ceilings import Ceiling
from bench.roofline.measured import Engine

__all__ = ["BYTE", "PACKED", "TWO_BITS", "Point", "as_built", "planned"]

#: Ternary additions for each bit: codes of two bits; five trits in a byte.
TWO_BITS, PACKED = 1 / 2, 5 / 8
#: Multiply-accumulates for each bit of 8-bit weights.
BYTE = 1 / 8

#: Lanes whose five-trit words are as wide as the single-port RAMs together:
#: 20 lanes x 2 events = 40 trits = 8 bytes = 64 bits.
_PACKED_LANES = 20


@dataclass(frozen=True)
class Point:
    """An engine on the picture.

    Attributes
    ----------
    name : str
    intensity : float
        Operations for each weight bit read.
    a_second : float
        Operations.
    clock_mhz : float
        Its own.
    additions : bool
        Ternary additions; else multiply-accumulates.
    kind : str
        "peak", "used" or "planned" (not built).
    tag : str
        Where the figure comes from.
    events : int
        Events a cycle; 0 for the peers.
    """

    name: str
    intensity: float
    a_second: float
    clock_mhz: float
    additions: bool
    kind: str
    tag: str
    events: int = 0

    def under(self, ceiling: Ceiling) -> bool:
        """Return whether a ceiling of the chip holds for it."""
        return ceiling.bits or (self.additions and ceiling.events in (0, self.events))

    def share(self, ceiling: Ceiling) -> float:
        """Return its part of a ceiling at its own clock, as a share of 1; nan where that is 0."""
        allowed = ceiling.operations(self.intensity) * self.clock_mhz * 1e6
        return self.a_second / allowed if allowed else float("nan")

    def lowest(self, limits: Sequence[Ceiling], multipliers: Ceiling) -> Ceiling:
        """Return the ceiling that it would meet first."""
        hold = [limit for limit in limits if self.under(limit)]
        if not self.additions:
            hold.append(multipliers)
        return min(hold, key=lambda limit: limit.operations(self.intensity))


def as_built(engines: Sequence[Engine]) -> list[Point]:
    """Return the points of what was built; of this engine its peak, once a clock, and its use."""
    points: list[Point] = []
    for engine in engines:
        ours = engine.who == "ours"
        if ours and engine.lanes:
            peak = engine.lanes * engine.events * engine.clock_mhz * 1e6
            point = _point(engine, engine.name, peak, "peak", "lanes x events a cycle x clock")
            if point not in points:
                points.append(point)
        name = f"{engine.name}, digits by {engine.data}" if ours else engine.name
        what = "operations a step / cycles a step x clock"
        points.append(_point(engine, name, engine.used_a_second, "used", what))
    return points


def _point(engine: Engine, name: str, a_second: float, kind: str, what: str) -> Point:
    ours = engine.who == "ours"
    tag = f"derived ({what}, clock measured)"
    intensity = (PACKED if engine.packed else TWO_BITS) if ours else BYTE
    return Point(name, intensity, a_second, engine.clock_mhz, ours, kind, tag, engine.events)


def planned(engine: Engine, engines: Sequence[Engine]) -> list[Point]:
    """Return what was not built, at the clock of an engine that was.

    Parameters
    ----------
    engine : Engine
        Whose clock, and whose lanes for one event a cycle.
    engines : sequence of Engine
        One event a cycle, and packed weights, are left out if they are among them.
    """
    tag = f"derived (not built; at the clock of {engine.name})"

    def point(name: str, lanes: int, events: int, intensity: float) -> Point:
        peak = lanes * events * engine.clock_mhz * 1e6
        return Point(name, intensity, peak, engine.clock_mhz, True, "planned", tag, events)

    points = []
    if not any(e.packed for e in engines):
        name = f"{_PACKED_LANES} lanes, 2 events, five trits a byte"
        points.append(point(name, _PACKED_LANES, 2, PACKED))
    if not any(e.lanes == engine.lanes and e.events == 1 for e in engines):
        points.append(point(f"{engine.lanes} lanes, 1 event a cycle", engine.lanes, 1, TWO_BITS))
    return points
