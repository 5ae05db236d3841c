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
from models.word_format import PLAIN, WordFormat

#: A record of n words: n cycles, one more for the last word to arrive, one to start.
_RECORD = 2
#: From the start of the inputs to the first byte's comparison, and the state that starts them.
_INPUT_LATENCY = 2
_INPUT_STATES = 1
#: The state that starts a pass.
_PASS_STATES = 1
#: From a pass's first slot, or from a unit's last, to the cycle in which the list has its entry.
_ENTRY = 13
#: From the end of a pass's slots to the cycle in which the list is read first: the state that
#: sees the end, the one that starts the draining, and a cycle in the list.
_DRAIN_STATES = 3
#: The state that starts a replay's draining, and a cycle in the list.
_REPLAY_STATES = 2
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
    word_format : WordFormat
        How its store's words hold weights; also says how many events it takes a cycle.
    """

    def __init__(self, network: Network, lanes: int, word_format: WordFormat = PLAIN) -> None:
        self._layout = plan_layout(network, lanes, word_format)
        # What a pass reads comes so many cycles later than the constants above say.
        self._late = word_format.lanes_late
        self._at_once = word_format.events
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
        cycles += _stream(items, _INPUT_LATENCY, walk, self._at_once)
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
            cycles += (self._pairs - 1) * slots + self._planes + _READOUT + self._late
        return cycles + _TALLY

    def replay(self, states: Iterable[Sequence[bool]]) -> int:
        """Return the cycles of a replay; for each layer, which units are not zero."""
        cycles = INPUT_RECORD_WORDS + _RECORD
        for layer, nonzero in zip(self._layout.layers, states, strict=True):
            cycles += LAYER_RECORD_WORDS + _RECORD + _REPLAY_STATES + _END
            lists: tuple[list[_Entry], list[_Entry]] = ([], [])
            for unit, some in enumerate(nonzero):
                lists[(layer.state + unit) % 2].append((-1, bool(some)))
            cycles += _drain(lists, 0, -1, layer.edge.words, self._at_once)
        self._unsettled = True
        return cycles + _TALLY

    def _pass(self, layer: LayerLayout, changed: Sequence[bool]) -> int:
        """Return the cycles of a pass and of its events, which overlap."""
        latency = _ENTRY + self._late
        lists: tuple[list[_Entry], list[_Entry]] = ([], [])
        for unit, some in enumerate(changed):
            if some:
                entry = (unit + 1) * layer.slots + latency
                lists[(layer.state + unit) % 2].append((entry, True))
        slots = layer.units * layer.slots
        start, more, walk = slots + _DRAIN_STATES, slots + latency, layer.edge.words
        return _PASS_STATES + _drain(lists, start, more, walk, self._at_once)


#: An entry of the event list: the cycle in which it is there, and whether it is an event.
_Entry = tuple[int, bool]


def _drain(
    lists: tuple[Sequence[_Entry], Sequence[_Entry]], start: int, more: int, walk: int, at_once: int
) -> int:
    """Return the cycles until all events of the even and of the odd units have been walked.

    One entry is read a cycle, of the one list and of the other in turn, from cycle `start` on and
    until cycle `more` at least; that a list has entries left is known a cycle late. The next cycle
    it goes to its list's stream, unless an event is there that the walker does not take. The walker
    takes what is in both streams when it is free, or of one of them, the even one first, where it
    takes one event at once; it is free again in the cycle of the last of the `walk` words.
    """
    now, turn, started = start, 0, True
    read = [0, 0]
    entry: tuple[int, bool] | None = None  # which list's, and whether it is an event
    left = _left(lists, read, now - 1)
    offered = [False, False]
    free = taken = 0
    while started or entry is not None or any(offered):
        if any(offered) and now >= free:
            for parity in _taken(offered, at_once):
                offered[parity] = False
            free, taken = now + walk, now
        left_next = _left(lists, read, now)
        if entry is None or not offered[entry[0]]:
            if entry is not None:
                offered[entry[0]] = entry[1]
            entry = None
            if started:
                if left[turn]:
                    entry = (turn, lists[turn][read[turn]][1])
                    read[turn] += 1
                turn = 1 - turn
                started = now <= more or any(left)
        left = left_next
        now += 1
    return max(now + 1, free + 2 if taken else 0)


def _left(
    lists: tuple[Sequence[_Entry], Sequence[_Entry]], read: list[int], now: int
) -> list[bool]:
    """Return for each list whether there is an entry that has not been read."""
    return [
        number < len(entries) and entries[number][0] <= now
        for number, entries in zip(read, lists, strict=True)
    ]


def _taken(offered: Sequence[bool], at_once: int) -> list[int]:
    """Return the streams of which a free walker takes the event."""
    return [parity for parity, some in enumerate(offered) if some][:at_once]


def _stream(events: Sequence[tuple[int, bool]], latency: int, walk: int, at_once: int) -> int:
    """Return the cycles in which inputs are compared one by one and changes are walked.

    An input is its number and whether it is an event. It is compared `latency` cycles after the
    start, or one after the input before; it then goes to its parity's stream, and waits while an
    event is there that the walker does not take (see `_drain`).
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
            offered = [since is not None and since <= now for since in waiting]
            for parity in _taken(offered, at_once):
                waiting[parity] = None
            free, taken = now + walk, now

    now = latency - 1
    for number, event in events:
        now += 1
        take(now)
        while waiting[number % 2] is not None:
            now = max(now, free)
            take(now + 1)
        if event:
            waiting[number % 2] = now + 1
    take(now + len(events) * walk + walk)
    return max(now + 1, free + 1 if taken else 0)
