"""What the benches' command lines share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from hdl.build import BuildError
from hdl.report import ReportError
from hdl.toolchain import ToolError
from models.writing import check_folder

__all__ = ["bench_parser", "count", "guarded"]


def count(text: str) -> int:
    """Argument type: a number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, not {text!r}")
    return value


def bench_parser(
    module: str, description: str | None, examples: str | None = None
) -> argparse.ArgumentParser:
    """Return the parser of ``python -m bench.<module>``, with ``--output`` in ``build/bench/``."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{module}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Path("build/bench") / f"{module.replace('.', '_')}.json"
    parser.add_argument(
        "--output", type=Path, default=default, metavar="FILE", help=f"figures as JSON ({default})"
    )
    return parser


def guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a bench: the output's folder is tried first, and what goes wrong is said in a line."""
    try:
        check_folder(options.output.parent)
        return run(options)
    except (BuildError, ReportError, ToolError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
