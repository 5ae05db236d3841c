"""What a build reached: the tools' own reports read, judged, and written as JSON and a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.writing import write_whole

#: Cells that multiply or divide, as the RTL has them before any is lowered. `$macc` counts as
#: well: Amaranth never writes one, so one that is there came from products.
MULTIPLIERS_BEFORE = frozenset(
    {"$mul", "$div", "$mod", "$divfloor", "$modfloor", "$pow", "$macc", "$macc_v2", "SB_MAC16"}
)

#: What they become when they are mapped to a primitive.
MULTIPLIERS_AFTER = frozenset({"SB_MAC16"})

#: nextpnr's names of what is counted, by the report's.
_RESOURCES = {
    "logic_cells": "ICESTORM_LC",
    "ebr": "ICESTORM_RAM",
    "spram": "ICESTORM_SPRAM",
    "dsp": "ICESTORM_DSP",
}


class ReportError(RuntimeError):
    """A report of a tool that does not say what it should."""


@dataclass(frozen=True)
class Usage:
    """What the tools report of one design.

    Attributes
    ----------
    used, available : dict
        Count by ``logic_cells``, ``ebr``, ``spram`` and ``dsp``.
    multipliers_before, multipliers_after : int
        Multiplier cells in the RTL, and after technology mapping.
    clock_mhz : float
        The slowest clock's reachable frequency.
    constraint_mhz : float
        What nextpnr was asked for on that clock.
    """

    used: dict[str, int]
    available: dict[str, int]
    multipliers_before: int
    multipliers_after: int
    clock_mhz: float
    constraint_mhz: float


def count_cells(stat: Mapping[str, Any], types: frozenset[str]) -> int:
    """Count cells of some types in the whole design, from Yosys's ``stat -json``.

    Amaranth writes a module for each instance, so the sum over modules is the design's.
    """
    try:
        modules = stat["modules"].values()
        return sum(
            int(count)
            for module in modules
            for cell, count in module["num_cells_by_type"].items()
            if cell.lstrip("\\") in types
        )
    except (KeyError, AttributeError, TypeError) as error:
        raise ReportError(f"Yosys's cell statistics have no count by type: {error!r}") from error


def read_usage(rtl_stat: Path, mapped_stat: Path, nextpnr_report: Path) -> Usage:
    """Read the tools' reports.

    Parameters
    ----------
    rtl_stat, mapped_stat : Path
        Yosys's ``stat -json`` right after reading the RTL, and after synthesis.
    nextpnr_report : Path
        What nextpnr wrote for ``--report``.

    Raises
    ------
    ReportError
        If one is missing or lacks an entry.
    """
    placed = _json(nextpnr_report)
    used, available = {}, {}
    for name, cell in _RESOURCES.items():
        entry = placed.get("utilization", {}).get(cell)
        if entry is None:
            # Devices without such a block have no entry for it.
            entry = {"used": 0, "available": 0}
        used[name], available[name] = int(entry["used"]), int(entry["available"])
    if not available["logic_cells"]:
        raise ReportError(f"{nextpnr_report.name} does not tell the logic cells")
    clocks = placed.get("fmax", {})
    if not clocks:
        raise ReportError(f"{nextpnr_report.name} tells no clock: nothing was timed")
    slowest = min(clocks.values(), key=lambda clock: float(clock["achieved"]))
    return Usage(
        used=used,
        available=available,
        multipliers_before=count_cells(_json(rtl_stat), MULTIPLIERS_BEFORE),
        multipliers_after=count_cells(_json(mapped_stat), MULTIPLIERS_AFTER),
        clock_mhz=round(float(slowest["achieved"]), 2),
        constraint_mhz=float(slowest["constraint"]),
    )


def judge(usage: Usage, target_mhz: float) -> list[str]:
    """Return why a build must fail; nothing where it is good."""
    reasons = []
    if usage.clock_mhz < target_mhz:
        reasons.append(f"clock missed: {usage.clock_mhz:g} MHz reached, {target_mhz:g} MHz wanted")
    if usage.constraint_mhz < target_mhz - 0.01:
        # Then placement did not try for the target, and the figure says little.
        reasons.append(
            f"the clock was constrained to {usage.constraint_mhz:g} MHz, not {target_mhz:g} MHz"
        )
    if usage.used["dsp"]:
        reasons.append(f"{usage.used['dsp']} DSP blocks are used; none may be")
    if usage.multipliers_before:
        reasons.append(
            f"{usage.multipliers_before} multiplier or divider cells in the RTL before mapping; "
            "none may be there (a constant times an index counts: use a shift or a counter)"
        )
    if usage.multipliers_after:
        reasons.append(f"{usage.multipliers_after} multiplier cells after mapping; none may be")
    for name, count in usage.used.items():
        if count > usage.available[name]:
            reasons.append(f"{name}: {count} used, {usage.available[name]} available")
    return reasons


def usage_entries(usage: Usage) -> dict[str, Any]:
    """Return the part of `report.json` that comes from the tools."""
    return {
        **usage.used,
        "available": dict(usage.available),
        "multiplier_cells": usage.multipliers_before + usage.multipliers_after,
        "multiplier_cells_before_mapping": usage.multipliers_before,
        "multiplier_cells_after_mapping": usage.multipliers_after,
        "clock_mhz": usage.clock_mhz,
    }


def table(report: Mapping[str, Any]) -> str:
    """Return a report as lines for people."""
    store = report["store"]
    held = f", holds {store['network']!r}" if store["preloaded"] else ", empty at power-up"
    rows = [
        ("board", f"{report['board']} ({report['device']})"),
        ("engine", f"{report['lanes']} lanes, weights in {report['weights']}"),
        ("weight store", f"{store['network_words']} of {store['words']} words used{held}"),
    ]
    for name, label in (
        ("logic_cells", "logic cells"),
        ("ebr", "EBR"),
        ("spram", "SPRAM"),
        ("dsp", "DSP"),
    ):
        if name in report:
            rows.append((label, f"{report[name]} of {report['available'][name]}"))
    if "multiplier_cells" in report:
        before = report["multiplier_cells_before_mapping"]
        after = report["multiplier_cells_after_mapping"]
        rows.append(("multiplier cells", f"{before} before mapping, {after} after"))
        wanted = report["target_mhz"]
        rows.append(("clock", f"{report['clock_mhz']:g} MHz reached, {wanted:g} MHz wanted"))
    rows.append(("time", f"{report['seconds']:.1f} s"))
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"  {label:<{width}}  {value}" for label, value in rows)


def write_json(data: Mapping[str, Any], path: Path) -> None:
    """Write JSON for people and programs: indented, keys in the given order."""
    write_whole(path, json.dumps(data, indent=2) + "\n")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path.name}: {error}") from error
    if not isinstance(data, dict):
        raise ReportError(f"{path.name} must hold an object, not {type(data).__name__}")
    return data
