"""A finite state machine with one flip-flop a state."""

from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.hdl import Elaboratable, Module, Signal


class OneHot(Elaboratable):
    """Like `amaranth.hdl.Module.FSM`, one flip-flop for each state instead of a binary code.

    A strobe is then a flip-flop itself, not a decoder of five bits: with about thirty states
    that halves the sequencer's logic and takes two levels off its paths (measured, see
    docs/decisions). The transitions of a state must exclude one another: two in one cycle
    would enter two states.

    Parameters
    ----------
    m : Module
        Where the machine lives.
    init : str
        First state.
    """

    def __init__(self, m: Module, init: str) -> None:
        self._m = m
        self._init = init
        self._states: dict[str, tuple[Signal, Signal, Signal]] = {}
        self._current = init

    def elaborate(self, platform):
        # Runs when the owner's description is complete, so all states are known.
        m = Module()
        for here, enter, leave in self._states.values():
            m.d.sync += here.eq(enter | (here & ~leave))
        return m

    def _state(self, name: str) -> tuple[Signal, Signal, Signal]:
        if name not in self._states:
            here = Signal(name=f"in_{name.lower()}", init=name == self._init)
            enter = Signal(name=f"enter_{name.lower()}")
            leave = Signal(name=f"leave_{name.lower()}")
            self._states[name] = here, enter, leave
        return self._states[name]

    @contextmanager
    def state(self, name: str) -> Iterator[None]:
        """Describe what happens in a state."""
        self._current = name
        with self._m.If(self._state(name)[0]):
            yield

    def go(self, name: str) -> None:
        """Leave the state that is being described, and enter another in the next cycle."""
        self._m.d.comb += [self._state(self._current)[2].eq(1), self._state(name)[1].eq(1)]
