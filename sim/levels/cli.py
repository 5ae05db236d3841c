"""The command line of `python -m sim.levels`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hdl.boards import BoardError, known_boards, load_board
from hdl.plan import WEIGHT_CHOICES, make_plan
from models.file import load
from models.network import Network, NetworkError
from models.tasks.data import TaskError
from models.writing import check_folder, write_whole
from sim.levels.artefacts import make_build, open_build
from sim.levels.report import as_data, remarks, table
from sim.levels.run import LEVELS, Run, exit_status
from sim.levels.sequences import take
from sim.levels.traces import LevelError

if TYPE_CHECKING:
    from sim.levels.artefacts import Artefacts
    from sim.levels.traces import Trace

_EPILOG = """\
examples:
  python -m sim.levels --network models/zoo/digits.safetensors
      ten digits through all levels
  python -m sim.levels --network mine.safetensors --sequences 100,netlist=10,bitstream=10
      100 sequences, but 10 at two levels
  python -m sim.levels --network mine.safetensors --data mine.npz --levels rtl,bitstream
      your own sequences, two levels
  python -m sim.levels --network mine.safetensors --data random --steps 20 --seed 3 \\
      --waves first.vcd --output levels.json
      random sequences; of the first mismatch in hardware, a waveform

levels:
  qat        the module rebuilt from the file, PyTorch in float32: what all others must equal
  golden     the integer golden model, NumPy in int64
  rtl        the Verilog of the build, pads and PLL included
  netlist    the netlist that nextpnr placed and routed
  bitstream  the .bin, unpacked by iceunpack and icebox_vlog

exit status:
  0  not one mismatch
  1  a level differs, or fails: no build, no answer, another network in its store
  2  wrong arguments, network file or data
  3  a level that --levels names (with --strict: any level) could not be run, or no hardware
     level at all
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(
        prog="python -m sim.levels",
        description="Run the same sequences through QAT module, golden model, RTL, netlist and "
        "bitstream, and compare every logit and every state. Hardware runs each sequence twice: "
        "step by step, and as a whole.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--network", type=Path, required=True, metavar="FILE", help="network file")
    made.add_argument(
        "--sequences",
        default="10",
        metavar="N[,LEVEL=N...]",
        help="how many, and how many at single levels (default 10)",
    )
    made.add_argument(
        "--levels",
        type=_levels,
        metavar="A,B,...",
        help=f"some of {', '.join(LEVELS)} (default: all; qat is always run)",
    )
    made.add_argument(
        "--data",
        default="auto",
        metavar="D",
        help="digits, adding (their test parts), random, or an .npz with x [N, T, I] and y [N] "
        "(default: the network's own task if that is one of the two, else random)",
    )
    made.add_argument("--steps", type=_count, default=12, metavar="T", help="of random sequences")
    made.add_argument("--seed", type=int, default=1, metavar="S", help="of random sequences")
    made.add_argument(
        "--states",
        choices=["every", "last"],
        default="every",
        help="read hardware states after every step, or the last alone, which is faster",
    )
    made.add_argument(
        "--waves", type=Path, metavar="FILE", help="write the first hardware mismatch's step (VCD)"
    )
    made.add_argument("--output", type=Path, metavar="FILE", help="write everything as JSON")
    made.add_argument("--strict", action="store_true", help="no level may be skipped")
    made.add_argument(
        "--build",
        type=Path,
        metavar="DIR",
        help="take the results of python -m hdl.build in DIR (default: build, and keep it)",
    )
    made.add_argument(
        "--board", default="icebreaker", choices=known_boards(), help="default: icebreaker"
    )
    made.add_argument("--lanes", type=int, metavar="P", help="lanes (default: the board's)")
    made.add_argument(
        "--weights",
        choices=WEIGHT_CHOICES,
        default="auto",
        help="weight store; auto: block RAM if the network fits it, which the bitstream level "
        "needs, else SPRAM",
    )
    return made


def _levels(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in LEVELS:
            raise argparse.ArgumentTypeError(f"levels are {', '.join(LEVELS)}, not {name!r}")
    return tuple(level for level in LEVELS if level in names)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, not {text!r}")
    return int(text)


def counts(text: str, levels: Iterable[str]) -> dict[str, int]:
    """Return sequences by level from ``N``, ``N,LEVEL=N``, or ``LEVEL=N,...``.

    Raises
    ------
    ValueError
        If the text is something else, or names a level that is not run.
    """
    general, single = 10, {}
    chosen = tuple(levels)
    for part in text.split(","):
        name, _, number = part.strip().rpartition("=")
        if not number.isdecimal() or int(number) < 1:
            raise ValueError(f"--sequences takes N or N,LEVEL=N with N of at least 1, not {text!r}")
        if not name:
            general = int(number)
        elif name in chosen:
            single[name] = int(number)
        else:
            raise ValueError(f"--sequences: levels are {', '.join(chosen)}, not {name!r}")
    return {level: single.get(level, general) for level in chosen}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (BoardError, LevelError, NetworkError, TaskError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    network = load(options.network)
    levels = options.levels or LEVELS
    if levels == ("qat",):
        raise ValueError("--levels qat: it is what others are compared with; name one of them, too")
    if options.lanes is not None:
        # A network that fits no store is a level that cannot be run; lanes that there are not, or
        # too few for it, are an argument to correct.
        make_plan(load_board(options.board), network, options.lanes, options.weights)
    number = counts(options.sequences, levels)
    for path in (options.output, options.waves):
        if path is not None:
            check_folder(path.absolute().parent)
    sequences = take(network, options.data, max(number.values()), options.steps, options.seed)

    def build() -> Artefacts:
        if options.build is not None:
            return open_build(options.build, options.board)
        return make_build(network, options.board, options.lanes, options.weights, _say)

    facts = {
        "network": network.spec.name,
        "file": options.network.name,
        "sequences": sequences.about,
        "states": options.states,
    }
    print(f"network     {_about(network)}\nsequences   {sequences.about}", flush=True)
    run = Run(
        network=network,
        sequences=sequences,
        counts=number,
        build=build,
        every_state=options.states == "every",
        waves=options.waves,
        progress=_progress,
        say=_say,
    )
    rows = run.rows()
    print(f"\n{table(rows)}\n\n{remarks(rows, run.artefacts, run.designs)}")
    if options.output is not None:
        data = as_data(facts, rows, run.artefacts, run.designs)
        write_whole(options.output, json.dumps(data, indent=2) + "\n")
    required = LEVELS if options.strict else options.levels or ()
    return exit_status(rows, required)


def _about(network: Network) -> str:
    spec = network.spec
    units = ", ".join(str(units) for units in spec.units)
    return (
        f"{spec.name}: {spec.inputs} inputs, {units} units, {spec.readout.outputs} outputs, "
        f"hb {spec.hb}, readout {spec.readout.mode}"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _progress(level: str, total: int, traces: Iterable[Trace]) -> Iterator[Trace]:
    """A bar on a terminal; in a pipe, or where tqdm is missing, nothing."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield from traces
        return
    quiet = not sys.stderr.isatty()
    yield from tqdm(
        traces, total=total, unit="seq", desc=level, file=sys.stderr, disable=quiet, leave=False
    )
