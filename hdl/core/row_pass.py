"""The pass over a layer's rows: from raw sums to the two pre-activations of each unit."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.core.signatures import (
    LANE_ADDRESS_BITS,
    SOURCE_BITS,
    SUM_BITS,
    Parameter,
    PassConfig,
)

#: Cycles from the first address of a pair's last slot until its sums stand at the output.
LATENCY = 5


class RowPass(wiring.Component):
    """Add up ``bias + sum of (raw sum << shift)`` for pairs of rows.

    A pair is z and c of a unit, or two rows of the readout. It takes one slot (one cycle, one
    parameter word, one accumulator of each row) for each plane; the pair's biases ride in its
    first two slots, so a pair has at least two.

    Latency: the sums of a pair are valid `LATENCY` cycles after its completing slot's
    accumulators were addressed. Throughput: one slot a cycle.

    Members
    -------
    start : In(1)
        Begin the pass that `config` describes.
    config : In(PassConfig)
        Stable during the pass.
    advance : Out(1)
        The next parameter word is read in this cycle (one cycle behind `accumulator`).
    parameter : In(Parameter)
        Parameter word, one cycle after `advance`.
    accumulator : Out(7)
        Accumulator to read; zero from the second idle cycle on.
    select : Out
        Pair of lanes to read (see `Lanes`).
    even_value, odd_value : In(signed(16))
        Raw sums, three cycles after `accumulator`.
    complete : Out(1)
        `even_sum` and `odd_sum` hold a finished pair.
    even_sum, odd_sum : Out(signed(24))
        Sums before the arithmetic shift by F. They stay until a slot that adds follows.
    busy : Out(1)
        From `start` until the last slot is addressed.
    pending : Out(1)
        From `start` until the last pair is complete.
    """

    def __init__(self, parameters: EngineParameters):
        self.pairs = parameters.lanes // 2
        super().__init__(
            {
                "start": In(1),
                "config": In(PassConfig),
                "advance": Out(1),
                "parameter": In(Parameter),
                "accumulator": Out(LANE_ADDRESS_BITS),
                "select": Out(range(self.pairs)),
                "even_value": In(signed(16)),
                "odd_value": In(signed(16)),
                "complete": Out(1),
                "even_sum": Out(signed(SUM_BITS)),
                "odd_sum": Out(signed(SUM_BITS)),
                "busy": Out(1),
                "pending": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self._address(m)
        self._accumulate(m)
        return m

    def _address(self, m: Module) -> None:
        """Stage 0: step through slots, pairs of lanes and groups."""
        config = self.config
        units = Signal(SOURCE_BITS)
        slot = Signal(3, reset_less=True)
        group = Signal(LANE_ADDRESS_BITS, reset_less=True)
        last_slot = Signal()
        last_pair = Signal()
        next_group = Signal(LANE_ADDRESS_BITS)
        m.d.comb += [
            last_slot.eq(slot == config.last_slot),
            last_pair.eq(self.select == self.pairs - 1),
            next_group.eq(group + last_pair),
        ]
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                units.eq(config.units),
                slot.eq(0),
                self.select.eq(0),
                group.eq(config.accumulator),
                self.accumulator.eq(config.accumulator),
            ]
        with m.Elif(self.busy):
            with m.If(last_slot):
                m.d.sync += [
                    slot.eq(0),
                    units.eq(units - 1),
                    self.busy.eq(units != 1),
                    self.select.eq(Mux(last_pair, 0, self.select + 1)),
                    group.eq(next_group),
                    self.accumulator.eq(next_group),
                ]
            with m.Else():
                m.d.sync += [
                    slot.eq(slot + 1),
                    self.accumulator.eq(self.accumulator + config.groups),
                ]
        with m.Else():
            m.d.sync += self.accumulator.eq(0)

    def _accumulate(self, m: Module) -> None:
        """Stages 1 to 4: fetch, select, shift, add."""
        # valid[n]: stage n holds a slot.
        valid = [self.busy] + [Signal(name=f"valid_{n}") for n in range(1, 5)]
        m.d.sync += [valid[n].eq(valid[n - 1]) for n in range(1, 5)]
        # Parameters are read in stage 1, arrive in stage 2, and serve in stages 3 and 4. (From
        # the store into an adder without a register between is too long for SPRAM.)
        parameter_3 = Signal(Parameter, reset_less=True)
        parameter_4 = Signal(Parameter, reset_less=True)
        first = Signal(init=1)
        add = Signal()
        complete = Signal()
        m.d.comb += [
            self.advance.eq(valid[1]),
            add.eq(valid[4] & parameter_4.add),
            complete.eq(valid[4] & parameter_4.complete),
        ]
        m.d.sync += [
            parameter_3.eq(self.parameter),
            parameter_4.eq(parameter_3),
            first.eq((first & ~add) | complete),
            self.complete.eq(complete),
        ]
        for name, value, shift, total, bias in (
            # In stage 4 the first slot meets its own bias; the second slot's is a stage behind.
            ("even", self.even_value, "even_shift", self.even_sum, parameter_4.bias),
            ("odd", self.odd_value, "odd_shift", self.odd_sum, parameter_3.bias),
        ):
            shifted = Signal(signed(16 + 7), name=f"{name}_shifted", reset_less=True)
            augend = Signal(signed(SUM_BITS), name=f"{name}_augend")
            m.d.sync += shifted.eq(value << parameter_3[shift])
            m.d.comb += augend.eq(Mux(first, bias.as_signed(), total))
            with m.If(add):
                m.d.sync += total.eq(augend + shifted)
        m.d.comb += self.pending.eq(Cat(self.start, valid, self.complete).any())
