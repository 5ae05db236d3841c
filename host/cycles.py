"""How many clock cycles the engine works: the emulator's half of a number that must agree.

Counted from the gateware's phases (hdl/core/sequencer.py); the tests compare every step with
the RTL. Each phase's constant below is the length of its pipeline and of the sequencer's
states around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.layout import (
    INPUT_RECORD_WORDS,
    LAYER_RECORD_WORDS,
    READOUT_RECORD_WORDS,
    LayerLayout,
    plan_layout,
)
from models.network import Network

#: A record of n words: n cycles, one more for the last word to arrive, one to start.
_RECORD = 2
#: From the start of the inputs to the first byte's event, and the state that starts them.
_INPUT_LATENCY = 3
_INPUT_STATES = 1
#: From the start of a pass to its first slot, through row pass and gate, to the last unit's
#: count; and the state that starts it.
_PASS = 13
_PASS_STATES = 1
#: From the start of the event list's draining to its first event; the state that starts it.
_DRAIN_LATENCY = 4
_DRAIN_STATES = 1
#: From the readout's last finished pair to the end of its storing and labelling.
_READOUT = 13
_READOUT_STATES = 1
#: The state that ends a layer, and the one that ends a step.
_END = 1
#: The counters at the end of each command.
_TALLY = 10


class CycleModel:
    """Cycles of each command on an engine with `lanes` lanes.

    Keeps what the engine keeps about fixed points, so commands must be told in order.

    Parameters
    ----------
    network : Network
    lanes : int
    """

    def __init__(self, network: Network, lanes: int) -> None:
        self._layout = plan_layout(network, lanes)
        self._always_reads = network.spec.readout.mode != "last"
        self._pairs = -(-network.spec.outputs // 2)
        self._planes = network.spec.readout.planes
        self._unsettled = True
        self._emitted = [False] * len(self._layout.layers)

    def reset(self) -> int:
        """Return the cycles of a sequence reset."""
        self._unsettled = True
        return self._layout.accumulator_words + _TALLY

    def step(self, moved: Sequence[bool], events: Sequence[int], due: bool) -> int:
        """Return the cycles of one time step.

        Parameters
        ----------
        moved : sequence of bool
            For each input, whether it differs from the step before (from 0 after a reset).
        events : sequence of int
            Units of each layer that changed.
        due : bool
            Whether an answer is due.
        """
        walk = self._layout.inputs.words
        cycles = INPUT_RECORD_WORDS + _RECORD + _INPUT_STATES
        cycles += _stream(moved, _INPUT_LATENCY, walk)
        emitted_below = any(moved)
        for index, (layer, count) in enumerate(zip(self._layout.layers, events, strict=True)):
            cycles += LAYER_RECORD_WORDS + _RECORD + _END
            if self._unsettled or emitted_below or self._emitted[index]:
                cycles += self._pass(layer, count)
            emitted_below = self._emitted[index] = count > 0
        cycles += _END
        self._unsettled = False
        if due or self._always_reads:
            slots = self._layout.readout_slots
            cycles += READOUT_RECORD_WORDS + _RECORD + _READOUT_STATES
            cycles += (self._pairs - 1) * slots + self._planes + _READOUT
        return cycles + _TALLY

    def replay(self, states: Iterable[Sequence[bool]]) -> int:
        """Return the cycles of a replay; for each layer, which units are not zero."""
        cycles = INPUT_RECORD_WORDS + _RECORD
        for layer, nonzero in zip(self._layout.layers, states, strict=True):
            cycles += LAYER_RECORD_WORDS + _RECORD + _DRAIN_STATES + _END
            cycles += _stream(nonzero, _DRAIN_LATENCY, layer.edge.words)
        self._unsettled = True
        return cycles + _TALLY

    @staticmethod
    def _pass(layer: LayerLayout, count: int) -> int:
        cycles = _PASS_STATES + layer.units * layer.slots + _PASS
        if count:
            cycles += _DRAIN_STATES + _DRAIN_LATENCY + 1 + count * layer.edge.words
        return cycles


def _stream(changed: Sequence[bool], latency: int, walk: int) -> int:
    """Return the cycles in which elements are compared one by one and changes are walked.

    An element is offered `latency` cycles after the start or one after the element before
    left; a changed one leaves when the walker takes it, which is free again in the cycle of
    the last of its `walk` words.
    """
    offered = latency
    free = 0
    for change in changed:
        if change:
            taken = max(offered, free)
            free = taken + walk
            offered = taken + 1
        else:
            offered += 1
    # The phase ends when the last element has left and the walker is idle.
    end = offered if changed[-1] else offered - 1
    return max(end, free + 1)
