"""Scripts that bring the engine into every situation of the table: drawn ones, directed ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models.golden import State
from models.layout import MIN_WALK, ceil_div
from models.network import (
    LayerWeights,
    Network,
    Normalisation,
    ReadoutWeights,
    longest_sum,
)
from models.random_networks import random_inputs, random_network
from models.spec import MAX_PLANES, LayerSpec, NetworkSpec, ReadoutSpec
from sim.coverage.bins import LARGEST_WALK
from sim.engine_cases import LARGEST, draw_network, draw_sequences, with_extreme_rows
from sim.engine_script import EngineScript

#: Words of an event that the table's bins ask for.
WALKS = [*range(MIN_WALK, 9), 12, 24, 48, 80]


def one_layer(
    seed: int,
    inputs: int,
    units: int,
    outputs: int,
    planes: tuple[int, int, int] = (1, 1, 1),
    density: float = 0.1,
    mode: str = "last",
) -> Network:
    """A network of one layer with its own number of planes for W, U and R."""
    rng = np.random.default_rng(seed)

    def matrix(count: int, rows: int, columns: int) -> tuple[Any, Any]:
        drawn = rng.choice(np.array([-1, 1], np.int8), (count, rows, columns))
        drawn[rng.random(drawn.shape) > density] = 0
        return drawn, rng.integers(0, 4, (count, rows)).astype(np.uint8)

    w, w_shift = matrix(planes[0], 2 * units, inputs)
    u, u_shift = matrix(planes[1], 2 * units, units)
    r, r_shift = matrix(planes[2], outputs, units)
    bias = rng.integers(-500, 1500, 2 * units).astype(np.int16)
    readout = ReadoutWeights(r, r_shift, rng.integers(-99, 99, outputs).astype(np.int16))
    spec = NetworkSpec(
        name=f"one-layer-{seed}",
        inputs=inputs,
        layers=(LayerSpec(inputs, units, 0, planes[0], planes[1]),),
        readout=ReadoutSpec(outputs, mode, planes[2]),
        max_steps=longest_sum(readout, 127) if mode == "sum" else None,
    )
    normalisation = Normalisation(np.zeros(inputs), np.ones(inputs))
    return Network(spec, (LayerWeights(w, w_shift, u, u_shift, bias),), readout, normalisation)


def groups_for(walk: int) -> tuple[int, int]:
    """Return planes and groups whose product is a walk, or the next one above."""
    return min(
        ((planes, ceil_div(walk, planes)) for planes in range(1, MAX_PLANES + 1)),
        key=lambda made: (made[0] * made[1], made[1]),
    )


def _walks(script: EngineScript) -> None:
    """Events of few and of many words: W alone for inputs, U and R together for units."""
    lanes = script.lanes
    for number, walk in enumerate([*WALKS, LARGEST_WALK["input"]]):
        planes, groups = groups_for(walk)
        rows = groups * lanes - (lanes - 2 if planes * groups < walk else 0)
        script.load(one_layer(number, 3, max(rows // 2, 1), 1, (planes, 1, 1)))
        script.sequence(random_inputs(number, script.network, 1, 2)[0])
    for number, walk in enumerate([*WALKS, LARGEST_WALK["unit"]]):
        # The readout takes as many words as it can, for it needs no units.
        r_planes, r_groups = min(
            ((p, g) for p in range(1, MAX_PLANES + 1) for g in range(1, 8) if p * g < walk),
            key=lambda made: (
                (walk - made[0] * made[1]) % MAX_PLANES + 9 * max(walk - made[0] * made[1], 0)
            ),
        )
        u_planes, u_groups = groups_for(walk - r_planes * r_groups)
        outputs = r_groups * lanes
        network = one_layer(number, 2, u_groups * lanes // 2, outputs, (1, u_planes, r_planes))
        script.load(network)
        script.sequence(random_inputs(number, network, 1, 2)[0])


def _drawn(script: EngineScript, seeds: range) -> None:
    for seed in seeds:
        network = draw_network(seed)
        script.load(network, check=seed % 8 == 0)
        for sequence in draw_sequences(seed, network):
            script.sequence(sequence)


def _largest(script: EngineScript, seed: int) -> None:
    network = with_extreme_rows(random_network(seed, **LARGEST), np.random.default_rng(seed))
    script.load(network)
    limit = network.spec.M
    script.sequence([[limit] * 257, [limit] * 257, [-limit] * 257])
    script.restore(every_state(script, limit))


def every_state(script: EngineScript, value: int, score: int = 5) -> State:
    """Return a state in which each unit has the same value, and each running sum."""
    spec = script.network.spec
    return State(
        tuple(np.full((1, units), value, np.int8) for units in spec.units),
        np.full((1, spec.outputs), score, np.int64),
        np.ones(1, np.int64),
    )


def _soft_resets(script: EngineScript, every: int) -> None:
    """A soft reset in each `every`-th cycle of each command, then work as if nothing was."""
    network = random_network(6, inputs=9, units=(13, 10), outputs=5, shifts=(0, 6), mode="sum")
    script.load(network)
    x = random_inputs(0, network, 1, 3)[0]
    script.sequence(x)
    for after in range(0, script.operations[-1]["cycles"] + every, every):
        script.step(x[0])
        script.abandon("step", after, x[1])
        script.sequence(x, reset=False)
    for part in range(1, 9, 2):
        script.abandon("step", 40, x[1][:part])
        script.sequence(x[:2], reset=False)
    for command, latest in (
        ("reset", 25),
        ("replay", 60),
        ("configure", 30),
        ("check", 100),
        ("tally", 40),
    ):
        for after in range(1, latest, every):
            script.restore(every_state(script, 3))
            script.abandon(command, after)
            script.sequence(x[:2], reset=False)


def _states(script: EngineScript) -> None:
    """Saved states of nothing, one unit, some and all; sums go on from where they were."""
    for mode in ("last", "sum"):
        network = random_network(4, inputs=5, units=(7, 6), outputs=4, mode=mode, theta=2)
        script.load(network)
        x = random_inputs(1, network, 1, 2)[0]
        for count in (0, 1, 4, 7):
            state = every_state(script, 0, score=(-1) ** count * (3 << 29))
            for h in state.h:
                h[0, :count] = -9
            script.restore(state)
            script.sequence(x, reset=False)


def _full_list(script: EngineScript) -> None:
    """A pass in which 256 units change, then one in which none does."""
    network = one_layer(1, 1, 256, 1, density=0)
    layer = replace(network.layers[0], b=np.full(512, 32767, np.int16))
    script.load(replace(network, layers=(layer,)))
    script.sequence([[1]] * 3)


def _ties(script: EngineScript) -> None:
    """The largest score twice, next to one another or not, in all modes."""
    for mode in ("last", "sum", "every"):
        for biases in ([5, 5, 1, 4], [3, 5, 5, 1], [-9, -7, -9, -7, -8]):
            network = one_layer(2, 3, 4, len(biases), density=0, mode=mode)
            readout = replace(network.readout, b=np.array(biases, np.int16))
            script.load(replace(network, readout=readout))
            script.sequence([[1, 2, 3]] * 2)


def _back_to_back(script: EngineScript) -> None:
    """Commands without an idle cycle between them."""
    for mode in ("last", "sum", "every"):
        network = random_network(9, inputs=6, units=(9, 5), outputs=5, mode=mode)
        script.load(network)
        x = random_inputs(2, network, 1, 6)[0]
        begin = len(script.operations)
        script.sequence(x)
        script.reset()
        for row in x[:3]:
            script.step(row, due=False)
        script.sequence(x[::-1])
        script.burst(begin)
        script.restore(script.state)
        replay = len(script.operations) - 1
        script.sequence(x[:3], reset=False)
        script.burst(replay)


def _refused(script: EngineScript) -> None:
    """A header that is none, and a soft reset without a network."""
    script.load(random_network(3))
    for field, value in {"words": [0] * 8, "header": {"network_valid": 0}}.items():
        script.operations[-1][field] = value
    script.operations[-1].update(state=None, scores=None)
    script.abandon("check", 3)
    script.operations[-1].update(state=None, scores=None)
    script.load(random_network(3))
    script.sequence(random_inputs(3, script.network, 1, 2)[0])


def _long(script: EngineScript) -> None:
    """So many cycles and events that both counters carry."""
    network = one_layer(5, 257, 1, 1, mode="sum")
    script.load(network)
    x = np.ones((2, 257), np.int8)
    x[1] = -1
    begin = len(script.operations)
    script.sequence(np.tile(x, (130, 1)))
    script.burst(begin)


def random_cases(lanes: int, seed: int, count: int) -> EngineScript:
    """Drawn networks on drawn sequences, with gaps."""
    script = EngineScript(lanes, seed, gaps=0.2)
    _drawn(script, range(seed, seed + count))
    return script


def directed_cases(lanes: int, seed: int) -> EngineScript:
    """What drawn networks would reach rarely or never."""
    script = EngineScript(lanes, seed)
    _refused(script)
    _walks(script)
    _largest(script, seed)
    _soft_resets(script, 1)
    _states(script)
    _full_list(script)
    _ties(script)
    _back_to_back(script)
    _long(script)
    return script
