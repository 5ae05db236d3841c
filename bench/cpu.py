"""`python -m bench.cpu`: the time of one step of additive cell, GRU and LSTM on this processor.

All three are written in the same style: two matrix products, a split, and the gates. Eager means
PyTorch as it is; compiled means `torch.compile`, which makes C++ of eight steps of each cell (a
call of its own costs as much as several small steps) and needs a C++ compiler. Every figure is
measured, on one thread, and is a ratio to the GRU of the same round: times on a shared machine
drift, ratios within a round hardly do.

    python -m bench.cpu                     H = 32 to 512, batch 1 and 64; some minutes
    python -m bench.cpu --quick             H = 64, eager only; seconds
    python -m bench.cpu --modes eager --hidden 64 128

The aim: an additive step takes at most half the time of a GRU's. Writes JSON and a picture beside
it, prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from bench.arguments import bench_parser, count, guarded
from bench.record import write
from hdl.toolchain import ToolError
from models.pictures import new_figure, png
from models.writing import write_whole

#: An additive step is to take at most this part of a GRU step.
AIM = 0.5
HIDDEN = (32, 64, 128, 256, 512)
BATCHES = (1, 64)
MODES = ("eager", "compiled")
#: Steps that are compiled together.
UNROLLED = 8
#: Seconds for which a round times each cell, at least.
LEAST_SECONDS = 0.02

State = tuple[Tensor, ...]
Weights = tuple[Tensor, ...]
Step = Callable[[Tensor, State, Weights], State]


def additive(x: Tensor, state: State, weights: Weights) -> State:
    """``h' = h + clip(c - h, -z, z)``; see `models.gate`."""
    (h,) = state
    w, u, b = weights
    z, c = (functional.linear(x, w, b) + functional.linear(h, u)).chunk(2, 1)
    z, c = functional.relu(z), functional.hardtanh(c)
    return (h + torch.clamp(c - h, -z, z),)


def gru(x: Tensor, state: State, weights: Weights) -> State:
    """The GRU of `torch.nn.GRUCell`, without its second bias."""
    (h,) = state
    w, u, b = weights
    reset, update, new = functional.linear(x, w, b).chunk(3, 1)
    reset_h, update_h, new_h = functional.linear(h, u).chunk(3, 1)
    r = torch.sigmoid(reset + reset_h)
    z = torch.sigmoid(update + update_h)
    n = torch.tanh(new + r * new_h)
    return (n + z * (h - n),)


def lstm(x: Tensor, state: State, weights: Weights) -> State:
    """The LSTM of `torch.nn.LSTMCell`, without its second bias."""
    h, c = state
    w, u, b = weights
    i, f, g, o = (functional.linear(x, w, b) + functional.linear(h, u)).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


#: Each cell with its rows per unit and the number of its states.
CELLS: dict[str, tuple[Step, int, int]] = {
    "additive": (additive, 2, 1),
    "GRU": (gru, 3, 1),
    "LSTM": (lstm, 4, 2),
}


def make(name: str, hidden: int, inputs: int, batch: int) -> tuple[Tensor, State, Weights]:
    """Return a cell's random input [N, I], states [N, H] and weights."""
    _, rows, states = CELLS[name]
    generator = torch.Generator().manual_seed(hidden)

    def draw(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) * hidden**-0.5

    weights = draw(rows * hidden, inputs), draw(rows * hidden, hidden), draw(rows * hidden)
    return draw(batch, inputs), tuple(draw(batch, hidden) for _ in range(states)), weights


def timer(
    step: Step, compiled: bool, x: Tensor, state: State, weights: Weights
) -> Callable[[], float]:
    """Return a function that says how many seconds a step takes now."""

    def several(x: Tensor, state: State, weights: Weights) -> State:
        for _ in range(UNROLLED):
            state = step(x, state, weights)
        return state

    if compiled:
        several = torch.compile(several, dynamic=False)

    def run(calls: int) -> float:
        here = state
        begin = time.perf_counter()
        for _ in range(calls):
            here = several(x, here, weights)
        return time.perf_counter() - begin

    run(3)  # compiles
    calls = 1
    while run(calls) < LEAST_SECONDS:
        calls *= 2
    return lambda: run(calls) / (calls * UNROLLED)


def measure(mode: str, hidden: int, inputs: int, batch: int, rounds: int) -> dict[str, Any]:
    """Time the three cells in turn, round by round."""
    torch.compiler.reset()  # of the case before
    clocks = {}
    for name, (step, *_) in CELLS.items():
        clocks[name] = timer(step, mode == "compiled", *make(name, hidden, inputs, batch))
    seconds: dict[str, list[float]] = {name: [] for name in CELLS}
    for _ in range(rounds):
        for name, clock in clocks.items():
            seconds[name].append(clock())
    ratios = {
        name: sorted(a / b for a, b in zip(times, seconds["GRU"], strict=True))
        for name, times in seconds.items()
    }
    return {
        "mode": mode,
        "hidden": hidden,
        "inputs": inputs,
        "batch": batch,
        "microseconds": {n: statistics.median(times) * 1e6 for n, times in seconds.items()},
        "to_gru": {
            name: {
                "median": statistics.median(found),
                "quartiles": [found[len(found) // 4], found[-1 - len(found) // 4]],
            }
            for name, found in ratios.items()
        },
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| mode | batch | H | GRU, µs | additive / GRU | LSTM / GRU |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = []
        for name in ("additive", "LSTM"):
            ratio = row["to_gru"][name]
            low, high = ratio["quartiles"]
            cells.append(f"{ratio['median']:.2f} ({low:.2f} to {high:.2f})")
        lines.append(
            f"| {row['mode']} | {row['batch']} | {row['hidden']} "
            f"| {row['microseconds']['GRU']:.1f} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def picture(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return a PNG of the additive cell's ratio against H, a line for each mode and batch."""
    figure = new_figure(4.2)
    axes = figure.subplots()
    for mode in dict.fromkeys(row["mode"] for row in rows):
        for batch in dict.fromkeys(row["batch"] for row in rows):
            line = [row for row in rows if (row["mode"], row["batch"]) == (mode, batch)]
            middle = [row["to_gru"]["additive"]["median"] for row in line]
            spread = [row["to_gru"]["additive"]["quartiles"] for row in line]
            axes.errorbar(
                [row["hidden"] for row in line],
                middle,
                yerr=[
                    [m - low for m, (low, _) in zip(middle, spread, strict=True)],
                    [high - m for m, (_, high) in zip(middle, spread, strict=True)],
                ],
                label=f"{mode}, batch {batch}",
                marker="o" if batch == 1 else "s",
                linestyle="-" if mode == "eager" else "--",
                capsize=3,
            )
    axes.axhline(AIM, color="black", linewidth=0.8, linestyle=":", label="aim")
    axes.axhline(1.0, color="grey", linewidth=0.8, label="GRU")
    axes.set_xscale("log", base=2)
    axes.set_xticks(hidden := sorted({row["hidden"] for row in rows}), [str(h) for h in hidden])
    axes.set_ylim(0, None)
    axes.set_xlabel("hidden units H")
    axes.set_ylabel("time of an additive step / GRU step")
    axes.legend(fontsize="small")
    return png(figure)


def check_compiler() -> None:
    """See that the C++ compiler is there that `torch.compile` will call.

    Raises
    ------
    ToolError
        If it is not.
    """
    wanted = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(wanted) is None:
        raise ToolError(
            f"no C++ compiler for the compiled mode: looked for {wanted!r} (the variable CXX, or "
            "the default) on the PATH; get one with: sudo apt-get install g++, or set CXX; "
            "`--modes eager` needs none",
            tool=wanted,
        )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("cpu", __doc__)
    add = parser.add_argument
    add("--hidden", type=count, nargs="+", default=HIDDEN, metavar="H", help=_listed(HIDDEN))
    add("--batch", type=count, nargs="+", default=BATCHES, metavar="N", help=_listed(BATCHES))
    add("--inputs", type=count, default=32, metavar="I", help="features of a step (32)")
    add("--modes", nargs="+", choices=MODES, default=MODES, help=_listed(MODES))
    add("--rounds", type=count, default=15, metavar="N", help="times each cell is timed (15)")
    add(
        "--quick",
        action="store_true",
        help="H = 64 and five rounds only, eager only (so no C++ compiler is needed)",
    )
    options = parser.parse_args(arguments)
    if options.output.suffix == ".png":
        parser.error("--output names the JSON; the picture goes beside it, as .png")
    if options.quick:
        options.hidden, options.modes, options.rounds = (64,), ("eager",), 5
    return options


def _listed(values: Sequence[object]) -> str:
    return f"({' '.join(map(str, values))})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, or 1 on an error."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    if "compiled" in options.modes:
        check_compiler()  # minutes of eager mode come first
    torch.set_num_threads(1)
    cases = [(m, h, n) for m in options.modes for n in options.batch for h in options.hidden]
    rows = []
    with torch.no_grad():
        for mode, hidden, batch in tqdm(cases, unit="case"):
            try:
                rows.append(measure(mode, hidden, options.inputs, batch, options.rounds))
            except RuntimeError as error:
                # A compiler that lacks headers, or too little memory: PyTorch says it at length.
                why = textwrap.shorten(f"{type(error).__name__}: {error}", 400)
                case = f"{mode}, H = {hidden}, batch {batch}"
                way_out = "; `--modes eager` needs no compiler" if mode == "compiled" else ""
                raise ToolError(f"PyTorch failed at {case}: {why}{way_out}", tool="torch") from (
                    error
                )
    figures = {"what": "measured", "torch": torch.__version__, "threads": 1, "cpu": rows}
    drawn = options.output.with_suffix(".png")
    write(options.output, figures)
    write_whole(drawn, picture(rows))
    print("Measured on this processor, one thread; ratios are medians (quartiles) over rounds.\n")
    print(table(rows))
    met = sum(row["to_gru"]["additive"]["median"] <= AIM for row in rows)
    print(f"\nadditive at most {AIM} of the GRU in {met} of {len(rows)} cases")
    print(f"written: {options.output}, {drawn}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
