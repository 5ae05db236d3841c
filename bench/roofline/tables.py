"""Ceilings and engines as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.document import prose
from bench.roofline.ceilings import Ceiling
from bench.roofline.measured import Engine
from bench.roofline.points import PACKED, TWO_BITS, Point

__all__ = ["markdown"]


def markdown(
    limits: Sequence[Ceiling],
    multipliers: Ceiling,
    points: Sequence[Point],
    engine: Engine,
    source: str,
) -> str:
    """Return both tables, and what the figures are.

    Parameters
    ----------
    limits : sequence of Ceiling
        Of ternary additions.
    multipliers : Ceiling
        Of multiply-accumulates.
    points : sequence of Point
    engine : Engine
        Whose clock the ceilings have.
    source : str
        The file that the measured figures are from.
    """
    return "\n\n".join(
        (
            prose(
                f"Clocks, logic cells and cycles of the engines: from `{source}`, as the hardware "
                "bench measured and simulated them. Ceilings: derived, at the "
                f"{engine.clock_mhz:.1f} MHz of {engine.name}."
            ),
            _ceilings(limits, points, engine),
            prose(
                "Each beside the ceilings at its own clock; M/s are millions of ternary additions "
                "or, for the peers, of multiply-accumulates a second (derived):"
            ),
            _engines(limits, multipliers, points),
        )
    )


def _ceilings(limits: Sequence[Ceiling], points: Sequence[Point], engine: Engine) -> str:
    name = engine.name
    peak = next(p for p in points if p.kind == "peak" and p.name == name)
    used = next(p for p in points if p.kind == "used" and p.name == f"{name}, digits by rows")
    lines = [
        "| ceiling | how | weights | additions a cycle | M additions/s "
        "| engine's peak | engine on the digits by rows |",
        "|---|---|---|---|---|---|---|",
    ]
    for limit in limits:
        codes = ((TWO_BITS, "2 bits"), (PACKED, "5 in a byte")) if limit.bits else ((TWO_BITS, ""),)
        for intensity, weights in codes:
            a_cycle = limit.operations(intensity)
            a_second = a_cycle * engine.clock_mhz * 1e6
            lines.append(
                f"| {limit.name} | {limit.why} | {weights} | {a_cycle:g} | {a_second / 1e6:.0f} "
                f"| {_part(peak, limit, intensity)} | {_part(used, limit, intensity)} |"
            )
    return "\n".join(lines)


def _engines(limits: Sequence[Ceiling], multipliers: Ceiling, points: Sequence[Point]) -> str:
    lines = [
        "| engine | | for each weight bit | M/s | lowest ceiling | of it |",
        "|---|---|---|---|---|---|",
    ]
    for point in points:
        lowest = point.lowest(limits, multipliers)
        unit = "additions" if point.additions else "multiply-accumulates"
        lines.append(
            f"| {point.name} | {point.kind} | {point.intensity:g} {unit} "
            f"| {point.a_second / 1e6:.0f} | {lowest.name} "
            f"| {_part(point, lowest, point.intensity)} |"
        )
    return "\n".join(lines)


def _part(point: Point, limit: Ceiling, intensity: float) -> str:
    """Return what an engine is of a ceiling, were its weights packed to that intensity."""
    if not point.under(limit) or not limit.a_cycle:
        return ""
    return f"{100 * replace(point, intensity=intensity).share(limit):.0f} %"
