"""The comparison as Markdown: a table a kind of data, ratios to this engine, goals, sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.hardware.goals import at_least, goals, ours
from bench.hardware.rows import DATA, Built, Data, NotBuilt, Row

__all__ = ["markdown", "table"]

_HEADINGS = (
    "engine", "logic cells", "EBR", "SPRAM", "DSP", "MHz by seed", "cycles a step",
    "time a step", "time / ours", "cells / ours", "used a second", "peak a second", "accuracy",
)  # fmt: skip

_SOURCES = """\
Measured (nextpnr): logic cells, memories, DSP, MHz. "a + b" logic cells: the engine (derived, the
build less b) and the shell of shift registers that stands for what would be around it, built
alone; ratios are without the shell. Cycles a step: the mean, a digit's reset and answer spread
over its steps, in brackets that of the digit that takes the most; how they were found is said
below. Derived: time a step, at the median clock; operations a second, used: ternary additions (all
weights of a step's events, zeros too) or multiply-accumulates (all weights); peak: lanes times
events a cycle. Ratios are rounded down. Accuracy: of the 450 test digits; none where weights are
random."""


def table(rows: Sequence[Row], data: Data) -> str:
    """Return the rows of one kind of data as a Markdown table.

    Parameters
    ----------
    rows : sequence of Row
        Others are left out.
    data : str
        A key of `DATA`.
    """
    lines = [f"| {' | '.join(_HEADINGS)} |", "|---" * len(_HEADINGS) + "|"]
    base = ours(rows, data)
    for row in rows:
        if row.data != data:
            continue
        if isinstance(row, NotBuilt):
            cells = [row.name, f"not built: {row.reason}", *[""] * (len(_HEADINGS) - 2)]
        else:
            cells = _cells(row, base)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown(rows: Sequence[Row], tools: Mapping[str, str]) -> str:
    """Return all tables, the goals, and where the figures are from.

    Parameters
    ----------
    rows : sequence of Row
    tools : mapping
        Version by name.
    """
    parts = []
    for data, title in DATA.items():
        parts.append(f"{title[0].upper()}{title[1:]}:\n\n{table(rows, data)}")
    parts.append("\n".join(goal.line() for goal in goals(rows)))
    tags = [f"- {row.key}: {row.cycles_tag}" for row in rows if isinstance(row, Built)]
    parts.append(_SOURCES + "\n\nCycles a step:\n\n" + "\n".join(tags))
    targets = sorted({(row.who, row.target_mhz) for row in rows if isinstance(row, Built)})
    parts.append(
        "Clock asked for: "
        + ", ".join(f"{who} {mhz:g} MHz" for who, mhz in targets)
        + ". Tools: "
        + ", ".join(f"{name} {version}" for name, version in tools.items())
        + "."
    )
    return "\n\n".join(parts) + "\n"


def _cells(row: Built, base: Built | None) -> list[str]:
    logic = f"{row.core_cells} + {row.shell_cells}" if row.shell_cells else f"{row.logic_cells}"
    worst = "" if row.cycles_worst is None else f" ({row.cycles_worst:.1f})"
    slower = larger = ""
    if base is not None:
        # Rounded against this engine.
        slower = at_least(row.step_us / base.step_us)
        larger = at_least(row.core_cells / base.core_cells)
    return [
        row.name,
        logic,
        f"{row.ebr}",
        f"{row.spram}",
        f"{row.dsp}",
        " / ".join(f"{clock:.1f}" for clock in row.clock_mhz),
        f"{row.cycles:.1f}{worst}",
        f"{row.step_us:.2f} µs",
        slower,
        larger,
        _millions(row.operations_a_second),
        "" if row.peak_a_second is None else _millions(row.peak_a_second),
        "" if row.accuracy is None else f"{100 * row.accuracy:.2f} %",
    ]


def _millions(count: float) -> str:
    return f"{count / 1e6:.1f} M"
