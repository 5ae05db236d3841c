"""Build a bitstream: ``python -m hdl.build --board icebreaker``.

Exit status 0: the bitstream is in the output folder. 1: the build failed or was judged bad,
and the message says why. 2: the command line could not be read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from hdl import flow
from hdl.boards import CONSTRAINTS, Board, BoardError, known_boards, load_board
from hdl.plan import STORE_NAMES, WEIGHT_CHOICES, Plan, PlanError, make_plan
from hdl.pll import ClockError, pll_settings
from hdl.report import ReportError, judge, table, usage_entries, write_json
from hdl.system import System
from hdl.toolchain import TOOLCHAINS, ToolError, find_toolchain
from hdl.top import Top
from models.file import load
from models.network import NetworkError
from models.word_format import PLAIN, WordFormat

ROOT = CONSTRAINTS.parent
DEFAULT_NETWORK = ROOT / "models" / "zoo" / "digits.safetensors"

# What becomes gates depends on these and on the network; the digest in the report is theirs.
_SOURCES = (
    "hdl/**/*.py",
    *(
        f"models/{name}.py"
        for name in ("image", "layout", "protocol", "spec", "trits", "word_format")
    ),
)

#: A route is a draw: one of six seeds misses a clock that the others reach (measured on the
#: shipped network, docs/decisions/0002-engine.md). More tries than these mean that
#: the clock is too high.
_MOST_SEEDS = 6

_EXAMPLES = """\
examples:
  python -m hdl.build --board icebreaker
      the shipped digits network, preloaded; results in build/icebreaker/
  python -m hdl.build --board icebreaker --network my.safetensors --output build/my
      your own network; the weight store that it fits is chosen
  python -m hdl.build --board icebreaker --network none --weights spram
      an engine without a network: it is loaded over the link
  python -m hdl.build --board icebreaker --plan
      print what would be built and whether the network fits, without building
"""


class BuildError(RuntimeError):
    """A build that ended without a bitstream to use; the message says why."""


def build(
    board: Board,
    plan: Plan,
    *,
    output: Path,
    clock_mhz: Fraction | None = None,
    toolchain: str = "yowasp",
    seed: int | None = None,
    progress: flow.Progress = print,
) -> dict[str, Any]:
    """Build one engine for one board.

    Parameters
    ----------
    board, plan
        What to build.
    output : Path
        Folder for the results; made if it is not there.
    clock_mhz : Fraction, optional
        Target clock; the board's default if not given.
    toolchain : str
        ``"yowasp"`` or ``"native"``.
    seed : int, optional
        nextpnr's seed; if not given, 1 and the next ones until the clock is reached.
    progress : callable
        Takes lines for the person who waits.

    Returns
    -------
    dict
        What `report.json` holds.

    Raises
    ------
    BuildError
        If `output` cannot be written, a tool fails, the clock is missed, or a DSP or multiplier
        is used. An earlier result in `output` is left alone; the logs are in
        ``output/failed``.
    OSError
        If the disk is full; an earlier result is left alone.
    ToolError
        If a tool is missing or too old.
    ClockError
        If the PLL cannot make the clock.
    """
    start = time.monotonic()
    target = board.clock.target_mhz if clock_mhz is None else clock_mhz
    pll = pll_settings(board.clock.input_mhz, target, board.pll)
    top = Top(board, pll, make_system(plan, board, target))
    try:
        flow.check_output(output, flow.products(board))
    except OSError as error:
        raise BuildError(
            f"the results cannot go to {output}: {error.filename}: {error.strerror}"
        ) from error
    progress("checking tools (the first use compiles them, about a minute) ...")
    tools = find_toolchain(toolchain)
    with flow.work_folder(output) as folder:
        run = flow.Flow(board, tools, float(target), 1 if seed is None else seed, folder, progress)
        report = _header(board, plan, float(target), toolchain, tools.versions(), run.seed)
        try:
            build_plan = run.prepare(top)
            usage = run.run(build_plan)
            for another in () if seed is not None else range(2, _MOST_SEEDS + 1):
                if usage.clock_mhz >= float(target):
                    break
                run.seed = another
                progress(f"  {usage.clock_mhz:.2f} MHz; trying nextpnr's seed {run.seed}")
                usage = run.run(build_plan, again=True)
            report["seed"] = run.seed
        except (ToolError, ReportError) as error:
            raise _failure(folder, output, str(error), "logs") from error
        reasons = judge(usage, float(target))
        report.update(usage_entries(usage))
        report.update(
            design_digest=flow.plan_digest(build_plan),
            bitstream=f"{board.name}.bin",
            bitstream_sha256=flow.file_digest(folder / "top.bin"),
            seconds=round(time.monotonic() - start, 1),
            stage_seconds=run.seconds,
            status="failed" if reasons else "ok",
            reasons=reasons,
        )
        write_json(report, folder / "report.json")
        if reasons:
            message = "the build is refused:\n  " + "\n  ".join(reasons)
            raise _failure(folder, output, message, "report and the logs")
        flow.publish(folder, flow.products(board), output)
        flow.forget_failure(output)
    return report


def _failure(folder: Path, output: Path, message: str, kept: str) -> BuildError:
    """Keep a failed build's files if that is possible, and return the error that says so."""
    try:
        where = f"The {kept} are in {flow.keep_failure(folder, output, message)}"
    except OSError as error:  # the first error is the one to tell, also on a full disk
        where = f"The {kept} could not be kept: {error}"
    return BuildError(f"{message}\n{where}")


def make_system(plan: Plan, board: Board, clock_mhz: Fraction) -> Any:
    """Return the system between the pins: link and engine.

    An engine that starts without a network takes one from the board's flash, if there is one.
    """
    starts_empty = plan.parameters.image is None
    offset = board.flash.network_offset if starts_empty and board.flash is not None else None
    try:
        return System(
            plan.parameters,
            clock_hz=int(clock_mhz * 1_000_000),
            baud=board.link.baud,
            flash_offset=offset,
        )
    except ValueError as error:  # such as a baud rate that cannot be made of this clock
        raise BuildError(str(error)) from error


def _header(
    board: Board, plan: Plan, target: float, toolchain: str, versions: dict[str, str], seed: int
) -> dict[str, Any]:
    parameters = plan.parameters
    return {
        "board": board.name,
        "device": f"{board.device}-{board.package}",
        "lanes": parameters.lanes,
        "events": parameters.events,
        "weights": parameters.weights,
        "store": {
            "memory": STORE_NAMES[parameters.weights],
            "words": parameters.store_words,
            "word_bits": parameters.word_bits,
            "packed": parameters.packed,
            "ternary_weights": parameters.ternary_weights,
            "reason": plan.reason,
            "network": plan.network,
            "network_words": plan.network_words,
            "preloaded": parameters.image is not None,
        },
        "flash": None if board.flash is None else asdict(board.flash),
        "baud": board.link.baud,
        "target_mhz": target,
        "seed": seed,
        "toolchain": toolchain,
        "tools": versions,
        "source_digest": flow.source_digest(ROOT, (*_SOURCES, f"constraints/{board.name}.yaml")),
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hdl.build",
        description="Build the bitstream of an engine, with a network in it where that fits.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--board", required=True, help=f"board to build for: {', '.join(known_boards())}"
    )
    parser.add_argument(
        "--network",
        default=str(DEFAULT_NETWORK),
        metavar="FILE",
        help="network file, or 'none' (default: the shipped digits network)",
    )
    parser.add_argument(
        "--lanes",
        type=int,
        metavar="P",
        help="lanes (default: the board's; with --packed, as many as its words then hold)",
    )
    parser.add_argument(
        "--weights",
        choices=WEIGHT_CHOICES,
        default="auto",
        help="weight store; auto: block RAM, preloaded, if the network fits it, else SPRAM",
    )
    parser.add_argument(
        "--packed",
        action="store_true",
        help="five weights in a byte instead of four: more lanes on the same memory",
    )
    parser.add_argument(
        "--events",
        type=int,
        choices=[1, 2],
        default=PLAIN.events,
        help="events that the engine takes in a cycle (default 2)",
    )
    parser.add_argument(
        "--clock", type=_mhz, metavar="MHz", help="clock of the engine (default: the board's)"
    )
    parser.add_argument(
        "--baud",
        type=int,
        metavar="N",
        help="baud rate of the link, such as 1000000 (default: the board's)",
    )
    parser.add_argument(
        "--toolchain",
        choices=TOOLCHAINS,
        default="yowasp",
        help="yowasp: the pinned tools (default); native: faster, from PATH",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help=f"nextpnr's seed (default: 1 to {_MOST_SEEDS}, until the clock is reached)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for results (default: build/BOARD)"
    )
    parser.add_argument(
        "--plan", action="store_true", help="print what would be built, without building"
    )
    return parser.parse_args(arguments)


def _mhz(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(f"expected a frequency in MHz, not {text!r}") from error
    if value <= 0:
        raise argparse.ArgumentTypeError(f"expected a frequency above 0 MHz, not {text!r}")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parse(arguments)

    def progress(line: str) -> None:
        print(line, flush=True)

    try:
        board = load_board(options.board)
        if options.baud is not None:
            board = replace(board, link=replace(board.link, baud=options.baud))
        network = None if options.network == "none" else load(options.network)
        word_format = WordFormat(options.events, options.packed)
        plan = make_plan(board, network, options.lanes, options.weights, word_format)
        if options.plan:
            print(plan.text())
            return 0
        output = options.output or Path("build") / board.name
        report = build(
            board,
            plan,
            output=output,
            clock_mhz=options.clock,
            toolchain=options.toolchain,
            seed=options.seed,
            progress=progress,
        )
    except (
        BoardError,
        BuildError,
        ClockError,
        NetworkError,
        OSError,
        PlanError,
        ToolError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\n{output / report['bitstream']}\n{table(report)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
