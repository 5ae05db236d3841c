"""From a pass's totals to pre-activations, gates and logits."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from bench.gru.lanes import LANES
from bench.gru.model import SIGMOID, SIGMOID_FRACTION, SUM_FRACTION
from bench.gru.signatures import (
    GATE_PASSES,
    INDEX_BITS,
    SUM_BITS,
    Pass,
    lookup_table,
    saturate,
)

SHIFT_BITS = 3


class Rescale(wiring.Component):
    """Shift, add the bias, saturate; look gates up.

    Rows come in the order of the passes, and biases lie in that order, so that every address is
    a counter.

    Latency: a logit is at the output three cycles after its total was at the input, a
    pre-activation four, a gate five. Throughput: one row a cycle. **Assumption**: `captured`
    comes at least eight cycles after the last one.

    Members
    -------
    start : In(1)
        A step begins.
    captured : In(1)
        Eight totals follow from the next cycle on.
    kind : In(Pass)
        Their kind, in that same cycle.
    total : In(signed(bits))
    pre_activation : Out(signed(16))
        The candidate's, either part.
    pre_activation_valid : Out(1)
    pre_activation_row : Out(3)
    from_input : Out(1)
        It is the input's part, not the state's.
    gate : Out(8)
    gate_valid : Out(1)
    gate_row : Out(3)
    is_update : Out(1)
        It is the update gate, not the reset gate.
    logit : Out(signed(bits + 1))
    logit_valid : Out(1)
    busy : Out(1)
        Rows are under way.
    load_bias, load_shift : In(1)
        Write `load_data` to a bias, or to the shift of a pass, at `load_address`.
    load_address : In
    load_data : In(16)
    """

    def __init__(self, bits: int, biases: int) -> None:
        self._bits = bits
        self._address_bits = (biases - 1).bit_length()
        super().__init__(
            {
                "start": In(1),
                "captured": In(1),
                "kind": In(Pass),
                "total": In(signed(bits)),
                "pre_activation": Out(signed(SUM_BITS)),
                "pre_activation_valid": Out(1),
                "pre_activation_row": Out(3),
                "from_input": Out(1),
                "gate": Out(8),
                "gate_valid": Out(1),
                "gate_row": Out(3),
                "is_update": Out(1),
                "logit": Out(signed(bits + 1)),
                "logit_valid": Out(1),
                "busy": Out(1),
                "load_bias": In(1),
                "load_shift": In(1),
                "load_address": In(self._address_bits),
                "load_data": In(SUM_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Stage 0: the total and its bias's address.
        active = Signal()
        row = Signal(range(LANES))
        kind = Signal(Pass)
        shift = Signal(SHIFT_BITS)
        shift_of_kind = self._shift_of_kind(m)
        with m.If(active):
            m.d.sync += row.eq(row + 1)
            with m.If(row == LANES - 1):
                m.d.sync += active.eq(0)
        with m.If(self.captured):
            m.d.sync += [active.eq(1), kind.eq(self.kind), shift.eq(shift_of_kind)]
        bias = self._bias(m, active)

        # Stages 0 and 1: the shift, by 0 to 3 and by 0 or 4. Stage 2: the bias.
        shift_4 = Signal()
        shifted_1 = Signal(signed(self._bits), reset_less=True)
        shifted_2 = Signal(signed(self._bits), reset_less=True)
        bias_2 = Signal(signed(SUM_BITS), reset_less=True)
        total_3 = Signal(signed(self._bits + 1), reset_less=True)
        m.d.sync += [
            shift_4.eq(shift[2]),
            shifted_1.eq(self.total >> shift[:2]),
            shifted_2.eq(Mux(shift_4, shifted_1 >> 4, shifted_1)),
            bias_2.eq(bias),
            total_3.eq(shifted_2 + bias_2),
        ]

        # Stage 3: the logit is done; the others saturate. Stages 4 and 5: the table.
        index = Signal(INDEX_BITS, reset_less=True)
        m.submodules.sigmoid = table = lookup_table(SIGMOID)
        look = table.read_port()
        m.d.sync += [
            self.pre_activation.eq(saturate(total_3, SUM_BITS)),
            index.eq(saturate(total_3[SUM_FRACTION - SIGMOID_FRACTION :], INDEX_BITS)),
        ]
        m.d.comb += [self.logit.eq(total_3), look.addr.eq(index), self.gate.eq(look.data)]

        # What a stage holds; its row is counted where it leaves.
        candidate = active & ((kind == Pass.CANDIDATE_STATE) | (kind == Pass.CANDIDATE_INPUT))
        gate = active & ((kind == Pass.RESET) | (kind == Pass.UPDATE))
        second = (kind == Pass.CANDIDATE_INPUT) | (kind == Pass.UPDATE)
        seconds = _delayed(m, "second", second, 5)
        m.d.comb += [
            self.logit_valid.eq(_delayed(m, "logit", active & (kind == Pass.READOUT), 3)[-1]),
            self.pre_activation_valid.eq(_delayed(m, "candidate", candidate, 4)[-1]),
            self.gate_valid.eq(_delayed(m, "gate", gate, 5)[-1]),
            self.from_input.eq(seconds[4]),
            self.is_update.eq(seconds[5]),
            self.busy.eq(active | self.logit_valid),
        ]
        with m.If(self.pre_activation_valid):
            m.d.sync += self.pre_activation_row.eq(self.pre_activation_row + 1)
        with m.If(self.gate_valid):
            m.d.sync += self.gate_row.eq(self.gate_row + 1)
        return m

    def _shift_of_kind(self, m: Module) -> Signal:
        """Shift of the kind of pass that is captured; a logit has none."""
        chosen = Signal(SHIFT_BITS)
        for kind in GATE_PASSES:
            value = Signal(SHIFT_BITS, name=f"shift_{kind.name.lower()}")
            with m.If(self.load_shift & (self.load_address[:2] == kind.value)):
                m.d.sync += value.eq(self.load_data)
            with m.If(self.kind == kind):
                m.d.comb += chosen.eq(value)
        return chosen

    def _bias(self, m: Module, advance: Signal) -> Signal:
        """Biases, one cycle after `advance`."""
        m.submodules.biases = memory = Memory(
            shape=unsigned(SUM_BITS), depth=1 << self._address_bits, init=[]
        )
        read, write = memory.read_port(transparent_for=()), memory.write_port()
        address = Signal(self._address_bits)
        with m.If(self.start):
            m.d.sync += address.eq(0)
        with m.Elif(advance):
            m.d.sync += address.eq(address + 1)
        m.d.comb += [
            read.addr.eq(address),
            write.addr.eq(self.load_address),
            write.data.eq(self.load_data),
            write.en.eq(self.load_bias),
        ]
        return read.data.as_signed()


def _delayed(m: Module, name: str, value: Value, cycles: int) -> list[Value]:
    """Return a value and what it was in each of the cycles before."""
    values = [value]
    for n in range(cycles):
        later = Signal(name=f"{name}_{n + 1}")
        m.d.sync += later.eq(values[-1])
        values.append(later)
    return values
