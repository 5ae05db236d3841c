"""What a bench measured when somebody last meant it, `baseline.json`, and how far it may drift.

A bench that keeps figures here has a section of the file, figures by name: ``logic_cells``,
``clock_mhz`` (the median of the seeds), ``seeds`` and, where it counts them, ``cycles`` a step.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record import write

__all__ = ["BASELINE", "Bounds", "Figures", "add_options", "drift", "read", "settle", "update"]

BASELINE = Path(__file__).resolve().parent / "baseline.json"

Figures = dict[str, Any]


@dataclass(frozen=True)
class Bounds:
    """How far figures may be worse than the baseline's, as shares of 1.

    Attributes
    ----------
    logic_cells, cycles : float
        By how much they may grow.
    clock : float
        By how much it may fall.
    """

    logic_cells: float
    clock: float
    cycles: float = 0.0


def read(path: Path, section: str) -> dict[str, Figures]:
    """Return a section's figures by name.

    Raises
    ------
    ValueError
        If the file holds no such record; OSError if it cannot be read.
    """
    try:
        held: dict[str, Figures] = json.loads(path.read_text())[section]
        for figures in held.values():
            float(figures["logic_cells"]), float(figures["clock_mhz"])
            float(figures.get("cycles", 0))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected a record written by --update-baseline, found {error!r}"
        ) from error
    return held


def update(
    path: Path, section: str, tools: Mapping[str, str], found: Mapping[str, Figures]
) -> None:
    """Make figures the baseline of a section; the others stay as they are.

    Raises
    ------
    ValueError
        If there is a file that is no such record; OSError if it cannot be read or written.
    """
    try:
        record = json.loads(path.read_text()) if path.exists() else {}
        kept = {name: part for name, part in record.items() if name != "machine"}
        versions = {**kept.get("tools", {}), section: dict(tools)}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected a baseline to update, found {error!r}") from error
    write(path, {**kept, "tools": versions, section: dict(found)})


def drift(
    found: Mapping[str, Figures], baseline: Mapping[str, Figures], bounds: Bounds
) -> list[str]:
    """Say where measured figures are worse than the baseline's by more than they may."""
    worse = []
    for name, now in found.items():
        if name not in baseline:
            worse.append(f"{name}: the baseline has no figures for it")
            continue
        then = baseline[name]
        cells = int(then["logic_cells"] * (1 + bounds.logic_cells))
        if now["logic_cells"] > cells:
            worse.append(
                f"{name}: {now['logic_cells']} logic cells; the baseline's "
                f"{then['logic_cells']} and {bounds.logic_cells:.0%} more allow {cells}"
            )
        clock = then["clock_mhz"] * (1 - bounds.clock)
        if now["clock_mhz"] < clock:
            worse.append(
                f"{name}: {now['clock_mhz']:.2f} MHz; the baseline's "
                f"{then['clock_mhz']:.2f} MHz less {bounds.clock:.0%} ask for {clock:.2f} MHz"
            )
        if "cycles" in now:
            if "cycles" not in then:
                worse.append(f"{name}: the baseline has no cycles for it")
            elif now["cycles"] > (cycles := then["cycles"] * (1 + bounds.cycles)):
                worse.append(
                    f"{name}: {now['cycles']:.1f} cycles a step; the baseline's "
                    f"{then['cycles']:.1f} and {bounds.cycles:.0%} more allow {cycles:.1f}"
                )
    return worse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--check`` and ``--update-baseline``, which exclude each other, and ``--baseline``."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail if worse than the baseline")
    what.add_argument(
        "--update-baseline", action="store_true", help="make these figures the baseline"
    )
    parser.add_argument("--baseline", type=Path, default=BASELINE, help=argparse.SUPPRESS)


def settle(
    options: argparse.Namespace,
    section: str,
    tools: Mapping[str, str],
    found: Mapping[str, Figures],
    baseline: Mapping[str, Figures],
    bounds: Bounds,
) -> int:
    """Do what `add_options` asked for with a bench's figures.

    Parameters
    ----------
    options : Namespace
        ``check``, ``update_baseline`` and ``baseline``.
    section : str
        The bench's name.
    tools : mapping
        Versions, for the record.
    found, baseline : mapping
        Figures by name; the baseline's as `read` before the bench began.
    bounds : Bounds

    Returns
    -------
    int
        Exit status: 1 where figures are worse than they may be.
    """
    if options.update_baseline:
        update(options.baseline, section, tools, found)
        print(f"baseline written: {options.baseline}")
    worse = drift(found, baseline, bounds) if options.check else []
    for line in worse:
        print(f"error: {line}", file=sys.stderr)
    if worse:
        print(
            f"The {section} bench is worse than {options.baseline}. If that is meant: "
            f"python -m bench.{section} --update-baseline",
            file=sys.stderr,
        )
    return 1 if worse else 0
