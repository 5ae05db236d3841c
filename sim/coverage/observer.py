"""An engine that counts the situations it gets into; otherwise the same engine.

The counters look at the signals between the engine's parts and feed nothing back. They are
hardware, so that collecting costs a simulation little, whichever simulator it is.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.engine import Engine
from sim.coverage.bins import observed_names
from sim.coverage.watch_events import watch_events, watch_lists
from sim.coverage.watch_gate import watch_gate, watch_sums
from sim.coverage.watch_order import (
    watch_network,
    watch_phases,
    watch_resets,
    watch_streams,
    watch_tally,
)

#: A count of a few hundred million cycles would be needed to exceed it.
HIT_BITS = 28

_WATCHERS = (
    watch_network,
    watch_events,
    watch_lists,
    watch_sums,
    watch_gate,
    watch_phases,
    watch_streams,
    watch_tally,
    watch_resets,
)


class Parts:
    """The engine's parts by their names, whatever resets they are wrapped in."""

    def __init__(self, m: Module, engine: Engine) -> None:
        self._m = m
        self.engine = engine

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._m.submodules, name)
        return getattr(part, "_elaboratable_", part)


class ObservedEngine(Engine):
    """The engine, and a counter for each bin that shows inside it.

    Members
    -------
    coverage_shift : In(1)
        Count no more; the next bin's count comes to `coverage_hits` in the next cycle.
    coverage_hits : Out(28)
        The first bin's count at first; their order is that of `observed_names`.
    """

    def __init__(self, parameters):
        super().__init__(parameters)
        self.coverage_shift = Signal()
        self.coverage_hits = Signal(HIT_BITS)

    @property
    def signature(self):
        return wiring.Signature(
            {
                **dict(super().signature.members.items()),
                "coverage_shift": In(1),
                "coverage_hits": Out(HIT_BITS),
            }
        )

    def elaborate(self, platform):
        m = super().elaborate(platform)
        parts = Parts(m, self)
        conditions = {}
        for watch in _WATCHERS:
            conditions.update(watch(m, parts))
        wrong = conditions.keys() ^ set(observed_names())
        assert not wrong, f"either in the table of bins or counted here: {sorted(wrong)}"
        following = self.coverage_hits
        for number, name in enumerate(observed_names()):
            hits = following
            following = Signal(HIT_BITS, name=f"hits_{number + 1}")
            seen = Signal(name=f"seen_{number}")
            m.d.comb += seen.eq(conditions[name])
            m.d.sync += hits.eq(hits + seen)
            with m.If(self.coverage_shift):
                m.d.sync += hits.eq(following)
        return m
