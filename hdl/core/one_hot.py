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
        self._states: dict[str, tuple[Signal, Signal]] = {}
        self._leave = Signal(name="leave")

    def elaborate(self, platform):
        # Runs when the owner's description is complete, so all states are known.
        m = Module()
        for here, enter in self._states.values():
            m.d.sync += here.eq(enter | (here & ~self._leave))
        return m

    def _state(self, name: str) -> tuple[Signal, Signal]:
        if name not in self._states:
            here = Signal(name=f"in_{name.lower()}", init=name == self._init)
            enter = Signal(name=f"enter_{name.lower()}")
            self._states[name] = here, enter
        return self._states[name]

    @contextmanager
    def state(self, name: str) -> Iterator[None]:
        """Describe what happens in a state."""
        with self._m.If(self._state(name)[0]):
            yield

    def go(self, name: str) -> None:
        """Enter a state in the next cycle."""
        _, enter = self._state(name)
        self._m.d.comb += [self._leave.eq(1), enter.eq(1)]
