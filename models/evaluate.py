"""`python -m models.evaluate FILE digits`: how well a network file does, twice computed.

The quantized module rebuilt from the file (float32 arithmetic) and the integer golden model are
run on the same inputs, and every logit and every state of the two is compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import torch
except ImportError as error:
    needed = "PyTorch is not installed, which models.evaluate needs: pip install 'addgate[train]'"
    if __name__ == "__main__":
        sys.exit(f"error: {needed}")
    raise ImportError(needed) from error

from models.file import load
from models.golden import GoldenModel
from models.network import Network, NetworkError
from models.qat import from_network
from models.spec import FRACTION_BITS
from models.tasks import adding, arrays, digits
from models.tasks.data import Part, TaskError
from models.writing import write_whole

__all__ = ["Evaluation", "evaluate", "load_part", "main"]


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one part.

    Parameters
    ----------
    measure : str
        "accuracy" (share of sequences) or "mse" (mean squared error).
    sequences : int
    qat, integer : float
        The measure by the quantized module and by the golden model.
    logits_compared, logits_different, states_different : int
        Over all steps and sequences; 0 differences mean agreement bit for bit.
    hold : float
        Share of (unit, valid step) pairs whose state stayed exactly as it was.
    events : tuple of float
        Units of each layer that changed in a valid step, on average: 0 to H_l.
    zero_weights : float
        Share of weights that are 0.
    """

    measure: str
    sequences: int
    qat: float
    integer: float
    logits_compared: int
    logits_different: int
    states_different: int
    hold: float
    events: tuple[float, ...]
    zero_weights: float

    @property
    def agree(self) -> bool:
        """Whether every logit and every state was the same."""
        return self.logits_different == 0 and self.states_different == 0


def evaluate(network: Network, part: Part, size: int = 256) -> Evaluation:
    """Run a part through both computations.

    Parameters
    ----------
    network : Network
    part : Part
        Raw features; classes or values as the network's target says.
    size : int
        Sequences at a time.

    Returns
    -------
    Evaluation

    Raises
    ------
    TaskError
        When the part does not fit the network.
    """
    _check(network, part)
    module, golden = from_network(network), GoldenModel(network)
    marks = np.zeros(2)
    compared = different = states_different = steps = 0
    changed = np.zeros(len(network.layers))
    for start in range(0, len(part), size):
        piece = part.take(np.arange(start, min(start + size, len(part))))
        lengths = None if piece.lengths is None else torch.from_numpy(piece.lengths)
        with torch.no_grad():
            output = module(torch.from_numpy(piece.x), lengths)
        integers = golden.run(network.quantize(piece.x), piece.lengths)
        float_steps = float(1 << (network.spec.hb + FRACTION_BITS))
        scores = output.scores.numpy()
        marks += (
            _mark(network, scores, output.valid.sum(dim=1).numpy(), piece.y),
            _mark(network, integers.scores / float_steps, integers.state.steps, piece.y),
        )
        logits = output.logits.double().numpy() * float_steps
        compared += logits.size
        different += int((logits != integers.logits).sum())
        different += int((scores * float_steps != integers.scores).sum())
        valid = output.valid.numpy()
        steps += int(valid.sum())
        for layer, (floats, exact) in enumerate(zip(output.states, integers.states, strict=True)):
            states_different += int((floats.numpy() * (1 << network.spec.hb) != exact).sum())
            before = np.concatenate([np.zeros_like(exact[:, :1]), exact[:, :-1]], axis=1)
            changed[layer] += (exact != before)[valid].sum()
    ternary = [a for name, a in network.tensors().items() if name.endswith((".W", ".U", ".R"))]
    qat, integer = marks / len(part)
    return Evaluation(
        measure="accuracy" if network.spec.target == "class" else "mse",
        sequences=len(part),
        qat=float(qat),
        integer=float(integer),
        logits_compared=compared,
        logits_different=different,
        states_different=states_different,
        hold=float(1 - changed.sum() / (steps * sum(network.spec.units))),
        events=tuple((changed / steps).tolist()),
        zero_weights=float(sum((a == 0).sum() for a in ternary) / sum(a.size for a in ternary)),
    )


def load_part(network: Network, task: str, length: int, whole: bool = False) -> Part:
    """The test part of a named task, or all sequences of an .npz file."""
    if task in ("digits", "digits-pixels"):
        return digits.load("rows" if task == "digits" else "pixels").test
    if task == "adding":
        return adding.load(length).test
    if task.endswith(".npz"):
        return arrays.read(task) if whole else arrays.load(task).test
    raise TaskError(f"the task must be digits, digits-pixels, adding or an .npz file, not {task!r}")


def _mark(
    network: Network, scores: NDArray[np.float64], steps: NDArray[np.int64], y: NDArray[Any]
) -> float:
    """Right answers, or the sum of squared errors."""
    if network.spec.target == "class":
        return float((np.argmax(scores, axis=1) == y).sum())
    values = scores[:, 0] / steps if network.spec.readout.mode == "sum" else scores[:, 0]
    return float(((values - y) ** 2).sum())


def _check(network: Network, part: Part) -> None:
    spec = network.spec
    if part.x.shape[2] != spec.inputs:
        raise TaskError(f"x must have {spec.inputs} features, not {part.x.shape[2]}")
    classes = part.y.dtype.kind == "i"
    if classes != (spec.target == "class"):
        raise TaskError(
            f"the network's target is {spec.target}, so y must hold "
            f"{'integers (classes)' if spec.target == 'class' else 'floats (values)'}, not "
            f"{part.y.dtype}"
        )
    if classes and int(part.y.max()) >= spec.outputs:
        raise TaskError(
            f"the network has {spec.outputs} classes, so y must be below that, not {part.y.max()}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, 1 when the two disagree, 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate",
        description="Accuracy (or mean squared error) of a network file, computed by the "
        "quantized PyTorch module and by the integer golden model, and whether the two agree on "
        "every logit and state.",
        epilog="examples:\n"
        "  python -m models.evaluate models/zoo/digits.safetensors digits\n"
        "  python -m models.evaluate build/adding.safetensors adding --length 400\n"
        "  python -m models.evaluate build/mine.safetensors mine.npz --whole\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="network file (.safetensors)")
    parser.add_argument(
        "task", help="digits, digits-pixels, adding, or an .npz file with x, y (and lengths)"
    )
    parser.add_argument(
        "--length", type=int, default=adding.DEFAULT_LENGTH, help="sequence length of adding"
    )
    parser.add_argument(
        "--whole", action="store_true", help="all sequences of an .npz, not its test part"
    )
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args(argv)
    try:
        network = load(options.file)
        result = evaluate(network, load_part(network, options.task, options.length, options.whole))
        if options.json is not None:
            text = json.dumps({**asdict(result), "agree": result.agree}, indent=2) + "\n"
            write_whole(options.json, text)
    except (NetworkError, TaskError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.task.endswith(".npz") and not options.whole:
        print(f"the test part of {options.task} (--whole takes all of it)")
    print(describe(result))
    return 0 if result.agree else 1


def describe(result: Evaluation) -> str:
    """The figures as lines of text."""
    if result.measure == "accuracy":
        shown = [f"{100 * value:.2f} %" for value in (result.qat, result.integer)]
    else:
        shown = [f"{value:.6f}" for value in (result.qat, result.integer)]
    agreement = (
        f"yes, bit for bit ({result.logits_compared} logits and every state)"
        if result.agree
        else f"NO: {result.logits_different} of {result.logits_compared} logits and "
        f"{result.states_different} states differ"
    )
    return (
        f"sequences          {result.sequences}\n"
        f"{result.measure:8} QAT       {shown[0]}\n"
        f"{result.measure:8} integer   {shown[1]}\n"
        f"agree              {agreement}\n"
        f"states held        {100 * result.hold:.1f} %\n"
        f"events a step      {' + '.join(f'{count:.1f}' for count in result.events)}\n"
        f"zero weights       {100 * result.zero_weights:.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
