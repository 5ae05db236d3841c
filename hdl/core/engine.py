"""The engine: its parts and their connections.

::

     inputs ──> InputFront ──┐  even, odd             ┌──────────────────────────┐
                             ├─events─> Walker ──┬──> │ Lanes: P x (EBR, adders) │
     EventList ──────────────┘                   │    └──────┬───────────────────┘
         ^                                       v           v raw sums of inputs and states
         │        Store (header, records, parameters, weights) ──> RowPass
         │                                                           │ z, c or two logits
         └── GateUnit <── StateMemory                                ├──> GateUnit ──> state
                                                                     └──> Readout ──> scores

One store word (an even and an odd source's weights), one accumulator of each lane and one unit
are handled each cycle. (With packed weights, `Unpack` stands between store and lanes; an engine of
one event a cycle has another walker, and one adder less in a lane: `EngineParameters`.) The
Sequencer lets one phase run at a time: input events, a layer's pass, its events (which begin when
the pass has read its last accumulator), the readout.
"""

from amaranth.hdl import Assert, Cat, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.core.events import EventList
from hdl.core.gate import GateUnit
from hdl.core.inputs import InputFront
from hdl.core.lanes import Lanes
from hdl.core.one_event_walker import OneEventWalker
from hdl.core.parameters import EngineParameters
from hdl.core.reader import Reader
from hdl.core.readout import COUNTERS, Readout
from hdl.core.row_pass import RowPass
from hdl.core.sequencer import Sequencer
from hdl.core.signatures import (
    LANE_ADDRESS_BITS,
    SCORE_ADDRESS_BITS,
    SOURCE_BITS,
    STATE_ADDRESS_BITS,
    CommandLayout,
    Mode,
)
from hdl.core.state import StateMemory
from hdl.core.store import BlockRAMStore, SinglePortStore
from hdl.core.tally import Tally
from hdl.core.unpack import Unpack
from hdl.core.walker import Walker


class Engine(wiring.Component):
    """An additive-ReLU-gate network of up to four layers, event by event.

    Members
    -------
    command : In(stream of CommandLayout)
        One command at a time, taken while idle. A STEP's bytes follow on `inputs`.
    inputs : In(stream of signed(8))
        A step's inputs in order, each in [-M, M].
    busy : Out(1)
        A command is being carried out, or counts are added to the counters. Everything below is
        stable while it is low.
    quiet : In(1)
        Nobody looks at the memories below: counts may be added though no command waits.
    soft_reset : In(1)
        Abandon whatever is going on, one cycle later; a valid network is then read and reset
        anew.
    invalidate : In(1)
        The store is about to change: there is no network until the next CONFIGURE.
    network_valid : Out(1)
    inputs_count, outputs_count, mode : Out
        From the network's header.
    image_words : Out(16)
        From the header, too, but only after a CHECK and until the next command.
    label : Out(8)
        Index of the largest score of the last readout.
    crc32 : Out(32)
        Result of the last CHECK.
    state_* : state memory, 8-bit address, data a cycle later
    score_* : score memory, 16-bit half-words (scores, low half first, from address 0; the 64-bit
        counters, up to date after a TALLY, from `hdl.core.readout.COUNTERS` on), data a cycle
        later; what is written can be read two cycles later
    store_* : writes to the store
        All three only while idle (asserted).
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__(
            {
                "command": In(stream.Signature(CommandLayout)),
                "inputs": In(stream.Signature(signed(8))),
                "busy": Out(1),
                "quiet": In(1),
                "soft_reset": In(1),
                "invalidate": In(1),
                "network_valid": Out(1),
                "inputs_count": Out(SOURCE_BITS),
                "outputs_count": Out(8),
                "mode": Out(Mode),
                "image_words": Out(16),
                "label": Out(8),
                "crc32": Out(32),
                "state_address": In(STATE_ADDRESS_BITS),
                "state_data": Out(8),
                "state_write": In(1),
                "state_write_data": In(8),
                "score_address": In(SCORE_ADDRESS_BITS),
                "score_data": Out(16),
                "score_write": In(1),
                "score_write_data": In(16),
                "store_address": In(16),
                "store_write": In(1),
                "store_write_data": In(parameters.word_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        parameters = self.parameters

        # One register drives all these resets: as a condition of many far registers, the strobe
        # itself would be the longest path.
        restart = Signal()
        m.d.sync += restart.eq(self.soft_reset)

        def part(name, component):
            """Add a part that a soft reset puts back to its beginning."""
            m.submodules[name] = ResetInserter(restart)(component)
            return component

        sequencer = part("sequencer", Sequencer())
        reader = part("reader", Reader(parameters))
        inputs = part("inputs", InputFront(parameters.events))
        events = part("events", EventList(parameters.events))
        walker = part("walker", Walker() if parameters.events == 2 else OneEventWalker())
        row_pass = part("row_pass", RowPass(parameters))
        # These two are pipelines, empty again long before the next reset has been done.
        m.submodules.gate = gate = GateUnit()
        m.submodules.readout = readout = Readout()
        tally = part("tally", Tally())
        m.submodules.lanes = lanes = Lanes(parameters)
        m.submodules.state = state = StateMemory()
        make_store = SinglePortStore if parameters.weights == "spram" else BlockRAMStore
        m.submodules.store = store = make_store(parameters)

        connect(m, sequencer.command, flipped(self.command))
        connect(m, inputs.bytes, flipped(self.inputs))

        # Store: one reader at a time, the others' addresses are zero.
        if parameters.events == 2:
            m.d.comb += [
                store.port.even_address.eq(walker.even_address | reader.address),
                store.port.odd_address.eq(walker.odd_address | reader.address),
                lanes.even_delta.eq(walker.even_delta),
                lanes.odd_delta.eq(walker.odd_delta),
            ]
        else:
            m.d.comb += [
                store.port.even_address.eq(walker.address | reader.address),
                lanes.even_delta.eq(walker.delta),
            ]
        if parameters.packed:
            m.submodules.unpack = unpack = Unpack(parameters)
            m.d.comb += [unpack.word.eq(store.port.read_data), lanes.weights.eq(unpack.weights)]
        else:
            m.d.comb += lanes.weights.eq(store.port.read_data)
        m.d.comb += [
            store.port.write_address.eq(self.store_address),
            store.port.write_data.eq(self.store_write_data),
            store.port.write.eq(self.store_write),
            reader.data.eq(store.port.read_data),
            row_pass.parameter.eq(store.port.read_data),
        ]

        # Lanes: walked, read by a pass, or cleared.
        m.d.comb += [
            lanes.control.low_address.eq(
                walker.accumulator | row_pass.low_accumulator | sequencer.clear_address
            ),
            lanes.control.high_address.eq(
                walker.accumulator | row_pass.high_accumulator | sequencer.clear_address
            ),
            lanes.control.write.eq(walker.busy | sequencer.clear),
            lanes.control.clear.eq(sequencer.clear),
            lanes.control.read.eq(row_pass.busy),
            lanes.select.eq(row_pass.select),
            row_pass.low_even.eq(lanes.low_even),
            row_pass.low_odd.eq(lanes.low_odd),
            row_pass.high_even.eq(lanes.high_even),
            row_pass.high_odd.eq(lanes.high_odd),
        ]

        # Events: of the inputs, or of a layer.
        for to, of_inputs, of_layer in (
            (walker.even, inputs.even, events.even_events),
            (walker.odd, inputs.odd, events.odd_events),
        ):
            m.d.comb += [
                to.valid.eq(of_inputs.valid | of_layer.valid),
                to.payload.eq(
                    Mux(sequencer.draining, Cat(of_layer.payload), Cat(of_inputs.payload))
                ),
                of_inputs.ready.eq(to.ready),
                of_layer.ready.eq(to.ready),
            ]
        m.d.comb += walker.edge.eq(reader.edge)
        # Of a layer, while the pass that they come from is still the reader's.
        sources = Mux(sequencer.list_drain, reader.layer_pass.units, reader.header.inputs)
        with m.If(sequencer.inputs_start | sequencer.list_drain):
            m.d.sync += walker.first.eq(
                Mux(sequencer.list_drain, reader.layer_pass.state_accumulator, 0)
            )
            if parameters.events == 2:
                m.d.sync += walker.half_sources.eq(sources[1:])
            else:
                m.d.sync += walker.sources.eq(sources)
        m.d.comb += [
            inputs.start.eq(sequencer.inputs_start),
            inputs.count.eq(reader.header.inputs),
            inputs.fresh.eq(sequencer.inputs_fresh),
        ]

        # Units are read and written in order: two counters address the state memory.
        read_unit = Signal(STATE_ADDRESS_BITS, reset_less=True)
        write_unit = Signal(STATE_ADDRESS_BITS, reset_less=True)

        # Gate pass: sums to new states, new states to the memory and to the event list.
        m.d.comb += [
            row_pass.start.eq(sequencer.pass_start),
            reader.advance.eq(row_pass.advance),
            row_pass.config.eq(reader.layer_pass),
            gate.valid.eq(row_pass.complete & sequencer.gating),
            gate.inhibition.eq(row_pass.even_sum),
            gate.candidate.eq(row_pass.odd_sum),
            gate.state.eq(state.data),
            gate.limit.eq(reader.header.limit),
            gate.minus_theta.eq(reader.minus_theta),
            events.append.eq(gate.done & gate.changed),
            events.odd.eq(write_unit[0]),
            events.entry.half_unit.eq(write_unit[1:]),
            events.entry.delta.eq(gate.delta),
            events.more.eq(sequencer.list_more),
            events.clear.eq(sequencer.list_clear),
            events.drain.eq(sequencer.list_drain),
            events.replay.eq(sequencer.list_replay),
            events.units.eq(reader.layer_pass.units),
            events.state_base.eq(reader.layer_pass.state_base),
            events.state_data.eq(state.data),
        ]

        # State memory.
        with m.If(sequencer.pass_start):
            m.d.sync += [
                read_unit.eq(reader.layer_pass.state_base),
                write_unit.eq(reader.layer_pass.state_base),
            ]
        with m.If(gate.fetch):
            m.d.sync += read_unit.eq(read_unit + 1)
        with m.If(gate.done):
            m.d.sync += write_unit.eq(write_unit + 1)
        m.d.comb += [
            state.address.eq(
                Mux(sequencer.gating, read_unit, events.state_address | self.state_address)
            ),
            state.hold.eq(events.state_hold),
            state.fresh.eq(sequencer.state_fresh),
            state.write.eq((gate.done & (gate.changed | sequencer.state_fresh)) | self.state_write),
            state.write_address.eq(Mux(self.state_write, self.state_address, write_unit)),
            state.write_data.eq(
                Mux(self.state_write, self.state_write_data, gate.new_state).as_signed()
            ),
            self.state_data.eq(state.data),
        ]

        # Readout. After a reset the scores are zero whatever the memory holds.
        scores_zero = Signal()
        m.d.sync += scores_zero.eq(sequencer.scores_fresh & (self.score_address < COUNTERS))
        m.d.comb += [
            readout.start.eq(sequencer.readout_start),
            readout.complete.eq(row_pass.complete & sequencer.reading),
            readout.even_sum.eq(row_pass.even_sum),
            readout.odd_sum.eq(row_pass.odd_sum),
            readout.outputs.eq(reader.header.outputs),
            readout.accumulate.eq((reader.header.mode == Mode.SUM) & ~sequencer.scores_fresh),
            readout.tally.eq(tally.valid),
            readout.tally_data.eq(tally.data),
            readout.address.eq(self.score_address),
            readout.write.eq(self.score_write),
            readout.write_data.eq(self.score_write_data),
            self.score_data.eq(Mux(scores_zero, 0, readout.data)),
            self.label.eq(readout.label),
        ]

        # A cycle late, which the sequencer allows for.
        starved = Signal()
        m.d.sync += [
            sequencer.list_empty.eq(events.empty),
            # An event in flight at a soft reset must not count for the command after it.
            tally.even_event.eq(walker.even.valid & walker.even.ready & ~restart),
            tally.odd_event.eq(walker.odd.valid & walker.odd.ready & ~restart),
            starved.eq(inputs.starved & ~walker.busy),
            tally.cycles.eq(sequencer.working & ~starved),
            tally.adding.eq(walker.busy),
            tally.starved.eq(sequencer.working & starved),
            tally.reading.eq(row_pass.busy),
            tally.idle.eq(sequencer.idle),
        ]
        m.d.comb += [
            tally.start.eq(sequencer.tally_start),
            sequencer.tally_full.eq(tally.full),
            sequencer.tally_pending.eq(tally.pending),
        ]

        # Sequencer.
        m.d.comb += [
            self.busy.eq(sequencer.busy),
            sequencer.quiet.eq(self.quiet),
            sequencer.network_valid.eq(self.network_valid),
            sequencer.header.eq(reader.header),
            sequencer.header_ok.eq(reader.header_ok),
            reader.home.eq(sequencer.reader_home),
            reader.rewind.eq(sequencer.reader_rewind),
            reader.header_read.eq(sequencer.reader_header),
            reader.edge_read.eq(sequencer.reader_edge),
            reader.pass_read.eq(sequencer.reader_pass),
            reader.prefetch.eq(sequencer.reader_prefetch),
            reader.jump.eq(sequencer.reader_jump),
            sequencer.inputs_busy.eq(inputs.busy),
            sequencer.inputs_changed.eq(inputs.changed),
            sequencer.walker_busy.eq(walker.busy),
            sequencer.pass_reads.eq(row_pass.busy),
            sequencer.pass_pending.eq(row_pass.pending | gate.busy),
            sequencer.list_busy.eq(events.busy),
            sequencer.readout_busy.eq(readout.busy),
            sequencer.check_busy.eq(reader.checking),
            reader.check.eq(sequencer.check_start),
            self.crc32.eq(reader.crc),
        ]
        # Survives a soft reset; a network that came with the bitstream is there from the start.
        valid = Signal(init=self.parameters.image is not None)
        with m.If(sequencer.configured):
            m.d.sync += valid.eq(sequencer.configure_ok)
        with m.If(self.invalidate):
            m.d.sync += valid.eq(0)
        m.d.comb += [
            self.network_valid.eq(valid),
            self.inputs_count.eq(reader.header.inputs),
            self.outputs_count.eq(reader.header.outputs),
            self.mode.eq(reader.header.mode),
            self.image_words.eq(reader.image_words),
        ]

        self._assert_order(m, sequencer, reader, walker, row_pass, inputs, events)
        return m

    def _assert_order(self, m, sequencer, reader, walker, row_pass, inputs, events) -> None:
        """State the order of events (docs/architecture.md) for simulation to check."""
        # A pass addresses its first accumulator in the cycle after its start. That is three after
        # the walker's last one, which has been written by then.
        rests = Signal()
        below = Signal(LANE_ADDRESS_BITS)
        with m.If(sequencer.list_drain):
            m.d.sync += below.eq(reader.layer_pass.accumulator)
        m.d.sync += rests.eq(~walker.busy)
        waiting = walker.busy | inputs.busy | events.busy | walker.even.valid | walker.odd.valid
        m.d.sync += [
            # Rule 1 and rule 4: a pass, the readout's too, starts when all deltas are in.
            Assert(~sequencer.pass_start | (~waiting & rests), "pass before its deltas"),
            # Rule 2: no delta comes before the pass's last read, of its parameters, too.
            Assert(~(row_pass.busy | row_pass.advance) | ~walker.busy, "delta during a pass"),
            # The store has one reader at a time.
            Assert((reader.address == 0) | ~walker.busy, "record read while events are walked"),
            # Rule 3: an edge begins at its own accumulators; the next matrix's follow.
            Assert(
                ~walker.busy | sequencer.draining | (walker.first == 0),
                "the inputs' events do not begin at the first layer's W",
            ),
            Assert(
                ~(walker.busy & sequencer.draining) | (walker.first > below),
                "a layer's events do not begin at its own U",
            ),
            # Rule 5: nobody touches memories while events are under way.
            Assert(
                ~(self.state_write | self.score_write | self.store_write) | ~sequencer.busy,
                "memory written while the engine works",
            ),
            Assert(
                ~events.busy | (self.state_address == 0), "state read while events are under way"
            ),
            Assert(~sequencer.clear | ~waiting, "reset while events are under way"),
            # Rule 6: a reset clears the knowledge that a layer stands still.
            Assert(~(reader.jump & sequencer.state_fresh), "pass skipped after a reset"),
        ]
