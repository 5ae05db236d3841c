"""What the benches' command lines share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from hdl.build import BuildError
from hdl.report import ReportError
from hdl.toolchain import ToolError
from models.writing import check_output

__all__ = ["bench_parser", "count", "guarded", "seed_value"]

#: What PyTorch and NumPy both take.
_LARGEST_SEED = (1 << 64) - 1


def count(text: str) -> int:
    """Argument type: a number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, not {text!r}")
    return value


def seed_value(text: str) -> int:
    """Argument type: a seed of random numbers, 0 to 2**64 - 1."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= _LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"expected a seed from 0 to 2**64 - 1, not {text!r}")
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


def guarded(
    run: Callable[[argparse.Namespace], int],
    options: argparse.Namespace,
    check: Callable[[Path], None] = check_output,
) -> int:
    """Run a bench: the output's place is checked first, and what goes wrong is said in a line."""
    try:
        check(options.output)
        return run(options)
    except (
        BuildError,
        ReportError,
        ToolError,
        OSError,
        ValueError,
        FloatingPointError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
