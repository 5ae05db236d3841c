"""The engines that were built: read from what `bench.hardware` wrote, nothing is built here.

Either `build/bench/hardware.json`, which holds the last run, or `bench/baseline.json`, which holds
what was last meant. The baseline has no operations a step; they are counted here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.baseline import BASELINE
from bench.gru.build import DIGITS
from bench.hardware.ours import NETWORKS, VARIANTS
from bench.hardware.peers import GRU_NAMES, STEPS
from bench.hardware.rows import Data, Who
from bench.hardware.steps import count_additions
from models.file import load
from models.tasks import digits

__all__ = ["LAST_RUN", "Engine", "additions", "read", "reference", "where"]

LAST_RUN = Path("build/bench/hardware.json")

_HOW = "run `python -m bench.hardware` first"
_VARIANTS = {f"{variant.name}, {variant.data}": variant for variant in VARIANTS}


@dataclass(frozen=True)
class Engine:
    """What was measured of an engine on one kind of digits.

    Attributes
    ----------
    who, name, data
        As `bench.hardware.rows.Built`.
    clock_mhz : float
        The median of the seeds.
    cycles : float
        Of a step.
    operations : float
        Of a step: ternary additions (ours) or multiply-accumulates (the others).
    logic_cells : int
        Without the shell where `shell_known`, else with it.
    shell_known : bool
    lanes, events : int
        Lanes and events a cycle; 0 for the others' engines.
    link : bool
    packed : bool
        Its store holds five weights in a byte.
    """

    who: Who
    name: str
    data: Data
    clock_mhz: float
    cycles: float
    operations: float
    logic_cells: int
    shell_known: bool
    lanes: int = 0
    events: int = 0
    link: bool = False
    packed: bool = False

    @property
    def used_a_second(self) -> float:
        """Operations a second on these digits."""
        return self.operations / self.cycles * self.clock_mhz * 1e6


def where() -> Path:
    """Return the file to read: the last run's if there is one, else the baseline."""
    return LAST_RUN if LAST_RUN.exists() else BASELINE


def read(path: Path) -> list[Engine]:
    """Return the engines of a file that `bench.hardware` wrote.

    Parameters
    ----------
    path : Path
        Its output, or a baseline.

    Raises
    ------
    ValueError
        Naming the file, if it is neither; OSError if it cannot be read.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["hardware"]
        found = _of_baseline(rows) if isinstance(rows, dict) else _of_run(rows)
    except (ValueError, LookupError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(
            f"{path}: expected the figures of the hardware bench, found {error!r}; {_HOW}"
        ) from error
    return found


def _of_run(rows: Sequence[dict[str, Any]]) -> list[Engine]:
    engines = []
    for row in rows:
        if "reason" in row:  # not built
            continue
        variant = _VARIANTS.get(f"{row['name']}, {row['data']}")
        engines.append(
            Engine(
                who=row["who"],
                name=row["name"],
                data=row["data"],
                clock_mhz=float(row["median_mhz"]),
                cycles=float(row["cycles"]),
                operations=float(row["operations"]),
                logic_cells=int(row["core_cells"]),
                shell_known=True,
                lanes=variant.lanes if variant else 0,
                events=variant.events if variant else 0,
                link=bool(row["link"]),
                packed=bool(variant and variant.packed),
            )
        )
    return engines


def _of_baseline(held: dict[str, dict[str, Any]]) -> list[Engine]:
    engines = []
    for key, figures in held.items():
        variant = _VARIANTS.get(key)
        peer = next((name for name in GRU_NAMES.values() if key == f"{name}, rows"), None)
        if variant is None and peer is None:  # of another version of the bench
            continue
        measured: dict[str, Any] = {
            "clock_mhz": float(figures["clock_mhz"]),
            "cycles": float(figures["cycles"]),
            "logic_cells": int(figures["logic_cells"]),
        }
        if variant is not None:
            engine = Engine(
                who="ours",
                name=variant.name,
                data=variant.data,
                operations=additions(variant.data),
                shell_known=variant.link,  # no shell there
                lanes=variant.lanes,
                events=variant.events,
                link=variant.link,
                packed=variant.packed,
                **measured,
            )
        else:
            assert peer is not None
            engine = Engine(
                "gru", peer, "rows", operations=_products(), shell_known=False, **measured
            )
        engines.append(engine)
    return engines


def additions(data: Data) -> float:
    """Count the ternary additions of a step of the compared network, over the 450 test digits."""
    network = load(NETWORKS[data])
    x = network.quantize(digits.load(data).test.features)
    return count_additions(network, x) / (x.shape[0] * x.shape[1])


def _products() -> float:
    """Count the GRU's multiply-accumulates of a step; the readout's come in a digit's last."""
    return ((STEPS - 1) * DIGITS.products(due=False) + DIGITS.products(due=True)) / STEPS


def reference(engines: Sequence[Engine], path: Path) -> Engine:
    """Return the engine whose clock the ceilings have: ours without link, the fastest by rows.

    Packed weights have a point of their own.

    Raises
    ------
    ValueError
        Naming the file, if there is none.
    """
    own = [
        e
        for e in engines
        if e.who == "ours" and e.data == "rows" and e.lanes and not (e.link or e.packed)
    ]
    if not own:
        raise ValueError(
            f"{path}: expected figures of this engine without a link, digits by rows, found "
            f"{', '.join(engine.name for engine in engines) or 'none'}; {_HOW}"
        )
    return min(own, key=lambda engine: engine.cycles / engine.clock_mhz)
