"""The elementwise part: candidate and new state of eight units, by one serial multiplier."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from bench.gru.lanes import LANES
from bench.gru.model import GATE_FRACTION, SUM_FRACTION, TANH, TANH_FRACTION
from bench.gru.signatures import (
    ACTIVATION_BITS,
    INDEX_BITS,
    SUM_BITS,
    UNIT_BITS,
    lookup_table,
    saturate,
)


class Elementwise(wiring.Component):
    """Two rounds for each group of eight units, each ten cycles a unit.

    The first makes the candidate, ``n = tanh(nx + ((r nh) >> 8))``, and begins when nx's first
    row is there; the second makes the state, ``n + ((z (h - n) + 128) >> 8)``, and begins when
    z's is. A product adds the multiplicand, or nothing, and shifts right, for each bit of the
    gate from the lowest on; what is shifted out is what the contract drops. Then nx, or n, is
    added.

    All this happens while the lanes multiply, but for the last group's second round, which the
    readout overlaps in part. A multiplier that takes one cycle could save some 70 of 1900.

    Throughput: a unit every ten cycles, and two cycles more for a round. **Assumption**: nh, r
    and nx of the next group come after the first round's end, its z after the second's
    (`candidates_open` and `states_open` tell the sequencer).

    Members
    -------
    start : In(1)
        A step begins.
    first : In(1)
        Stable during the step: all states before it count as zero.
    pre_activation, pre_activation_valid, pre_activation_row, from_input
        See `Rescale`.
    gate, gate_valid, gate_row, is_update
        See `Rescale`.
    input_turned, update_turned : In(1)
        The pass of nx, or of z, has been issued to its end: a round is to come.
    candidates_open, states_open : Out(1)
        From then until that round's end.
    state : Out(signed(8))
        A new state.
    state_valid : Out(1)
        It is there in this cycle; units come in order.
    address : In(8)
        State to read while no step runs.
    data : Out(signed(8))
        A cycle later.
    idle : In(1)
        No step runs.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "first": In(1),
                "pre_activation": In(signed(SUM_BITS)),
                "pre_activation_valid": In(1),
                "pre_activation_row": In(3),
                "from_input": In(1),
                "gate": In(GATE_FRACTION),
                "gate_valid": In(1),
                "gate_row": In(3),
                "is_update": In(1),
                "input_turned": In(1),
                "update_turned": In(1),
                "candidates_open": Out(1),
                "states_open": Out(1),
                "state": Out(signed(ACTIVATION_BITS)),
                "state_valid": Out(1),
                "idle": In(1),
                "address": In(UNIT_BITS),
                "data": Out(signed(ACTIVATION_BITS)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        second = Signal()  # the round that runs, or the next
        # One bit for each of a unit's cycles: load, products, and the addition behind.
        cycle = Signal(1 + GATE_FRACTION + 1)
        load, last_product, add = cycle[0], cycle[-2], cycle[-1]
        row = Signal(range(LANES + 1))
        finish = Signal()
        m.d.comb += finish.eq(load & row[-1])
        running, begin = self._rounds(m, second, finish)
        m.d.sync += cycle.eq(Cat(begin | add, load & ~finish, cycle[1:-1]))
        with m.If(finish):
            m.d.sync += row.eq(0)
        # Two cycles ahead, for the next unit's h - n is made before it is loaded.
        with m.Elif(cycle[-3]):
            m.d.sync += row.eq(row + 1)

        product = Signal(signed(SUM_BITS), reset_less=True)
        leaves = Signal()  # the unit that is finished, in the cycle that loads the next
        m.d.comb += leaves.eq(load & (row != 0))
        m.d.sync += [
            self.state.eq(product[:ACTIVATION_BITS]),
            self.state_valid.eq(leaves & second),
        ]
        unit_row = row[:-1]
        pre_activation = self._pre_activations(m, unit_row, add | ~running)
        gate = self._gates(m, unit_row, second)
        old = self._states(m, unit_row, second & finish)
        candidate = self._candidates(m, unit_row, product, leaves & ~second)

        # The multiplier. Its register takes the adder's output without a multiplexer between
        # (loading is a reset, but for one bit); that is why the addition shifts as well, and
        # why the second round is twice as large: nothing below the first bit is wanted.
        multiplicand = Signal(signed(SUM_BITS), reset_less=True)
        bits = Signal(GATE_FRACTION + 1, reset_less=True)
        total = Signal(signed(SUM_BITS + 1))
        m.d.comb += total.eq(product + Mux(bits[0], multiplicand, 0))
        difference = Signal(signed(ACTIVATION_BITS + 1), reset_less=True)
        m.d.sync += [
            difference.eq(old - candidate),
            product.eq(total >> 1),
            bits.eq(bits[1:]),
        ]
        with m.If(load):
            m.d.sync += [
                product.eq(second << GATE_FRACTION),
                multiplicand.eq(Mux(second, difference << 1, pre_activation)),
                bits.eq(Cat(gate, 1)),  # the one is for the addition
            ]
        with m.If(last_product):
            m.d.sync += multiplicand.eq(Mux(second, candidate << 1, pre_activation))
        return m

    def _rounds(self, m: Module, second: Signal, finish: Signal) -> tuple[Signal, Signal]:
        """Begin a round when its first row is there; say that one runs, and that one begins."""
        running, begin = Signal(), Signal()
        candidates_wait, states_wait = Signal(), Signal()
        m.d.comb += begin.eq(~running & Mux(second, states_wait, candidates_wait))
        with m.If(begin):
            m.d.sync += running.eq(1)
        with m.If(finish):
            m.d.sync += [running.eq(0), second.eq(~second)]
            with m.If(second):
                m.d.sync += [self.states_open.eq(0), states_wait.eq(0)]
            with m.Else():
                m.d.sync += [self.candidates_open.eq(0), candidates_wait.eq(0)]
        with m.If(self.pre_activation_valid & self.from_input):
            m.d.sync += candidates_wait.eq(1)
        with m.If(self.gate_valid & self.is_update):
            m.d.sync += states_wait.eq(1)
        with m.If(self.input_turned):
            m.d.sync += self.candidates_open.eq(1)
        with m.If(self.update_turned):
            m.d.sync += self.states_open.eq(1)
        return running, begin

    def _pre_activations(self, m: Module, row: Value, state_part: Value) -> Signal:
        """nh and nx of eight units; nh is read for a unit's load, nx for its end."""
        m.submodules.pre_activations = memory = Memory(
            shape=unsigned(SUM_BITS), depth=2 * LANES, init=[]
        )
        read, write = memory.read_port(transparent_for=()), memory.write_port()
        m.d.comb += [
            read.addr.eq(Cat(row, ~state_part)),
            write.addr.eq(Cat(self.pre_activation_row, self.from_input)),
            write.data.eq(self.pre_activation),
            write.en.eq(self.pre_activation_valid),
        ]
        return read.data.as_signed()

    def _gates(self, m: Module, row: Value, second: Signal) -> Signal:
        """r and z of eight units."""
        m.submodules.gates = memory = Memory(
            shape=unsigned(GATE_FRACTION), depth=2 * LANES, init=[]
        )
        read, write = memory.read_port(transparent_for=()), memory.write_port()
        m.d.comb += [
            read.addr.eq(Cat(row, second)),
            write.addr.eq(Cat(self.gate_row, self.is_update)),
            write.data.eq(self.gate),
            write.en.eq(self.gate_valid),
        ]
        return read.data

    def _candidates(self, m: Module, row: Value, half: Signal, leaves: Value) -> Signal:
        """From half their sums through the table into a memory, two cycles after they leave."""
        m.submodules.tanh = table = lookup_table(TANH)
        m.submodules.candidates = memory = Memory(
            shape=unsigned(ACTIVATION_BITS), depth=LANES, init=[]
        )
        look = table.read_port()
        read, write = memory.read_port(transparent_for=()), memory.write_port()
        index = Signal(INDEX_BITS, reset_less=True)
        valid = [Signal(name=f"candidate_{n}") for n in range(1, 3)]
        write_row = Signal(range(LANES))
        m.d.sync += [
            index.eq(saturate(half[SUM_FRACTION - TANH_FRACTION - 1 :], INDEX_BITS)),
            valid[0].eq(leaves),
            valid[1].eq(valid[0]),
        ]
        m.d.comb += [
            look.addr.eq(index),
            read.addr.eq(row),
            write.addr.eq(write_row),
            write.data.eq(look.data),
            write.en.eq(valid[1]),
        ]
        with m.If(valid[1]):
            m.d.sync += write_row.eq(write_row + 1)
        return read.data.as_signed()

    def _states(self, m: Module, row: Value, group_done: Value) -> Signal:
        """h of every unit, for its own update: read, and written back nine cycles later."""
        m.submodules.states = memory = Memory(
            shape=unsigned(ACTIVATION_BITS), depth=1 << UNIT_BITS, init=[]
        )
        read, write = memory.read_port(transparent_for=()), memory.write_port()
        group = Signal(UNIT_BITS - (LANES - 1).bit_length())
        unit = Signal(UNIT_BITS)
        with m.If(self.start):
            m.d.sync += [group.eq(0), unit.eq(0)]
        with m.Else():
            m.d.sync += [group.eq(group + group_done), unit.eq(unit + self.state_valid)]
        m.d.comb += [
            read.addr.eq(Mux(self.idle, self.address, Cat(row, group))),
            self.data.eq(read.data.as_signed()),
            write.addr.eq(unit),
            write.data.eq(self.state),
            write.en.eq(self.state_valid),
        ]
        old = Signal(signed(ACTIVATION_BITS))
        with m.If(~self.first):
            m.d.comb += old.eq(read.data.as_signed())
        return old
