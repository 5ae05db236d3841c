"""`python -m bench.loop`: time of a training step, its loop over time steps written five ways.

Forward and backward through a batch of sequences (their states' mean square), in float32, with
H = T = batch = 64 unless said otherwise:

- eager: a cell in PyTorch's operations, a time step after the other, by autograd;
- hoisted: the same, but for the product with the inputs, which is taken of all steps at once;
- sequence: `models.gate.gate_sequence`, one operation whose derivative is written out;
- compiled: the same within `models.gate.compiled`;
- nn.GRU: PyTorch's own GRU of as many units, for comparison.

Rounds of all, one after the other; a time is the median of the rounds, a ratio the median of
the ratios within them, since times of different minutes do not compare.

    python -m bench.loop
    python -m bench.loop --inputs 1 8 64 --threads 1
    python -m bench.loop --quick
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from bench.arguments import bench_parser, count, guarded
from bench.document import add_docs_option, prose, refresh
from bench.record import write
from models.cells import AdditiveGatedCell
from models.family.scan import scan
from models.gate import compiled
from models.gate_kernel import KernelError

#: How many times as fast as the eager loop the compiled one should be.
AIM = 5.0

WAYS = ("eager", "hoisted", "sequence", "compiled", "nn.GRU")


def eager_states(cell: AdditiveGatedCell, x: Tensor) -> Tensor:
    """States [T, N, H] of inputs [T, N, I], every operation recorded by autograd."""
    w, u, b = cell.weights()

    def step(x: Tensor, h: Tensor) -> Tensor:
        return _gated(x @ w.T + h @ u.T + b, h)

    return scan(step, x, x.new_zeros(x.shape[1], cell.hidden_size), None)


def hoisted_states(cell: AdditiveGatedCell, x: Tensor) -> Tensor:
    """As `eager_states`, with the inputs' product before the loop."""
    w, u, b = cell.weights()
    columns = u.T

    def step(inputs: Tensor, h: Tensor) -> Tensor:
        return _gated(torch.addmm(inputs, h, columns), h)

    start = x.new_zeros(x.shape[1], cell.hidden_size)
    return scan(step, nn.functional.linear(x, w, b), start, None)


def _gated(p: Tensor, h: Tensor) -> Tensor:
    pz, pc = p.chunk(2, dim=1)
    z, c = pz.clamp(min=0), pc.clamp(-1, 1)
    return h + torch.clamp(c - h, -z, z)


def ways(units: int, inputs: int, steps: int, batch: int) -> dict[str, Callable[[], Tensor]]:
    """What gives the states, by the names of `WAYS`."""
    torch.manual_seed(0)
    cell, gru = AdditiveGatedCell(inputs, units), nn.GRU(inputs, units)
    x, start = torch.randn(steps, batch, inputs), torch.zeros(batch, units)

    def sequence() -> Tensor:
        return cell.sequence(x, start, None)[0]

    def in_compiled_code() -> Tensor:
        with compiled():
            return sequence()

    def of_gru() -> Tensor:
        states: Tensor = gru(x)[0]
        return states

    makers = (
        lambda: eager_states(cell, x),
        lambda: hoisted_states(cell, x),
        sequence,
        in_compiled_code,
        of_gru,
    )
    return dict(zip(WAYS, makers, strict=True))


def timed(make: Callable[[], Tensor]) -> float:
    """Seconds of states, forward and backward."""
    started = time.perf_counter()
    make().square().mean().backward()
    return time.perf_counter() - started


def measure(
    units: int, inputs: int, steps: int, batch: int, rounds: int, tick: Callable[[], object]
) -> dict[str, Any]:
    """Times and ratios of one size."""
    makers = ways(units, inputs, steps, batch)
    for make in makers.values():  # compiles, and warms up
        timed(make)
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, make in makers.items():
            taken[name].append(timed(make))
        tick()
    ratios = {
        base: statistics.median(a / b for a, b in zip(taken[base], taken["compiled"], strict=True))
        for base in WAYS
    }
    return {
        "units": units, "inputs": inputs, "steps": steps, "batch": batch, "rounds": rounds,
        "seconds": {name: statistics.median(times) for name, times in taken.items()},
        "compiled_times_as_fast_as": ratios,
    }  # fmt: skip


def markdown(rows: Sequence[dict[str, Any]], threads: int) -> str:
    """The table, and whether the aim was met."""
    names = " | ".join(f"{name}, ms" for name in WAYS)
    lines = [f"| I | {names} | eager / compiled | hoisted / compiled | nn.GRU / compiled |",
             "|--:" * (len(WAYS) + 4) + "|"]  # fmt: skip
    for row in rows:
        times = " | ".join(f"{row['seconds'][name] * 1e3:.1f}" for name in WAYS)
        ratios = row["compiled_times_as_fast_as"]
        faster = " | ".join(f"{ratios[name]:.2f}" for name in ("eager", "hoisted", "nn.GRU"))
        lines.append(f"| {row['inputs']} | {times} | {faster} |")
    worst, other = (
        min(row["compiled_times_as_fast_as"][base] for row in rows) for base in WAYS[:2]
    )
    first = rows[0]
    verdict = prose(
        f"H = {first['units']}, T = {first['steps']}, batch {first['batch']}, {threads} threads. "
        f"Aim: {AIM:g} times as fast as the eager loop: "
        f"{'met' if worst >= AIM else '**missed**'}, {worst:.2f} at worst; {other:.2f} where that "
        "loop takes the inputs' product of all steps at once."
    )
    return "\n".join([*lines, "", verdict])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("loop", __doc__)
    add = parser.add_argument
    add("--units", type=count, default=64, metavar="H", help="(64)")
    add("--inputs", type=count, nargs="+", default=[1, 8, 64], metavar="I", help="(1 8 64)")
    add("--steps", type=count, default=64, metavar="T", help="(64)")
    add("--batch", type=count, default=64, metavar="N", help="(64)")
    add("--threads", type=count, default=2, help="of PyTorch and of the compiled loop (2)")
    add("--rounds", type=count, help="(101; with --quick 5)")
    add("--quick", action="store_true", help="few rounds: the ratios vary by a tenth")
    add_docs_option(parser)
    options = parser.parse_args(arguments)
    if options.rounds is None:
        options.rounds = 5 if options.quick else 101
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        with tqdm(total=options.rounds * len(options.inputs), unit="round") as bar:
            rows = [
                measure(
                    options.units, inputs, options.steps, options.batch, options.rounds, bar.update
                )
                for inputs in options.inputs
            ]
    except KernelError as error:
        raise ValueError(str(error)) from error
    finally:
        torch.set_num_threads(before)
    table = markdown(rows, options.threads)
    write(options.output, {
        "what": "measured", "torch": torch.__version__, "threads": options.threads, "rows": rows,
    })  # fmt: skip
    if options.docs is not None:
        refresh(options.docs, "loop", table, {})
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
