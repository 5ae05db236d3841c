"""Units shared out between the engine's even and odd positions, so that their events come in pairs.

The engine walks an event of an even and one of an odd position together, so a layer's events of a
step cost ``max(n0, n1)`` walks, n0 even and n1 odd ones, where half of them is what could be hoped
for. Which unit lies where is free (`models.network.Network.order`), and only the parity of its
position matters; so units that change in the same steps belong on either side.

A swap of an even and an odd unit is tried as long as one makes the cost less (the best of all
pairs, which one matrix product values), from several beginnings.

    python -m models.parity models/zoo/digits.safetensors digits
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.file import check_path, load, save
from models.golden import GoldenModel, as_lengths
from models.network import Network, NetworkError
from models.tasks import named
from models.tasks.data import Part, TaskError, without_validation
from models.writing import check_folder

__all__ = [
    "CALIBRATION",
    "LayerParities",
    "Parities",
    "assign_parities",
    "describe",
    "main",
    "measure_parities",
]

#: The totals of events of even and of odd positions differ by less than this share of their mean.
MOST_APART = 0.1

CALIBRATION = 4096
"""Training sequences that are looked at, at most."""

#: Steps that a search looks at, spread over all there are; results are judged by all.
_STEPS = 1 << 16
#: Beginnings, as many as this many multiplications allow, and at most so many.
_WORK, _BEGINNINGS = 1 << 32, 32
#: Multiplications of a matrix product that NumPy's library does without threads.
_THREADLESS = 1 << 18
#: Sequences computed at once; bounds memory.
_BATCH = 256

#: Which units changed, [steps, H].
Changed = NDArray[np.bool_]
#: +1 for each unit at an even position and -1 for one at an odd position, [H].
Sides = NDArray[np.int64]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class LayerParities:
    """What the events of one layer cost.

    Parameters
    ----------
    events_before, events : (int, int)
        Of even and of odd positions over all steps; with the units as they come, and as assigned.
    cost_before, cost : float
        Sum over the steps of max(n0, n1), over the sum of n / 2: 1 is two events at a time, always.
    least : float
        The cost that no assignment can beat, for an odd number of events leaves one without a
        companion.
    """

    events_before: tuple[int, int]
    events: tuple[int, int]
    cost_before: float
    cost: float
    least: float

    @property
    def apart_before(self) -> float:
        """Difference of the events of even and odd positions, over their mean, as they come."""
        return _apart(self.events_before)

    @property
    def apart(self) -> float:
        """The same as assigned."""
        return _apart(self.events)


@dataclass(frozen=True)
class Parities:
    """What the events of a network cost on some sequences.

    Parameters
    ----------
    steps : int
        Valid steps of the sequences.
    layers : tuple of LayerParities
    """

    steps: int
    layers: tuple[LayerParities, ...]

    def as_data(self) -> dict[str, Any]:
        """The figures for a JSON file."""
        return {
            "steps": self.steps,
            "layers": [
                {
                    "events": {"before": layer.events_before, "after": layer.events},
                    "apart": {"before": layer.apart_before, "after": layer.apart},
                    "cost": {
                        "before": layer.cost_before,
                        "after": layer.cost,
                        "least": layer.least,
                    },
                }
                for layer in self.layers
            ],
        }


def _apart(events: tuple[int, int]) -> float:
    return 2 * abs(events[0] - events[1]) / max(sum(events), 1)


def assign_parities(
    network: Network, x: ArrayLike, lengths: ArrayLike | None = None
) -> tuple[Network, Parities]:
    """Choose every layer's order of units by what changes on calibration data.

    First the totals of both parities come to differ by less than `MOST_APART`, if they can; of
    what is left the least sum over the steps of max(n0, n1) that is found is taken. The units of
    each parity stay in the order in which they come. The same arguments give the same order.

    Parameters
    ----------
    network : Network
        An order that it has already plays no part.
    x : float or integer array [N, T, I]
        Raw features, such as training data; never those that the network is judged by.
    lengths : integers [N], 1 to T, optional
        Valid steps of each sequence.

    Returns
    -------
    Network
        The same but for its order.
    Parities

    Raises
    ------
    NetworkError
        When the network cannot take the sequences, or there are none.
    """
    changed = _changes(network, x, lengths)
    order, first = [], 0
    for layer in changed:
        order.append(_search(layer, _sides(first, layer.shape[1])))
        first += layer.shape[1]
    assigned = replace(network, order=tuple(order))
    return assigned, _measure(assigned, changed)


def measure_parities(network: Network, x: ArrayLike, lengths: ArrayLike | None = None) -> Parities:
    """What the network's own order costs; parameters and errors as of `assign_parities`."""
    return _measure(network, _changes(network, x, lengths))


def _changes(network: Network, x: ArrayLike, lengths: ArrayLike | None) -> list[Changed]:
    """Which units of each layer changed, in each valid step of all sequences."""
    inputs = network.quantize(x)
    if inputs.ndim != 3 or 0 in inputs.shape:
        raise NetworkError(
            f"calibration must be sequences [N, T, I], none of them 0, not of shape {inputs.shape}"
        )
    count, steps, _ = inputs.shape
    valid = np.arange(steps) < as_lengths(lengths, count, steps)[:, None]
    model = GoldenModel(network)
    found: list[list[Changed]] = [[] for _ in network.layers]
    for start in range(0, count, _BATCH):
        part = slice(start, start + _BATCH)
        states = model.run(inputs[part], valid[part].sum(axis=1)).states
        for layer, after in zip(found, states, strict=True):
            before = np.concatenate([np.zeros_like(after[:, :1]), after[:, :-1]], axis=1)
            layer.append((after != before)[valid[part]])
    return [np.concatenate(layer) for layer in found]


def _measure(network: Network, changed: Sequence[Changed]) -> Parities:
    layers, first = [], 0
    for layer, order in zip(changed, network.order, strict=True):
        units = len(order)
        as_they_come = _sides(first, units)
        assigned = np.empty_like(as_they_come)
        assigned[order] = as_they_come
        several = layer.sum(axis=1)
        half = max(int(several.sum()), 1) / 2
        sums = [_difference(layer, sides) for sides in (as_they_come, assigned)]
        before, after = ((several + np.abs(apart)).sum() / 2 / half for apart in sums)
        layers.append(
            LayerParities(
                events_before=_events(layer, as_they_come),
                events=_events(layer, assigned),
                cost_before=float(before),
                cost=float(after),
                least=float(((several + 1) // 2).sum() / half),
            )
        )
        first += units
    return Parities(len(changed[0]), tuple(layers))


def _sides(first: int, units: int) -> Sides:
    """+1 where a position is even and -1 where it is odd; positions go on through all layers."""
    return 1 - 2 * ((first + np.arange(units)) % 2)


def _events(changed: Changed, sides: Sides) -> tuple[int, int]:
    total = changed.sum(axis=0)
    return int(total[sides > 0].sum()), int(total[sides < 0].sum())


def _difference(changed: Changed, sides: Sides) -> NDArray[np.int64]:
    """n0 - n1 of each step; the cost is its magnitude, but for what no assignment changes."""
    even, odd = changed[:, sides > 0], changed[:, sides < 0]
    return even.sum(axis=1) - odd.sum(axis=1)


def _search(changed: Changed, sides: Sides) -> NDArray[np.int16]:
    """Return the best order found; as the units come, where nothing is better."""
    steps, units = changed.shape
    stride = -(-steps // _STEPS)
    # Sums of so few ones are exact in float32, so in whatever order they are taken the search
    # goes the same way.
    sample = changed[::stride].astype(np.float32)
    most = _most_apart(int(sample.sum()))
    beginnings = max(1, min(_BEGINNINGS, _WORK // (len(sample) * units * units)))
    rng = np.random.default_rng(0)
    found = [sides]
    for number in range(beginnings):
        begin = rng.permutation(sides) if number else sides
        found.append(_descend(sample, begin, most))
    limit = _most_apart(int(changed.sum()))

    def rank(candidate: Sides) -> tuple[int, int]:
        apart = _difference(changed, candidate)
        return max(abs(int(apart.sum())) - limit, 0), int(np.abs(apart).sum())

    best = min(found, key=rank)
    order = np.empty(units, np.int16)
    for side in (1, -1):
        order[sides == side] = np.flatnonzero(best == side)
    return order


def _most_apart(events: int) -> int:
    """The largest difference of even and odd events that is less than `MOST_APART` of the mean."""
    return max(int(np.ceil(MOST_APART * events / 2)) - 1, 0)


def _descend(changed: Float, sides: Sides, most: int) -> Sides:
    """Swap an even and an odd unit, the best pair first, until no swap makes it better.

    Better is, first, less of a difference in all beyond `most`, and then a smaller sum of the
    magnitudes of n0 - n1. With d = n0 - n1 of a step, moving a unit that changed in it from even to
    odd adds ``away = abs(d - 2) - abs(d)``, moving one from odd to even ``here = abs(d + 2) -
    abs(d)``, and swapping two that both changed adds nothing; so all pairs are valued by a product
    of matrices, in which only steps with away + here != 0 count, those where abs(d) <= 1.
    """
    sides = sides.copy()
    apart = np.einsum("tu,u->t", changed, sides.astype(np.float32))
    events = changed.sum(axis=0, dtype=np.float64)
    # More than the cost can ever change by, so the difference in all always counts first.
    weight = 4.0 * changed.size + 1
    while True:
        even, odd = np.flatnonzero(sides > 0), np.flatnonzero(sides < 0)
        if not len(even) or not len(odd):
            return sides
        away = np.abs(apart - 2) - np.abs(apart)
        here = np.abs(apart + 2) - np.abs(apart)
        near = np.abs(apart) <= 1
        some, both = changed[near], (away + here)[near]
        gain = np.einsum("t,tu->u", away, changed)[even, None]
        gain = gain + np.einsum("t,tu->u", here, changed)[None, odd]
        gain = gain - _product(some[:, even] * both[:, None], some[:, odd])
        total = float(apart.sum(dtype=np.float64))
        swapped = total - 2 * events[even, None] + 2 * events[None, odd]
        beyond = np.maximum(np.abs(swapped) - most, 0) - max(abs(total) - most, 0)
        value = gain.astype(np.float64) + weight * beyond
        best = np.unravel_index(int(value.argmin()), value.shape)
        if value[best] >= 0:
            return sides
        left, right = even[best[0]], odd[best[1]]
        sides[left], sides[right] = -1, 1
        apart += 2 * (changed[:, right] - changed[:, left])


def _product(left: Float, right: Float) -> Float:
    """left.T @ right, a few rows at a time.

    NumPy's matrix product starts threads for larger ones, which wait for one another for ten times
    as long where the processor has other work.
    """
    rows = max(1, _THREADLESS // (left.shape[1] * right.shape[1]))
    total = np.zeros((left.shape[1], right.shape[1]), np.float32)
    for start in range(0, len(left), rows):
        total += left[start : start + rows].T @ right[start : start + rows]
    return total


def describe(parities: Parities) -> str:
    """The figures as lines of text, one for each layer."""
    lines = []
    for number, layer in enumerate(parities.layers):
        name = "parities" if len(parities.layers) == 1 else f"parities, layer {number}"
        lines.append(
            f"{name:18} {layer.events[0]} even and {layer.events[1]} odd events, "
            f"{100 * layer.apart:.1f} % apart (as they come {100 * layer.apart_before:.1f} %); "
            f"cost {layer.cost:.3f} ({layer.cost_before:.3f}; least {layer.least:.3f})"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m models.parity",
        description="Share a network's units out between even and odd positions of the engine, so "
        "that two events can be walked at a time in as many steps as possible. What a network "
        "computes stays the same, and so does the order of its units for everyone but the engine. "
        "Chosen by a task's training part; shown for its test part, too. The cost is the sum over "
        "the steps of the larger number of events, over that of half of all events.",
        epilog="examples:\n"
        "  python -m models.parity models/zoo/digits.safetensors digits\n"
        "  python -m models.parity build/old.safetensors digits --output build/new.safetensors\n"
        "  python -m models.parity build/mine.safetensors --data mine.npz --train-on all "
        "--output build/mine.safetensors\n"
        "\nmine.npz is what python -m models.train --data takes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="network file (.safetensors)")
    parser.add_argument("task", nargs="?", choices=named.TASKS, help="a task of this repository")
    named.add_options(parser)
    parser.add_argument(
        "--train-on",
        choices=("train", "all"),
        default="train",
        help="the training part (default), or all but the test part",
    )
    parser.add_argument(
        "--output", type=Path, help="network file to write; without it, figures are shown only"
    )
    options = parser.parse_args(argv)
    try:
        if options.output is not None:
            check_folder(check_path(options.output).parent)
        network = load(options.file)
        task = named.load_chosen(options)
        if options.train_on == "all":
            task = without_validation(task)
        calibration = task.train.first(CALIBRATION)
        assigned, parities = assign_parities(network, calibration.features, calibration.lengths)
        on_test = measure_parities(assigned, task.test.features, task.test.lengths)
        if options.output is not None:
            save(assigned, options.output)
    except (NetworkError, TaskError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(_heading("chosen by", calibration, parities))
    print(describe(parities))
    print(_heading("test part", task.test, on_test))
    print(describe(on_test))
    if options.output is not None:
        print(f"network            {options.output}")
    return 0


def _heading(what: str, part: Part, parities: Parities) -> str:
    return f"{what:18} {len(part)} sequences, {parities.steps} steps"


if __name__ == "__main__":
    sys.exit(main())
