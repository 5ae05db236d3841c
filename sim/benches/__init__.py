"""Testbenches that cocotb runs inside a simulator; the tests in `sim/` start them.

These modules are imported by the simulator's Python. What a bench needs to know comes as JSON
(`data`), so that a case can be run again by hand.
"""

import json
import os
from pathlib import Path
from typing import Any

#: Clock period in nanoseconds: 48 MHz is 20.83; the logic does not know.
PERIOD_NS = 20


def data() -> dict[str, Any]:
    """Return what the test that started this simulation passed."""
    loaded: dict[str, Any] = json.loads(Path(os.environ["ADDGATE_BENCH"]).read_text())
    return loaded
