"""How many clock cycles the engine works: the emulator's half of a number that must agree.

Counted from the gateware's phases (hdl/core/sequencer.py); the tests compare every step with
the RTL. Each phase's constant below is the length of its pipeline and of the sequencer's
states around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

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
#: From the start of the inputs to the first byte's comparison, and the state that starts them.
_INPUT_LATENCY = 2
_INPUT_STATES = 1
#: From the start of a pass to its first slot, through row pass and gate, to the last unit's
#: count; and the state that starts it.
_PASS = 15
_PASS_STATES = 1
#: From the start of the event list's draining to its first entry's subtraction; the state that
#: starts it.
_DRAIN_LATENCY = 3
_DRAIN_STATES = 1
#: From the readout's last finished pair to the end of its storing and labelling.
_READOUT = 15
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

    def step(self, moved: Sequence[bool], events: Sequence[Sequence[bool]], due: bool) -> int:
        """Return the cycles of one time step.

        Parameters
        ----------
        moved : sequence of bool
            For each input, whether it differs from the step before (from 0 after a reset).
        events : sequence of sequence of bool
            For each layer, which units changed.
        due : bool
            Whether an answer is due.
        """
        walk = self._layout.inputs.words
        cycles = INPUT_RECORD_WORDS + _RECORD + _INPUT_STATES
        inputs = len(moved)
        items = [(inputs - i, move) for i, move in enumerate(moved)]
        cycles += _stream(items, _INPUT_LATENCY, walk)
        emitted_below = any(moved)
        for index, (layer, changed) in enumerate(zip(self._layout.layers, events, strict=True)):
            cycles += LAYER_RECORD_WORDS + _RECORD + _END
            if self._unsettled or emitted_below or self._emitted[index]:
                cycles += self._pass(layer, changed)
            emitted_below = self._emitted[index] = any(changed)
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
            items = [(layer.state + unit, some) for unit, some in enumerate(nonzero)]
            cycles += _stream(items, _DRAIN_LATENCY, layer.edge.words)
        self._unsettled = True
        return cycles + _TALLY

    @staticmethod
    def _pass(layer: LayerLayout, changed: Sequence[bool]) -> int:
        cycles = _PASS_STATES + layer.units * layer.slots + _PASS
        if any(changed):
            numbers = [layer.state + unit for unit, some in enumerate(changed) if some]
            even = [number for number in numbers if number % 2 == 0]
            odd = [number for number in numbers if number % 2]
            # One entry of each list in turn; where a list has ended, nothing.
            turns = [number for pair in zip_longest(even, odd) for number in pair]
            items = [None if number is None else (number, True) for number in turns]
            cycles += _DRAIN_STATES + _stream(items, _DRAIN_LATENCY, layer.edge.words)
        return cycles


def _stream(items: Sequence[tuple[int, bool] | None], latency: int, walk: int) -> int:
    """Return the cycles in which elements are compared one by one and changes are walked.

    An element is a source's number and whether it is an event; None is a cycle in which there is
    none. It is compared `latency` cycles after the start, or one after the element before; it then
    goes to its parity's stream, and waits while an event is there that the walker does not take.
    The walker takes what is in both streams when it is free, which it is again in the cycle of the
    last of the `walk` words.
    """
    waiting: list[int | None] = [None, None]  # since when an event is offered
    free = 0
    taken = 0

    def take(until: int) -> None:
        """Let the walker take events, in cycles before `until`."""
        nonlocal free, taken
        while offers := [since for since in waiting if since is not None]:
            now = max(free, min(offers))
            if now >= until:
                return
            for parity, since in enumerate(waiting):
                if since is not None and since <= now:
                    waiting[parity] = None
            free, taken = now + walk, now

    now = latency - 1
    for item in items:
        now += 1
        if item is None:
            continue
        number, event = item
        take(now)
        if waiting[number % 2] is not None:
            now = max(now, free)
            take(now + 1)
        if event:
            waiting[number % 2] = now + 1
    take(now + len(items) * walk + walk)
    return max(now + 1, free + 1 if taken else 0)
