"""The GRU core: vector memory, weight store, lanes, rescaling, elementwise part, sequencer."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from bench.gru.elementwise import Elementwise
from bench.gru.lanes import LANES, Lanes
from bench.gru.model import Sizes
from bench.gru.rescale import Rescale
from bench.gru.sequencer import Sequencer
from bench.gru.signatures import ACTIVATION_BITS, COLUMN_BITS, SUM_BITS, UNIT_BITS, Pass
from bench.gru.store import ADDRESS_BITS, WeightStore

#: Largest magnitude of a product.
_PRODUCT = 128 * 127


class Region(enum.Enum, shape=2):  # type: ignore[call-arg]
    """What a load writes: a quarter of a weight word, a bias, or the shift of a `Pass`."""

    WEIGHTS = 0
    BIASES = 1
    SHIFTS = 2


def accumulator_bits(sizes: Sizes) -> int:
    """Return the width that no sum of products leaves."""
    return 1 + (sizes.columns * _PRODUCT).bit_length()


def logit_bits(sizes: Sizes) -> int:
    """Return the width of a logit: an accumulator and a bias."""
    return accumulator_bits(sizes) + 1


def weight_words(sizes: Sizes) -> int:
    """Return how many words of eight weights a network has."""
    groups, readouts = sizes.hidden // LANES, -(-sizes.outputs // LANES)
    return groups * 3 * sizes.columns + readouts * sizes.hidden


def bias_words(sizes: Sizes) -> int:
    """Return how many biases a network has, those of rows that pad the readout included."""
    return 4 * sizes.hidden + LANES * -(-sizes.outputs // LANES)


class GRUCore(wiring.Component):
    """One time step of a GRU at a time, see `bench.gru.model` for what it computes.

    A step takes ``weight_words + 4 H / 8 + C / 8`` cycles (columns and turns; C / 8 rounded up),
    and some at its end; `tests/bench/test_gru.py` has the number. The next step's input may
    come while a step runs.

    Parameters
    ----------
    sizes : Sizes
        Fixed when the core is made; weights, biases and shifts are loaded.
    dsp : bool
        Eight SB_MAC16; otherwise eight multipliers of logic cells.
    model : bool
        Model the device's primitives, for Amaranth's simulator, which ignores instances.

    Members
    -------
    x : In(stream of signed(8))
        I elements before each step.
    start : In(1)
        Begin a step, while not `busy` and when all of x has been taken.
    first : In(1)
        With `start`: a sequence begins, h is zero.
    due : In(1)
        With `start`: the readout is wanted.
    busy : Out(1)
        From the cycle after `start` until states and logits can be read.
    address : In(8)
        Unit or output to read, while not `busy`.
    state : Out(signed(8))
        The unit's state, a cycle later.
    logit : Out(signed)
        The output's logit, a cycle later.
    load : In(1)
        While not `busy`: write `load_data`.
    load_region : In(Region)
    load_address : In(16)
    load_data : In(16)
    """

    def __init__(self, sizes: Sizes, dsp: bool = True, model: bool = False) -> None:
        self._sizes = sizes
        self._dsp = dsp
        self._model = model
        super().__init__(
            {
                "x": In(stream.Signature(signed(ACTIVATION_BITS))),
                "start": In(1),
                "first": In(1),
                "due": In(1),
                "busy": Out(1),
                "address": In(UNIT_BITS),
                "state": Out(signed(ACTIVATION_BITS)),
                "logit": Out(signed(logit_bits(sizes))),
                "load": In(1),
                "load_region": In(Region),
                "load_address": In(ADDRESS_BITS + 2),
                "load_data": In(SUM_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bits = accumulator_bits(self._sizes)
        m.submodules.sequencer = sequencer = Sequencer(self._sizes)
        m.submodules.store = store = WeightStore(weight_words(self._sizes), self._model)
        m.submodules.lanes = lanes = Lanes(bits, self._dsp, self._model)
        m.submodules.rescale = rescale = Rescale(bits, bias_words(self._sizes))
        m.submodules.elementwise = elementwise = Elementwise()

        first = Signal()
        turns = [sequencer.turn, Signal(name="turn_1"), Signal(name="turn_2")]
        m.d.sync += [turns[1].eq(turns[0]), turns[2].eq(turns[1])]
        with m.If(self.start):
            m.d.sync += first.eq(self.first)
        # Stage 0: the column is addressed. Stage 1: it is there, and its weights are addressed.
        # Stage 2: both go to the lanes.
        valid_1 = Signal()
        m.d.sync += valid_1.eq(sequencer.issue)
        vector = self._vectors(m, sequencer, elementwise)
        forget_1 = Signal()
        activation_2 = Signal(signed(ACTIVATION_BITS), reset_less=True)
        m.d.sync += [
            forget_1.eq(first & sequencer.of_state & ~sequencer.new),
            activation_2.eq(Mux(valid_1 & ~forget_1, vector, 0)),
        ]
        word = Signal(ADDRESS_BITS)
        with m.If(self.start):
            m.d.sync += word.eq(0)
        with m.Elif(valid_1):
            m.d.sync += word.eq(word + 1)
        m.d.comb += [
            store.address.eq(word),
            store.write.eq(self.load & (self.load_region == Region.WEIGHTS)),
            store.write_address.eq(self.load_address),
            store.write_data.eq(self.load_data),
            lanes.activation.eq(activation_2),
            lanes.weights.eq(store.weights),
            lanes.start.eq(self.start),
            lanes.turn.eq(turns[2]),
        ]

        # A pass has eight columns at least, more than the cycles from its turn to the totals.
        kind = Signal(Pass)
        with m.If(sequencer.turn):
            m.d.sync += kind.eq(sequencer.kind)
        m.d.comb += [
            rescale.start.eq(self.start),
            rescale.captured.eq(lanes.captured),
            rescale.kind.eq(kind),
            rescale.total.eq(lanes.value),
            rescale.load_bias.eq(self.load & (self.load_region == Region.BIASES)),
            rescale.load_shift.eq(self.load & (self.load_region == Region.SHIFTS)),
            rescale.load_address.eq(self.load_address),
            rescale.load_data.eq(self.load_data),
        ]
        for name in ("pre_activation", "pre_activation_valid", "pre_activation_row", "from_input",
                     "gate", "gate_valid", "gate_row", "is_update"):  # fmt: skip
            m.d.comb += getattr(elementwise, name).eq(getattr(rescale, name))
        m.d.comb += [
            elementwise.start.eq(self.start),
            elementwise.first.eq(first),
            elementwise.input_turned.eq(sequencer.turn & (sequencer.kind == Pass.CANDIDATE_INPUT)),
            elementwise.update_turned.eq(sequencer.turn & (sequencer.kind == Pass.UPDATE)),
            elementwise.idle.eq(~self.busy),
            elementwise.address.eq(self.address),
            sequencer.start.eq(self.start),
            sequencer.due.eq(self.due),
            sequencer.candidates_open.eq(elementwise.candidates_open),
            sequencer.states_open.eq(elementwise.states_open),
            self.busy.eq(sequencer.busy),
            self.state.eq(elementwise.data),
        ]
        self._logits(m, sequencer, rescale)
        return m

    def _vectors(self, m: Module, sequencer: Sequencer, elementwise: Elementwise) -> Signal:
        """Two banks of x and h: a step reads one and writes h', and the next x, to the other.

        No address is read and written in one cycle: what is written to a bank that is read (the
        readout reads h') is a column that has not been issued yet.
        """
        size = self._sizes
        m.submodules.vectors = memory = Memory(
            shape=unsigned(ACTIVATION_BITS), depth=2 << COLUMN_BITS, init=[]
        )
        read, write = memory.read_port(transparent_for=()), memory.write_port()
        bank = Signal()
        written = Signal(COLUMN_BITS)
        taken = Signal(range(size.inputs + 1))
        full = Signal()
        m.d.comb += [
            full.eq(taken == size.inputs),
            self.x.ready.eq(~full & ~elementwise.state_valid),
            sequencer.state_valid.eq(elementwise.state_valid),
            read.addr.eq(Cat(sequencer.column, bank ^ sequencer.new)),
            write.addr.eq(Cat(Mux(elementwise.state_valid, written, taken), ~bank)),
            write.data.eq(Mux(elementwise.state_valid, elementwise.state, self.x.payload)),
            write.en.eq(elementwise.state_valid | (self.x.valid & ~full)),
        ]
        with m.If(self.start):
            m.d.sync += [bank.eq(~bank), written.eq(size.inputs), taken.eq(0)]
        with m.Else():
            m.d.sync += [
                written.eq(written + elementwise.state_valid),
                taken.eq(taken + (self.x.valid & self.x.ready)),
            ]
        return read.data.as_signed()

    def _logits(self, m: Module, sequencer: Sequencer, rescale: Rescale) -> None:
        """Logits as they come; the step's end waits for the last."""
        depth = LANES * -(-self._sizes.outputs // LANES)
        m.submodules.logits = memory = Memory(
            shape=unsigned(logit_bits(self._sizes)), depth=depth, init=[]
        )
        read, write = memory.read_port(transparent_for=()), memory.write_port()
        index = Signal(range(depth + 1))
        m.d.sync += sequencer.draining.eq(index != depth)
        with m.If(self.start):
            m.d.sync += index.eq(0)
        with m.Elif(rescale.logit_valid):
            m.d.sync += index.eq(index + 1)
        m.d.comb += [
            read.addr.eq(self.address),
            self.logit.eq(read.data.as_signed()),
            write.addr.eq(index),
            write.data.eq(rescale.logit),
            write.en.eq(rescale.logit_valid),
        ]
