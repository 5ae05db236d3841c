"""The sweeps as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.document import prose
from bench.growth.point import GRU_MULTIPLIERS, gru_cycles
from bench.growth.sweeps import Row

__all__ = ["markdown"]

_SPLIT = "adding + reading + rest"


def markdown(sweeps: dict[str, list[Row]], lanes: int, draws: int) -> str:
    """Return a table for each sweep, and what the figures are.

    Parameters
    ----------
    sweeps : dict
        Rows by "units", "events" and "layers".
    lanes, draws : int
        What they were made with.
    """
    inputs = sweeps["units"][0].point.inputs
    rate = next(row.point.rate for row in sweeps["layers"] if row.point.rate)
    what = (
        f"Derived (cycle model, equal to the RTL): cycles of a step without an answer, {lanes} "
        f"lanes, I = {inputs}, mean of {draws} draws of which inputs and units change; in "
        f"brackets {_SPLIT}. Dense GRU: its multiply-accumulates / {GRU_MULTIPLIERS}."
    )
    hidden = sweeps["layers"][0].point.hidden
    return "\n\n".join(
        (
            prose(what),
            "One layer, by the share of inputs and units that change:",
            _units(sweeps["units"]),
            "The same, finer:",
            _events(sweeps["events"]),
            prose(
                f"Layers of {hidden}, {_percent(rate)} of inputs and units change in each layer, "
                "in the lowest only (the second layer's pass still runs, those above are "
                "skipped), or nothing does:"
            ),
            _layers(sweeps["layers"]),
        )
    )


def _units(rows: Sequence[Row]) -> str:
    rates = sorted({row.point.rate for row in rows})
    lines = _head("H", *map(_percent, rates), "dense GRU")
    for hidden in sorted({row.point.hidden for row in rows}):
        own = [row for row in rows if row.point.hidden == hidden]
        cells = [_split(row) for row in sorted(own, key=lambda row: row.point.rate)]
        lines.append(_line(hidden, *cells, gru_cycles(own[0].point)))
    return "\n".join(lines)


def _events(rows: Sequence[Row]) -> str:
    sizes = sorted({row.point.hidden for row in rows})
    lines = _head("changes", *(f"H = {hidden}" for hidden in sizes))
    for rate in sorted({row.point.rate for row in rows}):
        own = {row.point.hidden: row for row in rows if row.point.rate == rate}
        lines.append(_line(_percent(rate), *(f"{own[hidden].cycles:.0f}" for hidden in sizes)))
    return "\n".join(lines)


def _layers(rows: Sequence[Row]) -> str:
    lines = _head("layers", "all change", "the lowest changes", "nothing changes", "dense GRU")
    for layers in sorted({row.point.layers for row in rows}):
        own = {row.point.moving: row for row in rows if row.point.layers == layers}
        gru = gru_cycles(own[0].point)
        lines.append(_line(layers, *(_split(own[moving]) for moving in (layers, 1, 0)), gru))
    return "\n".join(lines)


def _head(*titles: str) -> list[str]:
    return [_line(*titles), "|---" * len(titles) + "|"]


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _split(row: Row) -> str:
    parts = " + ".join(f"{part:.0f}" for part in row.parts)
    return f"{row.cycles:.0f} ({parts})"


def _percent(rate: float) -> str:
    return f"{100 * rate:g} %"
