"""The sequencer: the order of a step's phases, and nothing else."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry
from hdl.core.one_hot import OneHot
from hdl.core.reader import Header
from hdl.core.signatures import (
    LANE_ADDRESS_BITS,
    CommandLayout,
    Mode,
    Operation,
)

#: Bits of what one command can add to the cycle and to the event counter.
CYCLE_BITS = 17
EVENT_BITS = 10

#: Cycles at the end of each counted command that the counters themselves take.
TALLY_CYCLES = 8 + 2


class Sequencer(wiring.Component):
    """Run commands.

    A step is: input events, then for each layer its pass and its events, then the readout
    where it is due. The phases of a step never overlap, which makes the order rules of
    docs/architecture.md true by construction; the engine asserts them all the same. All
    strobes depend on the state alone, so that no condition reaches a far register in the
    cycle in which it arises.

    A layer's pass is skipped when nothing reached its accumulators since its last pass: no
    event of its inputs in this step and none of its own in its last pass (a fixed point).

    Members
    -------
    command : In(stream of CommandLayout)
        Accepted while idle.
    busy : Out(1)
        A command is being carried out.
    even_event, odd_event, starved : In(1)
        For the counters: events are walked; nothing to do but to wait for an input.
    network_valid : In(1)
    configured, configure_ok : Out(1)
        Strobe at the end of a configuration, and whether the header was right.
    reader_* : to and from `Reader`
    clear, clear_address : Out
        Clear this accumulator of every lane; the address is zero while not clearing.
    inputs_*, list_*, pass_*, readout_*, check_* : starts and states of the other parts
    walker_busy : In(1)
    pass_reads : In(1)
        Accumulators are being read.
    pass_pending : In(1)
        From `pass_start` until the last sums, or the last new state, have come out.
    draining : Out(1)
        Events are a layer's, not the inputs'.
    gating, reading : Out(1)
        A pass's sums belong to the gate, or to the readout.
    tally, tally_data : Out
        See `Readout`. Cycles count steps, resets and replays, from the cycle after the command is
        taken, the tally itself included.
    inputs_fresh, state_fresh, scores_fresh : Out(1)
        Nothing since the reset: previous inputs, states, scores are zero.
    """

    command: In(stream.Signature(CommandLayout))
    busy: Out(1)
    even_event: In(1)
    odd_event: In(1)
    starved: In(1)
    network_valid: In(1)
    configured: Out(1)
    configure_ok: Out(1)
    header: In(Header)
    header_ok: In(1)
    reader_start: Out(1)
    reader_home: Out(1)
    reader_rewind: Out(1)
    reader_jump: Out(1)
    reader_done: In(1)
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
    tally: Out(1)
    tally_data: Out(16)
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
        tallying = Signal(4, reset_less=True)
        draining = Signal()
        # Conditions of several bits are registers, long stable when a state looks at them.
        last_layer = Signal(reset_less=True)
        settled = Signal(reset_less=True)
        finished = Signal(reset_less=True)
        command = self.command.payload
        m.d.comb += [
            self.busy.eq(~self.command.ready),
        ]
        m.d.sync += [
            last_layer.eq(layer == self.header.layers),
            settled.eq(~(unsettled | emitted_below | emitted.bit_select(layer, 1))),
            finished.eq(~self.pass_pending),
            self.draining.eq(draining),
        ]
        uncounted = Signal()
        cycles = Signal(CYCLE_BITS, init=TALLY_CYCLES)
        events = Signal(EVENT_BITS)
        with m.If(~uncounted & ~self.starved):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(self.even_event | self.odd_event):
            both = self.even_event & self.odd_event
            m.d.sync += events.eq(add_with_carry(events, both, Const(1, 1)))

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
            m.d.comb += [self.command.ready.eq(1), uncounted.eq(1), self.reader_rewind.eq(1)]
            m.d.sync += [
                due.eq(command.due),
                replay.eq(command.op == Operation.REPLAY),
                checking.eq(command.op == Operation.CHECK),
                configuring.eq(0),
                layer.eq(0),
                clearing.eq(0),
            ]
            with m.If(self.command.valid), m.Switch(command.op):
                with m.Case(Operation.STEP):
                    fsm.go("STEP")
                with m.Case(Operation.RESET):
                    fsm.go("CLEAR")
                with m.Case(Operation.REPLAY):
                    fsm.go("REPLAY")
                with m.Default():
                    fsm.go("CONFIGURE")

        # Configuration and checksum: the header first.
        with fsm.state("CONFIGURE"):
            m.d.comb += uncounted.eq(1)
            m.d.sync += configuring.eq(1)
            m.d.comb += [self.reader_start.eq(1), self.reader_home.eq(1)]
            fsm.go("READ_HEADER")

        with fsm.state("READ_HEADER"):
            m.d.comb += uncounted.eq(1)
            with m.If(self.reader_done & checking):
                fsm.go("CHECK")
            with m.Elif(self.reader_done):
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
            m.d.comb += [
                uncounted.eq(configuring),
                self.clear_address.eq(clearing),
                self.clear.eq(1),
            ]
            m.d.sync += [
                clearing.eq(clearing + 1),
                self.inputs_fresh.eq(1),
                self.state_fresh.eq(1),
                self.scores_fresh.eq(1),
                unsettled.eq(1),
            ]
            with m.If(clearing == self.header.accumulators):
                with m.If(configuring):
                    fsm.go("IDLE")
                with m.Else():
                    fsm.go("BEGIN_TALLY")

        # A step's inputs.
        with fsm.state("STEP"):
            m.d.comb += self.reader_start.eq(1)
            fsm.go("READ_INPUT")

        with fsm.state("READ_INPUT"):
            with m.If(self.reader_done):
                fsm.go("BEGIN_INPUT")

        with fsm.state("BEGIN_INPUT"):
            m.d.comb += self.inputs_start.eq(1)
            fsm.go("INPUT")

        with fsm.state("INPUT"):
            with m.If(~self.inputs_busy & ~self.walker_busy):
                fsm.go("END_INPUT")

        with fsm.state("END_INPUT"):
            m.d.sync += [self.inputs_fresh.eq(0), emitted_below.eq(self.inputs_changed)]
            m.d.comb += self.reader_start.eq(1)
            fsm.go("READ_LAYER")

        # A layer.
        with fsm.state("REPLAY"):
            m.d.sync += [self.state_fresh.eq(0), self.scores_fresh.eq(0), unsettled.eq(1)]
            # The layers' records follow that of the inputs.
            m.d.comb += self.reader_start.eq(1)
            fsm.go("SKIP_INPUT")

        with fsm.state("SKIP_INPUT"):
            with m.If(self.reader_done):
                fsm.go("NEXT_LAYER")

        with fsm.state("NEXT_LAYER"):
            m.d.comb += self.reader_start.eq(1)
            fsm.go("READ_LAYER")

        with fsm.state("READ_LAYER"):
            m.d.comb += [self.list_clear.eq(1), self.reader_jump.eq(replay | settled)]
            with m.If(self.reader_done):
                with m.If(replay):
                    fsm.go("BEGIN_DRAIN")
                with m.Elif(settled):
                    fsm.go("END_LAYER")
                with m.Else():
                    fsm.go("BEGIN_LAYER")

        with fsm.state("BEGIN_LAYER"):
            m.d.comb += self.pass_start.eq(1)
            fsm.go("PASS")

        with fsm.state("PASS"):
            m.d.comb += self.gating.eq(1)
            with m.If(~self.pass_reads):
                fsm.go("BEGIN_DRAIN")

        # The pass's last units are still under way.
        with fsm.state("BEGIN_DRAIN"):
            m.d.comb += [self.list_drain.eq(1), draining.eq(1), self.gating.eq(~replay)]
            fsm.go("DRAIN")

        with fsm.state("DRAIN"):
            m.d.comb += [draining.eq(1), self.gating.eq(~replay)]
            with m.If(~self.list_busy & ~self.walker_busy):
                fsm.go("END_LAYER")

        with fsm.state("END_LAYER"):
            m.d.sync += [
                emitted.bit_select(layer, 1).eq(~self.list_empty),
                emitted_below.eq(~self.list_empty),
                layer.eq(layer + 1),
            ]
            with m.If(~last_layer):
                fsm.go("NEXT_LAYER")
            with m.Elif(replay):
                fsm.go("BEGIN_TALLY")
            with m.Else():
                fsm.go("END_STEP")

        with fsm.state("END_STEP"):
            m.d.sync += [self.state_fresh.eq(0), unsettled.eq(0)]
            with m.If(due | (self.header.mode != Mode.LAST)):
                fsm.go("BEGIN_READOUT")
            with m.Else():
                fsm.go("BEGIN_TALLY")

        # The readout.
        with fsm.state("BEGIN_READOUT"):
            m.d.comb += self.reader_start.eq(1)
            fsm.go("READ_READOUT")

        with fsm.state("READ_READOUT"):
            m.d.comb += self.readout_start.eq(1)
            with m.If(self.reader_done):
                fsm.go("START_READOUT")

        with fsm.state("START_READOUT"):
            m.d.comb += self.pass_start.eq(1)
            fsm.go("READOUT")

        with fsm.state("READOUT"):
            m.d.comb += self.reading.eq(1)
            with m.If(finished & ~self.readout_busy):
                m.d.sync += self.scores_fresh.eq(0)
                fsm.go("BEGIN_TALLY")

        # The counters.
        with fsm.state("BEGIN_TALLY"):
            m.d.comb += [uncounted.eq(1), self.readout_start.eq(1)]
            m.d.sync += [
                tallying.eq(0),
                self.tally.eq(1),
                self.tally_data.eq(cycles[:16]),
            ]
            fsm.go("TALLY")

        with fsm.state("TALLY"):
            m.d.comb += uncounted.eq(1)
            m.d.sync += [
                tallying.eq(tallying + 1),
                self.tally.eq(~tallying[:3].all()),
                # What the next half-word grows by.
                self.tally_data.eq(Mux(tallying == 0, cycles[16:], Mux(tallying == 3, events, 0))),
            ]
            with m.If(tallying[3]):
                m.d.sync += [self.tally.eq(0), cycles.eq(TALLY_CYCLES), events.eq(0)]
                fsm.go("IDLE")
        m.d.comb += [self.list_replay.eq(replay), self.list_more.eq(~finished)]
        return m
