"""The pass over a layer's rows: from raw sums to the two pre-activations of each unit."""

from amaranth.hdl import Module, Mux, Signal, signed
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
        self.first = first = Signal()
        group = Signal(LANE_ADDRESS_BITS, reset_less=True)
        last_slot = Signal()
        last_pair = Signal()
        next_group = Signal(LANE_ADDRESS_BITS)
        m.d.comb += [
            first.eq(slot == 0),
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
        # valid[n]: stage n holds a slot; first[n]: it is its pair's first.
        valid = [self.busy] + [Signal(name=f"valid_{n}") for n in range(1, 5)]
        first = [self.first] + [Signal(name=f"first_{n}", reset_less=True) for n in range(1, 5)]
        for n in range(1, 5):
            m.d.sync += [valid[n].eq(valid[n - 1]), first[n].eq(first[n - 1])]
        # Parameters are read in stage 1, arrive in stage 2, and serve in stages 3 and 4.
        parameter = {n: Signal(Parameter, name=f"parameter_{n}", reset_less=True) for n in (3, 4)}
        m.d.comb += self.advance.eq(valid[1])
        m.d.sync += [parameter[3].eq(self.parameter), parameter[4].eq(parameter[3])]
        add_4 = Signal()
        m.d.comb += add_4.eq(valid[4] & parameter[4].add)
        for name, value, shift, total, bias in (
            # In stage 4 the first slot meets its own bias; the second slot's is a stage behind.
            ("even", self.even_value, "even_shift", self.even_sum, parameter[4].bias),
            ("odd", self.odd_value, "odd_shift", self.odd_sum, parameter[3].bias),
        ):
            shifted = Signal(signed(16 + 7), name=f"{name}_shifted", reset_less=True)
            augend = Signal(signed(SUM_BITS), name=f"{name}_augend")
            m.d.sync += shifted.eq(value << parameter[3][shift])
            m.d.comb += augend.eq(Mux(first[4], bias.as_signed(), total))
            with m.If(add_4):
                m.d.sync += total.eq(augend + shifted)
        m.d.sync += self.complete.eq(valid[4] & parameter[4].complete)
