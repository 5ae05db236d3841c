"""Where the data are that the product does not come with; tests that want them skip without."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FSDD = SHARED / "fsdd" / "recordings"
TINY_SHAKESPEARE = SHARED / "tinyshakespeare" / "input.txt"

#: By task: what `--data` is.
_OF_TASK = {
    "spoken-digits": FSDD,
    "spoken-digits-stream": FSDD,
    "text": TINY_SHAKESPEARE,
}


def data_of(task: str) -> Path | None:
    """The data of a task, None where it needs none; skips the test where they are not there."""
    path = _OF_TASK.get(task)
    if path is not None and not path.exists():
        pytest.skip(f"the data of {task} are not at {path}")
    return path
