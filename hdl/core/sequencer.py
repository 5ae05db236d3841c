"""The sequencer: the order of a step's phases, and nothing else."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.one_hot import OneHot
from hdl.core.reader import Header
from hdl.core.signatures import (
    LANE_ADDRESS_BITS,
    CommandLayout,
    Mode,
    Operation,
)


class Sequencer(wiring.Component):
    """Run commands.

    A step is: input events, then for each layer its pass and its events, then the readout
    where it is due. The phases of a step do not overlap, but for a pass's last units and its first
    events, which makes the order rules of docs/architecture.md true by construction; the engine
    asserts them all the same. Strobes depend on the state alone, or on a register with it, so that
    no condition reaches a far register in the cycle in which it arises.

    A layer's pass is skipped when nothing reached its accumulators since its last pass: no
    event of its inputs in this step and none of its own in its last pass (a fixed point).

    Members
    -------
    command : In(stream of CommandLayout)
        Accepted while idle.
    busy : Out(1)
        A command is being carried out.
    working : Out(1)
        It is a step, a reset or a replay, whose cycles count.
    idle : Out(1)
        No command, and no tally.
    quiet : In(1)
        Nobody looks at the memories: counts may be added though no command waits.
    network_valid : In(1)
    configured, configure_ok : Out(1)
        Strobe at the end of a configuration, and whether the header was right.
    reader_* : to `Reader`
    clear, clear_address : Out
        Clear this accumulator of every lane; the address is zero while not clearing.
    inputs_*, list_*, pass_*, readout_*, check_*, tally_* : starts and states of the other parts
    walker_busy : In(1)
    pass_reads : In(1)
        Accumulators are being read.
    pass_pending : In(1)
        From `pass_start` until the last sums, or the last new state, have come out.
    draining : Out(1)
        Events are a layer's, not the inputs'.
    gating, reading : Out(1)
        A pass's sums belong to the gate, or to the readout.
    inputs_fresh, state_fresh, scores_fresh : Out(1)
        Nothing since the reset: previous inputs, states, scores are zero.
    """

    command: In(stream.Signature(CommandLayout))
    busy: Out(1)
    working: Out(1)
    idle: Out(1)
    quiet: In(1)
    network_valid: In(1)
    configured: Out(1)
    configure_ok: Out(1)
    header: In(Header)
    header_ok: In(1)
    reader_home: Out(1)
    reader_rewind: Out(1)
    reader_header: Out(1)
    reader_edge: Out(1)
    reader_pass: Out(1)
    reader_prefetch: Out(1)
    reader_jump: Out(1)
    clear: Out(1)
    clear_address: Out(LANE_ADDRESS_BITS)
    inputs_start: Out(1)
    inputs_busy: In(1)
    inputs_changed: In(1)
    inputs_fresh: Out(1)
    walker_busy: In(1)
    draining: Out(1)
    pass_start: Out(1)
    pass_reads: In(1)
    pass_pending: In(1)
    gating: Out(1)
    list_clear: Out(1)
    list_drain: Out(1)
    list_replay: Out(1)
    list_busy: In(1)
    list_more: Out(1)
    list_empty: In(1)
    readout_start: Out(1)
    readout_busy: In(1)
    reading: Out(1)
    tally_full: In(1)
    tally_start: Out(1)
    tally_pending: In(1)
    check_start: Out(1)
    check_busy: In(1)
    state_fresh: Out(1)
    scores_fresh: Out(1)

    def elaborate(self, platform):
        m = Module()
        due = Signal(reset_less=True)
        replay = Signal(reset_less=True)
        configuring = Signal(reset_less=True)
        checking = Signal(reset_less=True)
        layer = Signal(2, reset_less=True)
        emitted = Signal(4, reset_less=True)
        emitted_below = Signal(reset_less=True)
        unsettled = Signal(init=1)
        clearing = Signal(LANE_ADDRESS_BITS, reset_less=True)
        draining = Signal()
        uncounted = Signal()
        # Conditions of several bits are registers, long stable when a state looks at them.
        last_layer = Signal(reset_less=True)
        settled_now = Signal()
        settled = Signal(reset_less=True)
        finished = Signal(reset_less=True)
        reads = Signal(reset_less=True)
        command = self.command.payload
        m.d.comb += [
            self.busy.eq(~self.idle),
            self.working.eq(~uncounted),
            settled_now.eq(~(unsettled | emitted_below | emitted.bit_select(layer, 1))),
            self.list_replay.eq(replay),
            self.list_more.eq(~finished),
            self.clear_address.eq(clearing & self.clear.replicate(LANE_ADDRESS_BITS)),
        ]
        m.d.sync += [
            last_layer.eq(layer == self.header.layers),
            settled.eq(settled_now),
            finished.eq(~self.pass_pending),
            reads.eq(~replay & (due | (self.header.mode != Mode.LAST))),
            self.draining.eq(draining),
        ]

        m.submodules.fsm = fsm = OneHot(m, init="BOOT")
        with fsm.state("BOOT"):
            # After power-up or a link's SYNC: a network that is there is read again.
            m.d.comb += uncounted.eq(1)
            m.d.sync += [configuring.eq(1), checking.eq(0), replay.eq(0), clearing.eq(0)]
            with m.If(self.network_valid):
                fsm.go("CONFIGURE")
            with m.Else():
                fsm.go("IDLE")

        with fsm.state("IDLE"):
            m.d.comb += [
                self.command.ready.eq(~self.tally_full),
                self.idle.eq(1),
                uncounted.eq(1),
                self.reader_rewind.eq(1),
            ]
            m.d.sync += [
                due.eq(command.due),
                replay.eq(command.op == Operation.REPLAY),
                checking.eq(command.op == Operation.CHECK),
                configuring.eq(0),
                layer.eq(0),
                clearing.eq(0),
            ]
            with m.If(self.tally_full):
                with m.If(self.quiet | self.command.valid):
                    fsm.go("TALLY")
            with m.Elif(self.command.valid), m.Switch(command.op):
                with m.Case(Operation.STEP):
                    fsm.go("STEP")
                with m.Case(Operation.RESET):
                    fsm.go("CLEAR")
                with m.Case(Operation.REPLAY):
                    fsm.go("REPLAY")
                with m.Case(Operation.TALLY):
                    fsm.go("TALLY")
                with m.Default():
                    fsm.go("CONFIGURE")

        # Configuration and checksum: the header first.
        with fsm.state("CONFIGURE"):
            m.d.comb += [uncounted.eq(1), self.reader_home.eq(1)]
            m.d.sync += configuring.eq(1)
            fsm.go("HEADER")

        with fsm.state("HEADER"):
            m.d.comb += [uncounted.eq(1), self.reader_header.eq(1)]
            fsm.go("HEADER_END")

        with fsm.state("HEADER_END"):
            m.d.comb += [uncounted.eq(1), self.reader_header.eq(1)]
            fsm.go("HEADER_WAIT")

        with fsm.state("HEADER_WAIT"):
            m.d.comb += uncounted.eq(1)
            fsm.go("HEADER_ARRIVES")

        with fsm.state("HEADER_ARRIVES"):
            m.d.comb += uncounted.eq(1)
            with m.If(checking):
                fsm.go("CHECK")
            with m.Else():
                fsm.go("CONFIGURED")

        with fsm.state("CONFIGURED"):
            m.d.comb += [
                uncounted.eq(1),
                self.configured.eq(1),
                self.configure_ok.eq(self.header_ok),
            ]
            with m.If(self.header_ok):
                fsm.go("CLEAR")
            with m.Else():
                fsm.go("IDLE")

        with fsm.state("CHECK"):
            m.d.comb += [uncounted.eq(1), self.check_start.eq(1)]
            fsm.go("CHECKING")

        with fsm.state("CHECKING"):
            m.d.comb += uncounted.eq(1)
            with m.If(~self.check_busy):
                fsm.go("IDLE")

        # Reset.
        with fsm.state("CLEAR"):
            m.d.comb += [uncounted.eq(configuring), self.clear.eq(1)]
            m.d.sync += [
                clearing.eq(clearing + 1),
                self.inputs_fresh.eq(1),
                self.state_fresh.eq(1),
                self.scores_fresh.eq(1),
                unsettled.eq(1),
            ]
            with m.If(clearing == self.header.accumulators):
                fsm.go("IDLE")

        # A step's inputs. Their edge and the first layer's pass are read while the first of them
        # are compared.
        with fsm.state("STEP"):
            m.d.comb += [self.inputs_start.eq(1), self.reader_edge.eq(1)]
            fsm.go("STEP_PASS")

        with fsm.state("STEP_PASS"):
            m.d.comb += self.reader_pass.eq(1)
            m.d.sync += emitted_below.eq(self.inputs_changed)
            fsm.go("INPUT")

        with fsm.state("INPUT"):
            m.d.sync += emitted_below.eq(self.inputs_changed)
            with m.If(~self.inputs_busy & ~self.walker_busy):
                with m.If(settled):
                    fsm.go("SKIP")
                with m.Else():
                    fsm.go("BEGIN_LAYER")

        # A layer. Its pass has been read; its edge and its parameters follow.
        with fsm.state("BEGIN_LAYER"):
            m.d.comb += [
                self.pass_start.eq(1),
                self.reader_edge.eq(1),
                self.list_clear.eq(1),
            ]
            m.d.sync += self.inputs_fresh.eq(0)
            fsm.go("PASS")

        with fsm.state("PASS"):
            m.d.comb += self.gating.eq(1)
            with m.If(~self.pass_reads):
                fsm.go("BEGIN_DRAIN")

        # The pass's last units are still under way.
        with fsm.state("BEGIN_DRAIN"):
            m.d.comb += [
                self.list_drain.eq(1),
                self.reader_prefetch.eq(1),
                draining.eq(1),
                self.gating.eq(~replay),
            ]
            fsm.go("DRAIN")

        with fsm.state("DRAIN"):
            m.d.comb += [draining.eq(1), self.gating.eq(~replay)]
            m.d.sync += [
                emitted.bit_select(layer, 1).eq(~self.list_empty),
                emitted_below.eq(~self.list_empty),
            ]
            with m.If(~self.list_busy & ~self.walker_busy):
                with m.If(last_layer):
                    fsm.go("END_STEP")
                with m.Else():
                    fsm.go("NEXT_LAYER")

        with fsm.state("NEXT_LAYER"):
            m.d.sync += layer.eq(layer + 1)
            with m.If(replay):
                fsm.go("REPLAY_EDGE")
            with m.Else():
                fsm.go("NEXT_PASS")

        with fsm.state("NEXT_PASS"):
            with m.If(settled_now):
                fsm.go("SKIP")
            with m.Else():
                fsm.go("BEGIN_LAYER")

        # A layer that stands still: only what follows it is looked for.
        with fsm.state("SKIP"):
            m.d.comb += self.reader_edge.eq(1)
            m.d.sync += self.inputs_fresh.eq(0)
            fsm.go("SKIP_WAIT")

        with fsm.state("SKIP_WAIT"):
            fsm.go("SKIP_JUMP")

        with fsm.state("SKIP_JUMP"):
            m.d.comb += [self.reader_jump.eq(1), self.reader_pass.eq(1)]
            m.d.sync += emitted_below.eq(0)
            fsm.go("SKIP_PASS")

        with fsm.state("SKIP_PASS"):
            fsm.go("SKIPPED")

        with fsm.state("SKIPPED"):
            with m.If(last_layer):
                fsm.go("END_STEP")
            with m.Else():
                fsm.go("NEXT_LAYER")

        # The readout, if it is due. Its pass has been read, too.
        with fsm.state("END_STEP"):
            m.d.comb += [self.readout_start.eq(reads), self.pass_start.eq(reads)]
            m.d.sync += [self.state_fresh.eq(0), unsettled.eq(replay)]
            with m.If(reads):
                fsm.go("READOUT")
            with m.Else():
                fsm.go("IDLE")

        with fsm.state("READOUT"):
            m.d.comb += self.reading.eq(1)
            with m.If(finished & ~self.readout_busy):
                m.d.sync += self.scores_fresh.eq(0)
                fsm.go("IDLE")

        # A replay: each layer's states are its events.
        with fsm.state("REPLAY"):
            # The inputs' edge lies before the first layer's pass.
            m.d.comb += self.reader_edge.eq(1)
            m.d.sync += [self.state_fresh.eq(0), self.scores_fresh.eq(0)]
            fsm.go("REPLAY_PASS")

        with fsm.state("REPLAY_PASS"):
            m.d.comb += self.reader_pass.eq(1)
            fsm.go("REPLAY_EDGE")

        with fsm.state("REPLAY_EDGE"):
            m.d.comb += [self.reader_edge.eq(1), self.list_clear.eq(1)]
            fsm.go("REPLAY_WAIT")

        with fsm.state("REPLAY_WAIT"):
            fsm.go("REPLAY_JUMP")

        with fsm.state("REPLAY_JUMP"):
            m.d.comb += self.reader_jump.eq(1)
            fsm.go("BEGIN_DRAIN")

        # The counters.
        with fsm.state("TALLY"):
            m.d.comb += [uncounted.eq(1), self.tally_start.eq(1), self.readout_start.eq(1)]
            fsm.go("TALLYING")

        with fsm.state("TALLYING"):
            m.d.comb += uncounted.eq(1)
            with m.If(~self.tally_pending):
                fsm.go("IDLE")
        return m
