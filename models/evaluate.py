"""`python -m models.evaluate FILE digits`: how well a network file does, twice computed.

The quantized module rebuilt from the file (float32 arithmetic) and the integer golden model are
run on the same inputs, and every logit and every state of the two is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

try:
    import torch
except ImportError as error:
    needed = "PyTorch is not installed, which models.evaluate needs: pip install 'addgate[train]'"
    if __name__ == "__main__":
        sys.exit(f"error: {needed}")
    raise ImportError(needed) from error

from models.file import load
from models.golden import GoldenModel
from models.marks import check_mode, mark, measure_name, shown
from models.network import Network, NetworkError
from models.qat import from_network
from models.spec import FRACTION_BITS
from models.tasks import arrays, named
from models.tasks.data import Part, TaskError
from models.writing import write_whole

__all__ = ["Evaluation", "evaluate", "load_part", "main"]


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one part.

    Parameters
    ----------
    measure : str
        See `models.marks.measure_name`.
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
    measure = measure_name(part.asks, network.spec.target)
    marks, weight = np.zeros(2), 0.0
    compared = different = states_different = steps = 0
    changed = np.zeros(len(network.layers))
    for start in range(0, len(part), size):
        piece = part.take(np.arange(start, min(start + size, len(part))))
        lengths = None if piece.lengths is None else torch.from_numpy(piece.lengths)
        with torch.no_grad():
            output = module(torch.from_numpy(piece.features), lengths)
        integers = golden.run(network.quantize(piece.features), piece.lengths)
        float_steps = float(1 << (network.spec.hb + FRACTION_BITS))
        logits, scores = output.logits.double().numpy(), output.scores.numpy()
        exact = integers.logits / float_steps, integers.scores / float_steps
        for index, (every, last) in enumerate(((logits, scores), exact)):
            if network.spec.readout.mode == "sum":
                last = last / integers.state.steps[:, None]
            counted, over = mark(measure, piece, every, last, integers.state.steps)
            marks[index] += counted
        weight += over
        compared += logits.size
        different += int((logits * float_steps != integers.logits).sum())
        different += int((scores * float_steps != integers.scores).sum())
        valid = output.valid.numpy()
        steps += int(valid.sum())
        for layer, (floats, h) in enumerate(zip(output.states, integers.states, strict=True)):
            states_different += int((floats.numpy() * (1 << network.spec.hb) != h).sum())
            before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
            changed[layer] += (h != before)[valid].sum()
    ternary = [a for name, a in network.tensors().items() if name.endswith((".W", ".U", ".R"))]
    qat, integer = marks / weight
    return Evaluation(
        measure=measure,
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


def load_part(
    network: Network,
    task: str,
    data: str | os.PathLike[str] | None = None,
    length: int | None = None,
    left_out: str | None = None,
    whole: bool = False,
) -> Part:
    """The test part of a named task, as the network reads it, or of an .npz file.

    With whole, all sequences of the .npz file.
    """
    if task.endswith(".npz"):
        return arrays.read(task) if whole else arrays.load(task).test
    if task not in named.TASKS:
        raise TaskError(f"the task must be {named.LISTED} or an .npz file, not {task!r}")
    return named.load(task, data, length, left_out, network.spec.labels).test


def _check(network: Network, part: Part) -> None:
    spec = network.spec
    if part.x.shape[2] != spec.inputs:
        raise TaskError(f"x must have {spec.inputs} features, not {part.x.shape[2]}")
    try:
        measure_name(part.asks, spec.target)
        check_mode(part.asks, spec.readout.mode)
    except ValueError as error:
        raise TaskError(str(error)) from error
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
        description="Accuracy (mean squared error of values, bits a character of text, error rate "
        "of strings) of a network file, computed by the "
        "quantized PyTorch module and by the integer golden model, and whether the two agree on "
        "every logit and state.",
        epilog="examples:\n"
        "  python -m models.evaluate models/zoo/digits.safetensors digits\n"
        "  python -m models.evaluate build/adding.safetensors adding --length 400\n"
        "  python -m models.evaluate build/text.safetensors text --data book.txt\n"
        "  python -m models.evaluate build/mine.safetensors mine.npz --whole\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="network file (.safetensors)")
    parser.add_argument("task", help=f"{named.LISTED}, or an .npz file with x, y (and lengths)")
    named.add_options(parser)
    parser.add_argument(
        "--whole", action="store_true", help="all sequences of an .npz, not its test part"
    )
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args(argv)
    try:
        network = load(options.file)
        chosen = (options.task, options.data, options.length, options.left_out)
        part = load_part(network, *chosen, whole=options.whole)
        result = evaluate(network, part)
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
    qat, integer = (shown(result.measure, value) for value in (result.qat, result.integer))
    agreement = (
        f"yes, bit for bit ({result.logits_compared} logits and every state)"
        if result.agree
        else f"NO: {result.logits_different} of {result.logits_compared} logits and "
        f"{result.states_different} states differ"
    )
    return (
        f"sequences          {result.sequences}\n"
        f"{f'{result.measure} QAT':18} {qat}\n"
        f"{f'{result.measure} integer':18} {integer}\n"
        f"agree              {agreement}\n"
        f"states held        {100 * result.hold:.1f} %\n"
        f"events a step      {' + '.join(f'{count:.1f}' for count in result.events)}\n"
        f"zero weights       {100 * result.zero_weights:.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
