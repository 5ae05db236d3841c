"""Situations that show in an engine's answers; the player tells of each that it compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sim.coverage.bins import CARRIES

_HALF = 16


def scores_seen(hits: Counter[str], mode: str, scores: Sequence[int], label: int) -> None:
    """Count what scores and their label show.

    Parameters
    ----------
    hits : Counter
        Gets the bins.
    mode : str
        "last", "sum" or "every".
    scores : sequence of int
        As the engine gave them.
    label : int
    """
    best = max(scores)
    rest = sorted(scores)[:-1]
    tied = [row for row, score in enumerate(scores) if score == best]
    seen = {
        "label first": len(scores) > 1 and label == 0 and len(tied) == 1,
        "label last": len(scores) > 1 and label == len(scores) - 1,
        "tie in a pair": len(tied) > 1 and tied[0] % 2 == 0 and tied[1] == tied[0] + 1,
        "tie across pairs": len(tied) > 1 and tied[1] // 2 > tied[0] // 2,
        "tie in mode sum": len(tied) > 1 and mode == "sum",
        "decided by the low half": bool(rest)
        and len(tied) == 1
        and rest[-1] >> _HALF == best >> _HALF,
        "all scores negative": best < 0,
        "score above 2^15": best >= 1 << _HALF - 1,
        "score below -2^15": min(scores) < -(1 << _HALF - 1),
        "sum above 2^30": mode == "sum" and best > 1 << 30,
        "sum below -2^30": mode == "sum" and min(scores) < -(1 << 30),
    }
    hits.update(f"answer: {name}" for name, was in seen.items() if was)


def counters_seen(hits: Counter[str], before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """Count what the counters show, before and after a command."""
    for name in CARRIES:
        if after[name] >> _HALF != before[name] >> _HALF:
            hits[f"counter: {name} carry"] += 1
