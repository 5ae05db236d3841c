"""The order of a step: passes over matrices, column by column, without a gap but one a pass."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bench.gru.lanes import LANES
from bench.gru.model import Sizes
from bench.gru.signatures import COLUMN_BITS, Pass


class Sequencer(wiring.Component):
    """Issue a column in each cycle, then a turn; the next pass follows at once.

    For each group of eight units the four passes of `Pass`, then the readout's rows, eight by
    eight. A turn waits where the elementwise part has not yet read what the pass would replace;
    a column of the readout waits for its unit's new state.

    Latency: the first column is issued in the cycle after `start`.

    Members
    -------
    start : In(1)
        Begin a step; only while not `busy`.
    due : In(1)
        With `start`: the readout follows.
    state_valid : In(1)
        A unit's new state is written in this cycle.
    candidates_open, states_open : In(1)
        See `Elementwise`.
    draining : In(1)
        Totals are under way to become logits.
    column : Out(8)
        Number of the column; the input's come before the state's.
    of_state : Out(1)
        It is the state's.
    new : Out(1)
        It is the new state's.
    issue : Out(1)
        The column is issued in this cycle.
    turn : Out(1)
        The pass ends in this cycle, which issues no column.
    kind : Out(Pass)
        Of this cycle's pass.
    busy : Out(1)
        From the cycle after `start` until all is written.
    """

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._readouts = -(-sizes.outputs // LANES)
        super().__init__(
            {
                "start": In(1),
                "due": In(1),
                "state_valid": In(1),
                "candidates_open": In(1),
                "states_open": In(1),
                "draining": In(1),
                "column": Out(COLUMN_BITS),
                "of_state": Out(1),
                "new": Out(1),
                "issue": Out(1),
                "turn": Out(1),
                "kind": Out(Pass),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        size = self._sizes
        groups = size.hidden // LANES
        due = Signal()
        groups_left = Signal(range(max(groups, self._readouts)))
        # What this cycle does; each decision is made in the cycle before, from registers.
        multiply, end, settle = Signal(), Signal(), Signal()
        is_last = Signal()
        hold, missing = Signal(), Signal()
        m.d.comb += [
            self.issue.eq(multiply & ~missing),
            self.turn.eq(end & ~hold),
            self.new.eq(self.kind == Pass.READOUT),
            self.of_state.eq(self.column >= size.inputs),
        ]
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                due.eq(self.due),
                self.kind.eq(Pass.CANDIDATE_STATE),
                self.column.eq(size.inputs),
                groups_left.eq(groups - 1),
                multiply.eq(1),
            ]
        with m.If(self.issue):
            before_last = Mux(self.kind == Pass.CANDIDATE_INPUT, size.inputs - 2, size.columns - 2)
            m.d.sync += [
                self.column.eq(self.column + 1),
                is_last.eq(self.column == before_last),
                multiply.eq(~is_last),
                end.eq(is_last),
            ]
        # What a turn waits for is open long before, so that it may be seen a cycle late.
        m.d.sync += hold.eq(
            ((self.kind == Pass.CANDIDATE_STATE) & self.candidates_open)
            | ((self.kind == Pass.UPDATE) & self.states_open)
        )
        with m.If(self.turn):
            m.d.sync += [end.eq(0), multiply.eq(1)]
            self._next_pass(m, multiply, settle, due, groups_left)
        self._wait_for_states(m, missing, is_last)
        # Either the logits are the last to come or, without a readout, the states, of which
        # the last is written in the cycle that closes them.
        with m.If(settle & ~Mux(due, self.draining, self.states_open)):
            m.d.sync += [settle.eq(0), self.busy.eq(0)]
        return m

    def _wait_for_states(self, m: Module, missing: Signal, is_last: Signal) -> None:
        """Set `missing` where the readout's next column is the one behind the newest state."""
        newest = Signal(COLUMN_BITS)
        with m.If(self.start):
            m.d.sync += newest.eq(self._sizes.inputs - 1)
        with m.Elif(self.state_valid):
            m.d.sync += newest.eq(newest + 1)
        catches_up = self.new & ~is_last & (self.column == newest)
        m.d.sync += missing.eq(~self.state_valid & Mux(self.issue, catches_up, missing))
        if self._sizes.hidden == LANES:
            # A single group: the readout begins before there is any new state.
            with m.If(self.turn & (self.kind == Pass.UPDATE)):
                m.d.sync += missing.eq(1)

    def _next_pass(
        self, m: Module, multiply: Signal, settle: Signal, due: Signal, left: Signal
    ) -> None:
        m.d.sync += self.column.eq(0)
        with m.Switch(self.kind):
            with m.Case(Pass.CANDIDATE_STATE):
                m.d.sync += self.kind.eq(Pass.RESET)
            with m.Case(Pass.RESET):
                m.d.sync += self.kind.eq(Pass.CANDIDATE_INPUT)
            with m.Case(Pass.CANDIDATE_INPUT):
                m.d.sync += self.kind.eq(Pass.UPDATE)
            with m.Case(Pass.UPDATE):
                m.d.sync += [
                    self.kind.eq(Pass.CANDIDATE_STATE),
                    self.column.eq(self._sizes.inputs),
                    left.eq(left - 1),
                ]
                with m.If(left == 0):
                    m.d.sync += [
                        self.kind.eq(Pass.READOUT),
                        left.eq(self._readouts - 1),
                        multiply.eq(due),
                        settle.eq(~due),
                    ]
            with m.Case(Pass.READOUT):
                m.d.sync += [
                    self.column.eq(self._sizes.inputs),
                    left.eq(left - 1),
                ]
                with m.If(left == 0):
                    m.d.sync += [multiply.eq(0), settle.eq(1)]
