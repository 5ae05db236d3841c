"""The sweeps as PNGs: against H, against the event rate, against layers.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart; lines
differ in their marks as well, areas in how light they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.growth.point import GRU_MULTIPLIERS, gru_cycles
from bench.growth.sweeps import Row
from models.pictures import new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["pictures"]

_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
_BLUE, _VERMILION, _PURPLE, _GREY = "#0072B2", "#D55E00", "#CC79A7", "#BBBBBB"
_LINES = (_BLUE, _GREEN, _ORANGE, _VERMILION, _PURPLE, _SKY)
_MARKS = "os^Dvp"

_PARTS = ("adding events", "reading passes", "the rest")
_SHADES = (_BLUE, _ORANGE, _GREY)
_GRU = f"dense GRU, {GRU_MULTIPLIERS} multipliers"
_CYCLES = "cycles a step"


def pictures(sweeps: dict[str, list[Row]]) -> dict[str, bytes]:
    """Return PNGs by file name.

    Parameters
    ----------
    sweeps : dict
        Rows by "units", "events" and "layers".
    """
    return {
        "growth-units.png": _units(sweeps["units"]),
        "growth-events.png": _events(sweeps["events"]),
        "growth-layers.png": _layers(sweeps["layers"]),
    }


def _percent(rate: float) -> str:
    return f"{100 * rate:g} %"


def _units(rows: Sequence[Row]) -> bytes:
    """All cycles against H above; below, what they are spent on."""
    rates = sorted({row.point.rate for row in rows})
    hidden = sorted({row.point.hidden for row in rows})
    figure = new_figure(7)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 2))[:, 0]
    axes = upper.subplots()
    gru = [gru_cycles(next(r.point for r in rows if r.point.hidden == h)) for h in hidden]
    axes.plot(hidden, gru, color=_BLACK, linestyle="--", label=_GRU)
    by_rate = {rate: [row for row in rows if row.point.rate == rate] for rate in rates}
    for number, rate in reversed(list(enumerate(rates))):
        axes.plot(
            [row.point.hidden for row in by_rate[rate]],
            [row.cycles for row in by_rate[rate]],
            color=_LINES[number % len(_LINES)],
            marker=_MARKS[number % len(_MARKS)],
            label=f"{_percent(rate)} of inputs and units change",
        )
    _hidden_axis(axes, hidden)
    axes.set_yscale("log")
    axes.set_ylabel(_CYCLES)
    axes.set_xlabel("hidden units H")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    for panel, rate in zip(
        lower.subplots(1, len(rates), sharey=True, squeeze=False)[0], rates, strict=True
    ):
        own = by_rate[rate]
        shares = [
            [100 * part / row.cycles for part in row.parts] for row in own
        ]  # by row, then by part
        panel.stackplot(
            [row.point.hidden for row in own],
            *zip(*shares, strict=True),
            colors=_SHADES,
            labels=_PARTS,
        )
        _hidden_axis(panel, [h for h in hidden if h & (h - 1) == 0])
        panel.set_xlim(hidden[0], hidden[-1])
        panel.set_ylim(0, 100)
        panel.set_title(f"{_percent(rate)} change", fontsize="small")
        panel.set_xlabel("H")
    lower.axes[0].set_ylabel("share of cycles, %")
    lower.legend(*lower.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return png(figure)


def _hidden_axis(axes: Axes, hidden: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(hidden, [str(h) for h in hidden])
    axes.tick_params(axis="x", which="minor", bottom=False)
    axes.tick_params(axis="x", labelsize="small")


def _events(rows: Sequence[Row]) -> bytes:
    """Cycles against the event rate, a panel for each H."""
    sizes = sorted({row.point.hidden for row in rows})
    figure = new_figure(3.6)
    panels = figure.subplots(1, len(sizes), squeeze=False)[0]
    for panel, hidden in zip(panels, sizes, strict=True):
        own = sorted(
            (row for row in rows if row.point.hidden == hidden), key=lambda row: row.point.rate
        )
        panel.stackplot(
            [100 * row.point.rate for row in own],
            *zip(*(row.parts for row in own), strict=True),
            colors=_SHADES,
            labels=_PARTS,
        )
        panel.set_xlim(0, 100)
        panel.set_ylim(bottom=0)
        panel.set_title(f"H = {hidden} (GRU: {gru_cycles(own[0].point)})", fontsize="small")
    panels[len(panels) // 2].set_xlabel("inputs and units that change, %")
    panels[0].set_ylabel(_CYCLES)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3)
    figure.suptitle(f"GRU: dense, {GRU_MULTIPLIERS} multipliers, same sizes", fontsize="small")
    return png(figure)


def _layers(rows: Sequence[Row]) -> bytes:
    """Cycles against layers, a panel for each answer to "which layers change"."""
    rate = next(row.point.rate for row in rows if row.point.rate)
    point = rows[0].point
    titles = (
        (f"{_percent(rate)} change in each layer", lambda p: p.moving == p.layers),
        ("in the lowest layer only", lambda p: p.moving == 1),
        ("nothing changes", lambda p: p.moving == 0),
    )
    figure = new_figure(3.8)
    panels = figure.subplots(1, len(titles), sharey=True)
    for panel, (title, belongs) in zip(panels, titles, strict=True):
        own = [row for row in rows if belongs(row.point)]
        layers = [row.point.layers for row in own]
        base = [0.0] * len(own)
        for number, name in enumerate(_PARTS):
            heights = [row.parts[number] for row in own]
            panel.bar(layers, heights, bottom=base, color=_SHADES[number], label=name)
            base = [below + height for below, height in zip(base, heights, strict=True)]
        for x, top in zip(layers, base, strict=True):
            panel.annotate(f"{top:.0f}", (x, top), ha="center", va="bottom", fontsize="small")
        # One number a place, so the three panels line up.
        panel.set_xticks(sorted({row.point.layers for row in rows}))
        panel.set_title(title, fontsize="small")
        panel.set_xlabel("layers")
        panel.margins(y=0.1)
    panels[0].set_ylabel(_CYCLES)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    dense = ", ".join(
        str(gru_cycles(row.point)) for row in rows if row.point.moving == row.point.layers
    )
    figure.suptitle(
        f"H = {point.hidden} in each layer; dense GRU, {GRU_MULTIPLIERS} multipliers: {dense}",
        fontsize="small",
    )
    return png(figure)
