"""A word-level network on devices: is it exact, and what do two heads cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hdl.toolchain import ToolError
from host.device import Device
from host.errors import SimulatorError
from models.golden import GoldenModel
from models.network import Network, ReadoutWeights
from models.spec import FRACTION_BITS
from models.words import Table, one_hot, word_log_probabilities

__all__ = ["EngineRun", "one_head", "run_engine"]


@dataclass(frozen=True)
class EngineRun:
    """What was simulated.

    Attributes
    ----------
    device : str
    half_steps : int
    logits_compared, logits_different : int
        With the golden model's, both heads of every half-step.
    perplexity : float
        Of the words that were asked for.
    input_events : float
        Inputs that changed in a half-step, on average: those that the engine has counted, less the
        states of the golden model that changed.
    state_events : float
        States that changed in a half-step, on average.
    cycles : float
        A half-step, on average.
    cycles_one_head : float
        The same network with the outputs of one head only.
    """

    device: str
    half_steps: int
    logits_compared: int
    logits_different: int
    perplexity: float
    input_events: float
    state_events: float
    cycles: float
    cycles_one_head: float

    @property
    def exact(self) -> bool:
        """Whether every logit is the golden model's."""
        return self.logits_different == 0


def one_head(network: Network) -> Network:
    """A network with the first half of another's outputs."""
    readout, outputs = network.readout, network.spec.outputs // 2
    spec = replace(network.spec, readout=replace(network.spec.readout, outputs=outputs))
    kept = ReadoutWeights(
        readout.R[:, :outputs], readout.R_shift[:, :outputs], readout.b[:outputs]
    )  # fmt: skip
    return Network(spec, network.layers, kept, network.normalisation, network.order)


def run_engine(device: str, network: Network, table: Table, words: NDArray[np.int64]) -> EngineRun:
    """Run words through a network and through the same with one head.

    Parameters
    ----------
    device : str
        As for `Device.open`.
    network : Network
    table : Table
    words : int64 [n]
        The first one is not asked for.

    Raises
    ------
    ToolError
        If the simulated board cannot be built.
    """
    spec = network.spec
    steps = table.half_steps(words)
    inputs = one_hot(steps[1:-1], spec.inputs, spec.M)
    golden = GoldenModel(network).run(inputs[None])
    states = golden.states[0][0]
    changed = int((np.diff(states, axis=0, prepend=np.zeros_like(states[:1])) != 0).sum())
    try:
        with Device.open(device, network=network) as opened:
            before = opened.counters().events
            result = opened.run(inputs)
            events = opened.counters().events - before
            opened.load(one_head(network))
            alone = opened.run(inputs).cycles
    except SimulatorError as error:
        raise ToolError(str(error), tool="verilator") from error
    logits = np.array([one.logits for one in result.every])
    scores = word_log_probabilities(
        logits / (1 << (spec.hb + FRACTION_BITS)), steps[2:], table.side
    )
    count = len(inputs)
    return EngineRun(
        device,
        count,
        logits.size,
        int((logits != golden.logits[0]).sum()),
        float(np.exp(-scores.mean())),
        (events - changed) / count,
        changed / count,
        result.cycles / count,
        alone / count,
    )
