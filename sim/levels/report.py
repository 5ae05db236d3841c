"""The table, and the same as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sim.levels.artefacts import Artefacts
from sim.levels.designs import Design
from sim.levels.traces import Tally

EQUAL, DIFFERENT, FAILED, SKIPPED = "equal", "different", "failed", "skipped"


@dataclass
class Row:
    """One level.

    Attributes
    ----------
    level, simulator : str
    status : str
        "equal", "different", "failed" (nothing to compare, and that is wrong) or "skipped".
    tally : Tally
    note : str
        Why it failed or was skipped, or where the waveform is.
    seconds : float
        Without what was built first.
    cycles, cycles_per_second : int or None
        Simulated clock cycles; none in software.
    """

    level: str
    simulator: str
    status: str = EQUAL
    tally: Tally = field(default_factory=Tally)
    note: str = ""
    seconds: float = 0.0
    cycles: int | None = None
    cycles_per_second: int | None = None


_HEAD = (
    "level", "simulator", "sequences", "steps", "logits", "states", "mismatches", "cycles/s",
    "seconds",
)  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]

    def text(line: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if column < 2 else "-" * (width - 1) + ":"
            for column, width in enumerate(widths)]  # fmt: skip
    return "\n".join([text(_HEAD), text(rule), *(text(line) for line in lines[1:])])


def _cells(row: Row) -> tuple[str, ...]:
    tally = row.tally
    if row.status == SKIPPED:
        return (row.level, "skipped", *("-" for _ in _HEAD[2:]))
    found = "failed" if row.status == FAILED else str(tally.mismatches)
    if row.level == "qat":
        found = "reference"
    speed = "-" if row.cycles_per_second is None else str(row.cycles_per_second)
    counts = (tally.sequences, tally.steps, tally.logits, tally.states)
    return (
        row.level, row.simulator, *map(str, counts), found, speed, f"{row.seconds:.1f}",
    )  # fmt: skip


def remarks(rows: Sequence[Row], build: Artefacts | None, designs: Sequence[Design]) -> str:
    """Return what stands below the table: what was simulated, and all that is not as built."""
    lines = []
    if build is not None:
        lines.append(f"bitstream   {build.bitstream}")
        lines.append(f"SHA-256     {build.report['bitstream_sha256']}")
    for design in designs:
        lines.append(f"{design.level:<11} {design.source}")
    if designs:
        lines += ["", "substituted primitives, everything else is as built:"]
        for design in designs:
            for item in design.substitutes:
                lines.append(f"  {design.level:<10} {item.instances} {item.primitive}: {item.by}")
            cells = ", ".join(f"{count} {name}" for name, count in design.library.items())
            if cells:
                lines.append(f"  {design.level:<10} {cells}: as in Yosys's cells_sim.v")
            if design.ties:
                lines.append(f"  {design.level:<10} as the chip has it: {design.ties}")
    for row in rows:
        if row.note:
            lines.append(f"\n{row.level} {row.status}: {row.note}")
    first = next((row.tally.first for row in rows if row.tally.first is not None), None)
    lines.append("")
    if first is not None:
        lines.append(f"FIRST MISMATCH  {first}")
    else:
        compared = [row for row in rows if row.status == EQUAL and row.level != "qat"]
        failed = [row.level for row in rows if row.status == FAILED]
        skipped = [row.level for row in rows if row.status == SKIPPED]
        lines.append(f"not one mismatch in {sum(r.tally.logits for r in compared)} logits and "
                     f"{sum(r.tally.states for r in compared)} states of {len(compared)} levels"
                     + f"; FAILED: {', '.join(failed)}" * bool(failed)
                     + f"; NOT RUN: {', '.join(skipped)}" * bool(skipped))  # fmt: skip
    return "\n".join(lines)


def as_data(
    facts: dict[str, Any], rows: Sequence[Row], build: Artefacts | None, designs: Sequence[Design]
) -> dict[str, Any]:
    """Return everything as data for JSON."""
    return {
        **facts,
        "bitstream_sha256": None if build is None else build.report["bitstream_sha256"],
        "build": None if build is None else build.report,
        "levels": [asdict(row) for row in rows],
        "designs": [
            {
                "level": design.level,
                "source": design.source,
                "library_cells": design.library,
                "ties": design.ties,
                "substituted": [asdict(item) for item in design.substitutes],
            }
            for design in designs
        ],
    }
