"""Writing what was measured, with what it was measured on."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

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
    """Figures and machine as JSON, to a temporary file first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps({"machine": machine(), **figures}, indent=2) + "\n")
    temporary.replace(path)
