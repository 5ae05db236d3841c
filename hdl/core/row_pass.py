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

#: Cycles from the first address of a pair's last slot until its sums stand at the output, in the
#: usual word format; `WordFormat.lanes_late` more in others.
LATENCY = 7


class RowPass(wiring.Component):
    """Add up ``bias + sum of (raw sum << shift)`` for pairs of rows.

    A pair is z and c of a unit, or two rows of the readout. It takes one slot (one cycle, one
    parameter word, one accumulator of each row in either half of the lanes) for each plane: the
    inputs' sums lie in one half of the lanes, the states' in the other.

    Latency: the sums of a pair are valid `LATENCY` cycles after its completing slot's
    accumulators were addressed. Throughput: one slot a cycle.

    Members
    -------
    start : In(1)
        Begin the pass that `config` describes.
    config : In(PassConfig)
        Stable while `busy`.
    advance : Out(1)
        The next parameter word is read in the next cycle: two behind the slot's accumulators, and
        two words more than there are slots.
    parameter : In(Parameter)
        Parameter word, two cycles after `advance`.
    low_accumulator, high_accumulator : Out(7)
        Accumulators to read in the lower and the upper half of the lanes; zero from the second
        idle cycle on.
    select : Out
        Pair of lanes to read in either half (see `Lanes`).
    low_even, low_odd, high_even, high_odd : In(signed(16))
        Raw sums, four cycles after the accumulators (`WordFormat.lanes_late` more).
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
        self.pairs = parameters.lanes // 4
        self.late = parameters.word_format.lanes_late
        super().__init__(
            {
                "start": In(1),
                "config": In(PassConfig),
                "advance": Out(1),
                "parameter": In(Parameter),
                "low_accumulator": Out(LANE_ADDRESS_BITS),
                "high_accumulator": Out(LANE_ADDRESS_BITS),
                "select": Out(range(self.pairs)),
                "low_even": In(signed(16)),
                "low_odd": In(signed(16)),
                "high_even": In(signed(16)),
                "high_odd": In(signed(16)),
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
        slots_left = Signal(3, reset_less=True)  # of the pair, behind this one
        last_slot = Signal(reset_less=True)
        last_pair = Signal()
        # Whether the pair's inputs' sums lie in the upper half of the lanes.
        upper = Signal(reset_less=True)
        next_upper = Signal()
        m.d.comb += [
            last_pair.eq(self.select == self.pairs - 1),
            next_upper.eq(upper ^ (last_slot & last_pair)),
        ]
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                units.eq(config.units),
                slots_left.eq(config.last_slot),
                last_slot.eq(config.last_slot == 0),
                self.select.eq(0),
                upper.eq(0),
            ]
        with m.Elif(self.busy):
            m.d.sync += upper.eq(next_upper)
            with m.If(last_slot):
                m.d.sync += [
                    slots_left.eq(config.last_slot),
                    last_slot.eq(config.last_slot == 0),
                    units.eq(units - 1),
                    self.busy.eq(units != 1),
                    self.select.eq(Mux(last_pair, 0, self.select + 1)),
                ]
            with m.Else():
                m.d.sync += [slots_left.eq(slots_left - 1), last_slot.eq(slots_left == 1)]
        accumulators = []
        for name, first in (("input", config.accumulator), ("state", config.state_accumulator)):
            group = Signal(LANE_ADDRESS_BITS, name=f"{name}_group", reset_less=True)
            here = Signal(LANE_ADDRESS_BITS, name=f"{name}_here", reset_less=True)
            next_group = Signal(LANE_ADDRESS_BITS, name=f"{name}_next_group")
            m.d.comb += next_group.eq(group + (last_pair & upper))
            with m.If(self.start):
                m.d.sync += [group.eq(first), here.eq(first)]
            with m.Elif(last_slot):
                m.d.sync += [group.eq(next_group), here.eq(next_group)]
            with m.Else():
                m.d.sync += here.eq(here + config.groups)
            accumulators.append(here & self.busy.replicate(LANE_ADDRESS_BITS))
        of_inputs, of_states = accumulators
        m.d.comb += [
            self.low_accumulator.eq(Mux(upper, of_states, of_inputs)),
            self.high_accumulator.eq(Mux(upper, of_inputs, of_states)),
        ]

    def _accumulate(self, m: Module) -> None:
        """Stages 1 to 6: fetch, select, shift, add to each other, add up.

        Where sums come later than in the usual word format, so do all stages from the second on.
        """
        # valid[n]: stage n holds a slot.
        late, last = self.late, LATENCY - 1 + self.late
        valid = [self.busy] + [Signal(name=f"valid_{n}") for n in range(1, last + 1)]
        m.d.sync += [valid[n].eq(valid[n - 1]) for n in range(1, last + 1)]
        # Parameters are read in stage 2, arrive in stage 3, and serve in stage 4; what belongs to
        # the slot two words before serves its stage 6. (From the store into an adder without a
        # register between is too long for SPRAM.)
        parameter = Signal(Parameter, reset_less=True)
        first = Signal(init=1)
        add = Signal()
        complete = Signal()
        m.d.comb += [
            add.eq(valid[last] & parameter.add),
            complete.eq(valid[last] & parameter.complete),
            # So that they are read in stages 2 to 4.
            self.advance.eq(Cat(valid[1 + late : 4 + late]).any()),
        ]
        m.d.sync += [
            parameter.eq(self.parameter),
            first.eq((first & ~add) | complete),
            self.complete.eq(complete),
        ]
        for name, total in (("even", self.even_sum), ("odd", self.odd_sum)):
            shifted = []
            for half in ("low", "high"):
                value = getattr(self, f"{half}_{name}")
                used = value & parameter[f"{half}_add"].replicate(16).as_signed()
                shift = parameter[f"{half}_{name}_shift"]
                register = Signal(signed(16 + 7), name=f"{half}_{name}_shifted", reset_less=True)
                m.d.sync += register.eq(used << shift)
                shifted.append(register)
            both = Signal(signed(SUM_BITS), name=f"{name}_both", reset_less=True)
            augend = Signal(signed(SUM_BITS), name=f"{name}_augend")
            m.d.sync += both.eq(shifted[0] + shifted[1])
            m.d.comb += augend.eq(Mux(first, parameter[f"{name}_bias"].as_signed(), total))
            with m.If(add):
                m.d.sync += total.eq(augend + both)
        m.d.comb += self.pending.eq(Cat(self.start, valid, self.complete).any())
