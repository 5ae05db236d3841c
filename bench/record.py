"""Writing what was measured, with what it was measured on."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from models.writing import write_whole

__all__ = ["machine", "write"]


def machine() -> dict[str, Any]:
    """Processor, cores and Python."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {"processor": name, "cores": os.cpu_count(), "python": platform.python_version()}


def write(path: Path, figures: dict[str, Any]) -> None:
    """Figures and machine as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"machine": machine(), **figures}, indent=2) + "\n")
