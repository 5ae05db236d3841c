"""`python -m bench.gru.digits`: accuracy of the GRU on the digits by rows, float and in integers.

The same data, parts and input scale as the shipped network's; `torch.nn.GRU` with H = 64, a linear
readout of the last step, AdamW with a cosine, the epoch kept by validation, then rounded.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench.arguments import bench_parser, count, guarded
from bench.gru.model import Network
from bench.gru.quantize import quantize, quantize_inputs
from bench.record import write
from models.tasks import digits
from models.tasks.data import Part

__all__ = ["Result", "train"]

HIDDEN = 64
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 5e-3

_EXAMPLES = """\
examples:
  python -m bench.gru.digits
  python -m bench.gru.digits --quick
  python -m bench.gru.digits --seeds 5 --output build/gru_digits.json
"""


@dataclass
class Result:
    """A trained network and its test accuracies, each a share of 1."""

    network: Network
    float_accuracy: float
    integer_accuracy: float


def train(seed: int, epochs: int = EPOCHS) -> Result:
    """Train one GRU on the digits and round it."""
    torch.manual_seed(seed)
    task = digits.load()
    scale = task.normalisation.scale
    gru = nn.GRU(task.train.x.shape[2], HIDDEN, batch_first=True)
    readout = nn.Linear(HIDDEN, task.outputs)
    both = nn.ModuleList([gru, readout])
    optimizer = torch.optim.AdamW(both.parameters(), LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    x = torch.tensor(task.train.x * scale, dtype=torch.float32)
    y = torch.tensor(task.train.y)

    def correct(part: Part) -> float:
        with torch.no_grad():
            states, _ = gru(torch.tensor(part.x * scale, dtype=torch.float32))
            labels = readout(states[:, -1]).argmax(1).numpy()
        return float((labels == part.y).mean())

    best, kept = -1.0, copy.deepcopy(both.state_dict())
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            states, _ = gru(x[rows])
            loss = functional.cross_entropy(readout(states[:, -1]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(both.parameters(), 1.0)
            optimizer.step()
        schedule.step()
        if (accuracy := correct(task.validation)) >= best:
            best, kept = accuracy, copy.deepcopy(both.state_dict())
    both.load_state_dict(kept)
    network = quantize(gru, readout)
    _, logits = network.run(quantize_inputs(task.test.x * scale))
    integer = float((logits[:, -1].argmax(1) == task.test.y).mean())
    return Result(network, correct(task.test), integer)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("gru.digits", __doc__, _EXAMPLES)
    parser.add_argument("--seeds", type=count, default=3, metavar="N", help="seeds 0 to N - 1 (3)")
    parser.add_argument(
        "--quick", action="store_true", help="seed 0 and two epochs: that it works, no accuracy"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    seeds, epochs = (1, 2) if options.quick else (options.seeds, EPOCHS)
    rows = []
    for seed in range(seeds):
        result = train(seed, epochs)
        row = {"seed": seed, "float": result.float_accuracy, "integer": result.integer_accuracy}
        print(
            f"seed {seed}: float {100 * row['float']:.2f} %, integer {100 * row['integer']:.2f} %"
        )
        rows.append(row)
    means = {kind: float(np.mean([row[kind] for row in rows])) for kind in ("float", "integer")}
    print(f"mean: float {100 * means['float']:.2f} %, integer {100 * means['integer']:.2f} %")
    write(
        options.output,
        {"torch": torch.__version__, "epochs": epochs, "mean": means, "runs": rows},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
