"""The roofline as a PNG: ceilings as lines, engines as marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from bench.roofline.ceilings import Ceiling
from bench.roofline.measured import Engine
from bench.roofline.points import BYTE, PACKED, TWO_BITS, Point
from models.pictures import new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["picture"]

# Of Okabe and Ito: told apart with any colour vision. Marks differ in shape as well.
_BLACK, _BLUE, _VERMILION, _GREEN, _ORANGE, _PURPLE, _SKY = (
    "#000000", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9",
)  # fmt: skip
_COLOURS = (_VERMILION, _BLUE, _GREEN, _ORANGE, _PURPLE, _SKY, _BLACK)
_MARKS, _CROSSES = "osD^vph*", "x+12"
_LEFT, _RIGHT = 0.08, 1.25
_LOWEST, _HIGHEST = 3e7, 2e10
#: How far to the right the names on the left reach, and where those along sloping lines begin.
_NAMES_END, _SLOPING_FROM = 0.32, 0.2
_WEIGHTS = ((BYTE, "8 bits"), (TWO_BITS, "2 bits"), (PACKED, "5 trits\na byte"))


def picture(
    limits: Sequence[Ceiling], multipliers: Ceiling, points: Sequence[Point], engine: Engine
) -> bytes:
    """Return a PNG.

    Parameters
    ----------
    limits : sequence of Ceiling
        Of ternary additions, drawn at the clock of `engine`.
    multipliers : Ceiling
        Of multiply-accumulates, drawn at the clock of the fastest peer.
    points : sequence of Point
    engine : Engine
    """
    shown = [point for point in points if "with link" not in point.name]
    figure = new_figure(6.4)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(_LEFT, _RIGHT)
    axes.set_ylim(_LOWEST, _HIGHEST)
    axes.set_xticks([x for x, _ in _WEIGHTS], [f"{x:g}\n{text}" for x, text in _WEIGHTS])
    axes.set_xticks([], minor=True)
    for x, _ in _WEIGHTS:
        axes.axvline(x, color="#CCCCCC", linewidth=0.8, zorder=0)
    axes.set_xlabel("operations for each weight bit read (additions; peers: multiply-accumulates)")
    axes.set_ylabel("operations a second")
    axes.set_title(f"iCE40UP5K, ceilings at {engine.clock_mhz:.1f} MHz", fontsize="medium")
    # Ours first, so that each kind of mark begins anew.
    for own in (True, False):
        for number, point in enumerate(p for p in shown if p.additions == own):
            _mark(axes, point, number)
    figure.legend(loc="outside lower center", fontsize="small", ncols=1)
    # The names that run along lines need to know how the axes will lie.
    figure.draw_without_rendering()
    sloping = [limit.operations(_NAMES_END) for limit in limits if limit.bits]
    for limit in limits:
        # On the left, unless a sloping line would run through the name.
        left = limit.a_cycle > max(sloping)
        _line(axes, limit, engine.clock_mhz * 1e6, "left" if left else "right")
    peers = [point for point in shown if not point.additions]
    if peers:
        fastest = max(point.clock_mhz for point in peers)
        height = multipliers.a_cycle * fastest * 1e6
        axes.plot((_LEFT, 0.16), (height, height), color=_BLACK, linestyle=":", linewidth=1)
        text = f"{multipliers.name}, {multipliers.why}\n(at the peer's {fastest:.1f} MHz)"
        axes.annotate(text, (0.164, height), va="top", fontsize="x-small")
    return png(figure)


def _mark(axes: Axes, point: Point, number: int) -> None:
    """Draw an engine: filled where it was measured, hollow where it could be, peers as crosses."""
    colour = _COLOURS[number % len(_COLOURS)]
    marks = _MARKS if point.additions else _CROSSES
    axes.plot(
        point.intensity,
        point.a_second,
        linestyle="none",
        marker=marks[number % len(marks)],
        markersize=9,
        markerfacecolor=colour if point.kind == "used" else "none",
        markeredgecolor=colour,
        markeredgewidth=1.8,
        zorder=3,
        label=f"{point.name}: {point.a_second / 1e6:.0f} M ({point.kind})",
    )


def _line(axes: Axes, limit: Ceiling, clock: float, side: Literal["left", "right"]) -> None:
    """Draw a ceiling and its name: above a level line, below a sloping one."""
    ends = [(x, limit.operations(x) * clock) for x in (_LEFT, _RIGHT)]
    if not limit.a_cycle:  # nothing is left of that resource
        return
    style = "-" if limit.bits else "--"
    axes.plot(*zip(*ends, strict=True), color=_BLACK, linestyle=style, linewidth=1)
    name = f"{limit.name}, {limit.a_cycle:g} {'bits' if limit.bits else 'additions'} a cycle"
    if limit.bits:
        (x0, y0), (x1, y1) = axes.transData.transform(ends)
        angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
        axes.annotate(
            name,
            (_SLOPING_FROM, limit.operations(_SLOPING_FROM) * clock),
            rotation=angle,
            rotation_mode="anchor",
            xytext=(0, -2),
            textcoords="offset points",
            va="top",
            fontsize="x-small",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
        )
    else:
        x = _LEFT * 1.04 if side == "left" else _RIGHT / 1.04
        axes.annotate(name, (x, ends[0][1]), ha=side, va="bottom", fontsize="x-small")
