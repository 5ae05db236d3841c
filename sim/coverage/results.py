"""Counts of coverage: one JSON file a case under `build/coverage`, merged for the report.

A file carries a digest of the gateware and of the table of bins: counts that were made with
others do not count any more.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from models.writing import write_whole
from sim.coverage.bins import UNREACHABLE, names
from sim.runner import cache_folder

_ROOT = Path(__file__).resolve().parents[2]


def folder() -> Path:
    """Return where the counts lie."""
    return cache_folder().parent / "coverage"


def digest() -> str:
    """Return a digest of what the counts depend on."""
    made = hashlib.sha256()
    for path in sorted([*(_ROOT / "hdl").rglob("*.py"), *(_ROOT / "sim/coverage").glob("*.py")]):
        made.update(path.read_bytes())
    return made.hexdigest()[:16]


def save(path: Path, hits: Mapping[str, int]) -> None:
    """Write the counts of one case, whole or not at all; an unknown bin is refused."""
    unknown = hits.keys() - set(names())
    if unknown:
        raise ValueError(f"there are no such bins: {sorted(unknown)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = {name: count for name, count in hits.items() if count}
    write_whole(path, json.dumps({"digest": digest(), "hits": seen}, indent=1))


def merge(where: Path) -> tuple[Counter[str], int, int]:
    """Add up the files in a folder.

    Returns
    -------
    hits : Counter
    used, outdated : int
        Files that counted, and files of other sources that did not.
    """
    hits: Counter[str] = Counter()
    used = outdated = 0
    current = digest()
    for path in sorted(where.glob("*.json")):
        found = json.loads(path.read_text())
        if found["digest"] == current:
            hits.update(found["hits"])
            used += 1
        else:
            outdated += 1
    return hits, used, outdated


def empty(hits: Mapping[str, int]) -> list[str]:
    """Return the bins that can be reached and were not."""
    return [name for name in names() if name not in UNREACHABLE and not hits.get(name)]


def impossible(hits: Mapping[str, int]) -> list[str]:
    """Return the bins that were reached though nothing should."""
    return [name for name in UNREACHABLE if hits.get(name)]
