"""How many clock cycles the engine works: the emulator's half of a number that must agree.

Counted from the gateware's phases (hdl/core/sequencer.py); the tests compare every step with
the RTL. Each phase's constant below is the length of its pipeline and of the sequencer's
states around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.layout import LayerLayout, plan_layout
from models.network import Network
from models.word_format import PLAIN, WordFormat

#: The state that starts a step, and its inputs.
_STEP_STATES = 1
#: From the start of the inputs to the first byte's comparison.
_INPUT_LATENCY = 2
#: The state that starts a pass.
_PASS_STATES = 1
#: From a pass's first slot, or from a unit's last, to the cycle in which the list has its entry.
_ENTRY = 13
#: From the end of a pass's slots to the cycle in which the list is read first: the state that
#: sees the end, the one that starts the draining, and a cycle in the list.
_DRAIN_STATES = 3
#: A layer that is skipped: its edge, the next pass, and what follows.
_SKIP_STATES = 5
#: From one layer to the next, and the state that ends a step or a replay.
_NEXT_STATES = 2
_END = 1
#: From the readout's last finished pair to the end of its storing and labelling.
_READOUT = 15
#: The states that start a replay; those that start a layer's draining, and a cycle in the list;
#: and the one between two layers.
_REPLAY_STATES = 2
_REPLAY_LAYER_STATES = 5
_REPLAY_NEXT_STATES = 1


class CycleModel:
    """Cycles of each command on an engine with `lanes` lanes.

    Keeps what the engine keeps about fixed points, so commands must be told in order.

    Parameters
    ----------
    network : Network
    lanes : int
    word_format : WordFormat
        How its store's words hold weights; also says how many events it takes a cycle.

    Attributes
    ----------
    adding, reading : int
        Of all the cycles told so far: those in which lanes add events, and those in which a pass
        or the readout reads them.
    """

    def __init__(self, network: Network, lanes: int, word_format: WordFormat = PLAIN) -> None:
        self._layout = plan_layout(network, lanes, word_format)
        self._order = [order.tolist() for order in network.order]
        # What a pass reads comes so many cycles later than the constants above say.
        self._late = word_format.lanes_late
        self._at_once = word_format.events
        self._always_reads = network.spec.readout.mode != "last"
        self._pairs = -(-network.spec.outputs // 2)
        self._planes = network.spec.readout.planes
        self.adding = 0
        self.reading = 0
        self._unsettled = True
        self._emitted = [False] * len(self._layout.layers)

    def reset(self) -> int:
        """Return the cycles of a sequence reset."""
        self._unsettled = True
        return self._layout.accumulator_words

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
        events = self._by_position(events)
        inputs = len(moved)
        items = [(inputs - i, move) for i, move in enumerate(moved)]
        walk = self._layout.inputs.words
        cycles = _STEP_STATES + self._walked(
            *_stream(items, _INPUT_LATENCY, walk, self._at_once), walk
        )
        emitted_below = any(moved)
        for index, (layer, changed) in enumerate(zip(self._layout.layers, events, strict=True)):
            if index:
                cycles += _NEXT_STATES
            if self._unsettled or emitted_below or self._emitted[index]:
                cycles += self._pass(layer, changed)
            else:
                cycles += _SKIP_STATES
            emitted_below = self._emitted[index] = any(changed)
        cycles += _END
        self._unsettled = False
        if due or self._always_reads:
            slots = (self._pairs - 1) * self._layout.readout_slots + self._planes
            cycles += slots + _READOUT + self._late
            self.reading += self._pairs * self._layout.readout_slots
        return cycles

    def replay(self, states: Iterable[Sequence[bool]]) -> int:
        """Return the cycles of a replay; for each layer, which units are not zero."""
        cycles = _REPLAY_STATES + _END
        for index, (layer, nonzero) in enumerate(
            zip(self._layout.layers, self._by_position(states), strict=True)
        ):
            if index:
                cycles += _REPLAY_NEXT_STATES
            lists: tuple[list[_Entry], list[_Entry]] = ([], [])
            for unit, some in enumerate(nonzero):
                lists[(layer.state + unit) % 2].append((-1, bool(some)))
            walk = layer.edge.words
            cycles += _REPLAY_LAYER_STATES + self._walked(
                *_drain(lists, 0, -1, walk, self._at_once, waits=False), walk
            )
        self._unsettled = True
        return cycles

    def _by_position(self, layers: Iterable[Sequence[bool]]) -> list[list[bool]]:
        """Return what is said of each layer's units in the order in which the engine holds them."""
        return [
            [units[unit] for unit in order]
            for units, order in zip(layers, self._order, strict=True)
        ]

    def _pass(self, layer: LayerLayout, changed: Sequence[bool]) -> int:
        """Return the cycles of a pass and of its events, which overlap."""
        latency = _ENTRY + self._late
        lists: tuple[list[_Entry], list[_Entry]] = ([], [])
        for unit, some in enumerate(changed):
            if some:
                entry = (unit + 1) * layer.slots + latency
                lists[(layer.state + unit) % 2].append((entry, True))
        slots = layer.units * layer.slots
        self.reading += slots
        start, more, walk = slots + _DRAIN_STATES, slots + latency, layer.edge.words
        return _PASS_STATES + self._walked(*_drain(lists, start, more, walk, self._at_once), walk)

    def _walked(self, cycles: int, walks: int, walk: int) -> int:
        """Count the cycles of walks, and return all cycles of the phase that they belong to."""
        self.adding += walks * walk
        return cycles


#: An entry of the event list: the cycle in which it is there, and whether it is an event.
_Entry = tuple[int, bool]


def _drain(
    lists: tuple[Sequence[_Entry], Sequence[_Entry]],
    start: int,
    more: int,
    walk: int,
    at_once: int,
    waits: bool = True,
) -> tuple[int, int]:
    """Return the cycles until all events of the even and odd units have been walked, and the walks.

    One entry is read a cycle, of the one list and of the other in turn, from cycle `start` on and
    until cycle `more` at least; that a list has entries left is known a cycle late. The next cycle
    it goes to its list's stream, unless an event is there that the walker does not take. The walker
    takes what is in both streams when it is free, or of one of them, the even one first, where it
    takes one event at once; it is free again in the cycle of the last of the `walk` words. Where it
    takes two, an event that comes alone waits a cycle if an entry follows it, but not in a replay.
    """
    now, turn, started = start, 0, True
    read = [0, 0]
    entry: tuple[int, bool] | None = None  # which list's, and whether it is an event
    left = _left(lists, read, now - 1)
    offered = [False, False]
    hold = False
    free = walks = 0
    while started or entry is not None or any(offered):
        reading = started and left[turn]
        follows = entry is not None and entry[1] and reading and not any(offered)
        hold_next = follows and at_once > 1 and waits
        if any(offered) and now >= free and not hold:
            for parity in _taken(offered, at_once):
                offered[parity] = False
            free, walks = now + walk, walks + 1
        left_next = _left(lists, read, now)
        if entry is None or not offered[entry[0]]:
            if entry is not None:
                offered[entry[0]] = entry[1]
            entry = None
            if started:
                if reading:
                    entry = (turn, lists[turn][read[turn]][1])
                    read[turn] += 1
                turn = 1 - turn
                started = now <= more or any(left)
        left, hold = left_next, hold_next
        now += 1
    return max(now + 1, free + 2 if walks else 0), walks


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


def _stream(
    events: Sequence[tuple[int, bool]], latency: int, walk: int, at_once: int
) -> tuple[int, int]:
    """Return the cycles in which inputs are compared one by one and changes walked, and the walks.

    An input is its number and whether it is an event. It is compared `latency` cycles after the
    start, or one after the input before; it then goes to its parity's stream, and waits while an
    event is there that the walker does not take (see `_drain`). The input after one that waited is
    compared two cycles after it went on.
    """
    waiting: list[int | None] = [None, None]  # since when an event is offered
    free = walks = held = 0

    def take(until: int) -> None:
        """Let the walker take events, in cycles before `until`."""
        nonlocal free, walks
        while offers := [since for since in waiting if since is not None]:
            now = max(free, held, min(offers))
            if now >= until:
                return
            offered = [since is not None and since <= now for since in waiting]
            for parity in _taken(offered, at_once):
                waiting[parity] = None
            free, walks = now + walk, walks + 1

    now = latency - 1
    stuck = False
    for index, (number, event) in enumerate(events):
        now += 1 + stuck
        take(now)
        alone = waiting == [None, None] and at_once > 1
        stuck = waiting[number % 2] is not None
        while waiting[number % 2] is not None:
            now = max(now, free, held)
            take(now + 1)
        if event:
            waiting[number % 2] = now + 1
            if alone and index + 1 < len(events):
                held = now + 2
    take(now + len(events) * (walk + 1) + walk)
    return max(now + 1, free + 1 if walks else 0), walks
