"""Steps of this engine on test digits: emulated for all of them, in RTL for some.

The emulator's cycles are those of a model (`host.cycles`). They count because the RTL, played the
same sequences in Verilator, must take the same in every step, to the same states and logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from hdl.toolchain import ToolError
from host.compare import compare
from host.device import Device
from models.golden import GoldenModel
from models.network import Network
from models.tasks.data import Part

__all__ = ["Steps", "count_additions", "name_of", "run", "simulate"]


@dataclass(frozen=True)
class Steps:
    """A network's steps over a part.

    Attributes
    ----------
    cycles_mean, cycles_worst : float
        Of a step, a sequence's reset spread over its steps: over all steps, and of the sequence
        that takes the most.
    accuracy : float
        Share of the sequences that is right.
    additions : float
        Weights that a step's events add (or take off, or leave at nothing), on average.
    sequences, simulated : int
        How many were emulated, and how many of these were simulated in RTL as well.
    """

    cycles_mean: float
    cycles_worst: float
    accuracy: float
    additions: float
    sequences: int
    simulated: int


def name_of(parameters: EngineParameters) -> str:
    """Return a name for folders that tells engines apart."""
    packed = "-packed" * parameters.packed
    return f"{parameters.lanes}-{parameters.weights}-{parameters.events}{packed}"


def run(
    network: Network, parameters: EngineParameters, part: Part, simulated: int, case: str
) -> Steps:
    """Run a part on the emulator, and its first sequences in RTL.

    Parameters
    ----------
    network : Network
        Of classes.
    parameters : EngineParameters
        The engine that is built.
    part : Part
        Raw features.
    simulated : int
        Sequences in RTL, at least 1.
    case : str
        Name of the simulation, for its folder.

    Raises
    ------
    ValueError
        If emulator, golden model and RTL are not equal, cycles included.
    hdl.toolchain.ToolError
        If the simulator is missing.
    """
    x = network.quantize(part.features)
    with Device.open(
        "emulator",
        network=network,
        lanes=parameters.lanes,
        weights=parameters.weights,
        events=parameters.events,
        packed=parameters.packed,
    ) as device:
        compared = compare(device, part)
        emulated = [result.cycles for result in device.run_many(x[:simulated])]
    if not compared.exact:
        raise ValueError(f"{case}: the emulator's answers are not the golden model's")
    found = simulate(network, parameters, x[:simulated], case)
    if found != emulated:
        raise ValueError(f"{case}: the RTL takes {found} cycles, the emulator says {emulated}")
    return Steps(
        cycles_mean=compared.cycles_per_step_mean,
        cycles_worst=compared.cycles_per_step_worst,
        accuracy=compared.score,
        additions=count_additions(network, x) / compared.steps,
        sequences=compared.sequences,
        simulated=len(emulated),
    )


def simulate(
    network: Network, parameters: EngineParameters, x: NDArray[np.int8], case: str
) -> list[int]:
    """Run sequences in RTL, in Verilator, and return the cycles of each.

    Every step is compared: cycles and events, all states, and the logits where they are due.

    Parameters
    ----------
    network : Network
    parameters : EngineParameters
    x : int8 [N, T, I]
    case : str
        Name of the simulation, for its folder.

    Returns
    -------
    list of int
        Cycles of each sequence, its reset included.

    Raises
    ------
    ValueError
        If the RTL does anything else than golden model and cycle model.
    hdl.toolchain.ToolError
        If the simulator or cocotb is missing.
    """
    try:
        from sim.engine_script import EngineScript
        from sim.runner import BenchFailure, MissingSimulator, run_bench
    except ImportError as error:
        raise ToolError(
            f"{error.name} is not installed; it simulates the engine. "
            "Get it with pip install -e '.[test]' in the repository",
            tool=str(error.name),
        ) from error
    script = EngineScript(parameters.lanes, word_format=parameters.word_format)
    script.load(network)
    cycles = []
    for sequence in x:
        begin = len(script.operations)
        script.sequence(sequence)
        cycles.append(sum(operation["cycles"] for operation in script.operations[begin:]))
    try:
        run_bench(
            Engine(parameters),
            "sim.benches.engine",
            "verilator",
            name=f"hardware-{name_of(parameters)}",
            case=f"hardware-{case}",
            data={"operations": script.operations},
        )
    except MissingSimulator as error:
        raise ToolError(str(error), tool="verilator") from error
    except BenchFailure as error:
        raise ValueError(f"the RTL differs from golden model or cycle model: {error}") from error
    return cycles


def count_additions(network: Network, x: NDArray[np.int8]) -> int:
    """Count the weights of all events: each source that changes reaches every row it feeds.

    A weight of zero counts: the engine handles it, as a dense computation would.

    Parameters
    ----------
    network : Network
    x : int8 [N, T, I]
    """
    spec = network.spec
    # By layer of sources, the inputs first: what changed, from zero at first.
    sources = (x, *GoldenModel(network).run(x).states)
    events = [
        int(np.count_nonzero(np.diff(values.astype(np.int64), axis=1, prepend=0)))
        for values in sources
    ]
    total = 0
    for below, own, layer in zip(events, events[1:], spec.layers, strict=False):
        rows = 2 * layer.units
        total += rows * (layer.input_planes * below + layer.recurrent_planes * own)
    return total + spec.outputs * spec.readout.planes * events[-1]
