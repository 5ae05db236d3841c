"""`python -m sim.coverage`: the counts that the testbenches left, as a Markdown table.

Exit status 1 if a bin that can be reached is empty, or one that cannot be was reached.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from sim.coverage.bins import UNREACHABLE, meaning, names
from sim.coverage.results import empty, folder, impossible, merge


def report(hits: Mapping[str, int]) -> str:
    """Return the counts as Markdown."""
    lines = ["| bin | hits | what it means |", "|---|--:|---|"]
    for name in names():
        count = "unreachable" if name in UNREACHABLE else str(hits.get(name, 0))
        lines.append(f"| {name} | {count} | {meaning(name)} |")
    reachable = len(names()) - len(UNREACHABLE)
    missing = empty(hits)
    lines += ["", f"{reachable - len(missing)} of {reachable} bins that can be reached were hit."]
    if missing:
        lines += ["", "Empty:", "", *(f"- {name}: {meaning(name)}" for name in missing)]
    lines += ["", "Unreachable:", "", *(f"- {name}: {why}" for name, why in UNREACHABLE.items())]
    wrong = impossible(hits)
    if wrong:
        lines += ["", "Hit though said to be unreachable:", "", *(f"- {name}" for name in wrong)]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.coverage",
        description="Report the functional coverage that the testbenches have collected.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=folder(),
        help="where the counts lie (default: build/coverage)",
    )
    where = parser.parse_args(arguments).folder
    hits, used, outdated = merge(where)
    print(report(hits))
    print(f"\n{used} files in {where}; {outdated} more are of other sources and do not count.")
    if not used:
        print("error: nothing was collected: run pytest sim/ first", file=sys.stderr)
    return 1 if empty(hits) or impossible(hits) or not used else 0


if __name__ == "__main__":
    sys.exit(main())
