"""Eight multiply-accumulate lanes: one activation meets eight weights in each cycle."""

from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry

#: Lanes: rows of a matrix that are multiplied at once.
LANES = 8
WEIGHT_BITS = 8
#: Radix-4 digits of an activation.
_DIGITS = 4


def _lane_signature(bits: int) -> dict[str, wiring.Member]:
    return {
        "activation": In(signed(8)),
        "weight": In(signed(8)),
        "clear": In(1),
        "total": Out(signed(bits)),
    }


class DSPLane(wiring.Component):
    """One SB_MAC16 with all its registers: 16 by 16 bits, and 32 bits of accumulator.

    The activation goes in times 256, so that eight of its nets, which all lanes share, have one
    load in each; the accumulator then is 256 times the total. A sum that starts anew cannot take
    a product in the same cycle (the load replaces the adder).

    Latency: a product is in `total` four cycles after its factors were at the input; `clear`
    replaces the product that was there `LATENCY` cycles before. Throughput: one product a cycle.
    """

    LATENCY = 3

    def __init__(self, bits: int) -> None:
        self._bits = bits
        super().__init__(_lane_signature(bits))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        output = Signal(32)
        zero = Const(0, 1)
        m.submodules.mac = Instance(
            "SB_MAC16",
            p_A_REG=Const(1, 1),
            p_B_REG=Const(1, 1),
            p_TOP_8x8_MULT_REG=Const(1, 1),
            p_BOT_8x8_MULT_REG=Const(1, 1),
            p_PIPELINE_16x16_MULT_REG1=Const(1, 1),
            p_PIPELINE_16x16_MULT_REG2=Const(1, 1),
            p_TOPOUTPUT_SELECT=Const(1, 2),  # the accumulator's register
            p_BOTOUTPUT_SELECT=Const(1, 2),
            p_TOPADDSUB_LOWERINPUT=Const(2, 2),  # the 16 by 16 product
            p_BOTADDSUB_LOWERINPUT=Const(2, 2),
            p_TOPADDSUB_UPPERINPUT=Const(0, 1),  # the accumulator
            p_BOTADDSUB_UPPERINPUT=Const(0, 1),
            p_TOPADDSUB_CARRYSELECT=Const(2, 2),  # from the low half
            p_BOTADDSUB_CARRYSELECT=Const(0, 2),
            p_A_SIGNED=Const(1, 1),
            p_B_SIGNED=Const(1, 1),
            i_CLK=ClockSignal(),
            i_CE=Const(1, 1),
            i_A=Cat(Const(0, 8), self.activation),
            i_B=Cat(self.weight, self.weight[-1].replicate(8)),
            i_C=Const(0, 16),  # loaded by OLOAD
            i_D=Const(0, 16),
            i_OLOADTOP=self.clear,
            i_OLOADBOT=self.clear,
            **{f"i_{name}": zero for name in _QUIET},
            o_O=output,
        )
        m.d.comb += self.total.eq(output[8:])
        return m


_QUIET = (
    *("AHOLD", "BHOLD", "CHOLD", "DHOLD", "OHOLDTOP", "OHOLDBOT", "IRSTTOP", "IRSTBOT"),
    *("ORSTTOP", "ORSTBOT", "ADDSUBTOP", "ADDSUBBOT", "CI", "ACCUMCI", "SIGNEXTIN"),
)


class ModelLane(wiring.Component):
    """What `DSPLane` does, for Amaranth's simulator, which ignores instances."""

    LATENCY = DSPLane.LATENCY

    def __init__(self, bits: int) -> None:
        super().__init__(_lane_signature(bits))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        activation, weight = Signal(signed(8)), Signal(signed(8))
        parts, product = Signal(signed(16)), Signal(signed(16))
        m.d.sync += [
            activation.eq(self.activation),
            weight.eq(self.weight),
            parts.eq(activation * weight),
            product.eq(parts),
            self.total.eq(Mux(self.clear, 0, self.total + product)),
        ]
        return m


class LogicLane(wiring.Component):
    """A multiplier of logic cells and its accumulator, without a DSP.

    The activation comes recoded in radix 4 (Booth): four digits of -2 to 2, which all lanes
    share. A bit of a digit's product is then a function of two bits of the weight and of two of
    the digit, one logic cell with its register; a digit of zero resets the registers. A product
    with a negative digit is complemented, and the ones that are missing ride in the carries of
    the four adders behind (a shifted complement is filled with ones below, so that its one has
    weight one).

    Latency: `LATENCY` from digits and weight to the cycle whose sum `clear` replaces. Throughput:
    one product a cycle.

    Members
    -------
    double, negative, zero : In(4)
        By digit. A digit that is zero is not negative.
    weight : In(signed(8))
    clear : In(1)
    total : Out(signed(bits))
    """

    LATENCY = 3

    def __init__(self, bits: int) -> None:
        super().__init__(
            {
                "double": In(_DIGITS),
                "negative": In(_DIGITS),
                "zero": In(_DIGITS),
                "weight": In(signed(WEIGHT_BITS)),
                "clear": In(1),
                "total": Out(signed(bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        partial = []
        for digit in range(_DIGITS):
            value = Signal(signed(WEIGHT_BITS + 1), name=f"partial_{digit}", reset_less=True)
            partial.append(value)
            multiple = Mux(self.double[digit], self.weight << 1, self.weight)[: WEIGHT_BITS + 1]
            flip = self.negative[digit].replicate(WEIGHT_BITS + 1)
            m.d.sync += value.eq(multiple ^ flip)
            with m.If(self.zero[digit]):
                m.d.sync += value.eq(0)
        # What each stage still owes of the complements.
        one_1, one_2, one_3 = (Signal(_DIGITS, name=f"one_{n}") for n in range(1, 4))
        m.d.sync += [one_1.eq(self.negative), one_2.eq(one_1), one_3.eq(one_2)]
        low = Signal(signed(WEIGHT_BITS + 4), reset_less=True)
        high = Signal(signed(WEIGHT_BITS + 4), reset_less=True)
        product = Signal(signed(2 * WEIGHT_BITS), reset_less=True)
        m.d.sync += [
            low.eq(add_with_carry(partial[0], _shifted(partial[1], 2, one_1[1]), one_1[0])),
            high.eq(add_with_carry(partial[2], _shifted(partial[3], 2, one_1[3]), one_1[2])),
            product.eq(add_with_carry(low, _shifted(high, 4, one_2[3]), one_2[1])),
            self.total.eq(add_with_carry(self.total, product, one_3[3])),
        ]
        with m.If(self.clear):
            m.d.sync += self.total.eq(0)
        return m


def _shifted(value: Value, amount: int, fill: Value) -> Value:
    return Cat(fill.replicate(amount), value).as_signed()


class Lanes(wiring.Component):
    """Eight lanes, and the registers that hold eight finished totals while the next eight grow.

    The totals come out one after the other, the first in the cycle after `captured`. Between two
    turns there must be at least eight cycles.

    Members
    -------
    activation : In(signed(8))
        Zero in cycles without a column.
    weights : In(64)
        Eight weights, lane 0's the lowest.
    start : In(1)
        Totals begin anew; what they held at power-up does not matter.
    turn : In(1)
        After a matrix's last column, in a cycle of its own: pass the totals on and begin anew.
    captured : Out(1)
        The totals are passed on in this cycle.
    value : Out(signed(bits))
        Totals of lanes 0 to 7 in the eight cycles after.
    """

    def __init__(self, bits: int, dsp: bool, model: bool) -> None:
        self._bits = bits
        self._dsp = dsp
        self._model = model
        super().__init__(
            {
                "activation": In(signed(8)),
                "weights": In(LANES * WEIGHT_BITS),
                "start": In(1),
                "turn": In(1),
                "captured": Out(1),
                "value": Out(signed(bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self._dsp:
            totals, clear, latency = self._dsp_lanes(m)
        else:
            totals, clear, latency = self._logic_lanes(m)
        turn = [self.turn]
        for n in range(latency):
            turn.append(Signal(name=f"turn_{n + 1}"))
            m.d.sync += turn[n + 1].eq(turn[n])
        m.d.comb += [clear.eq(turn[-1] | self.start), self.captured.eq(turn[-1])]

        held = [Signal(signed(self._bits), name=f"held_{n}") for n in range(LANES)]
        for n in range(LANES):
            behind = held[n + 1] if n + 1 < LANES else held[n]
            m.d.sync += held[n].eq(Mux(turn[-1], totals[n], behind))
        m.d.comb += self.value.eq(held[0])
        return m

    def _dsp_lanes(self, m: Module) -> tuple[list[Signal], Signal, int]:
        clear = Signal()
        totals = []
        kind = ModelLane if self._model else DSPLane
        for n in range(LANES):
            lane = kind(self._bits)
            m.submodules[f"lane_{n}"] = lane
            m.d.comb += [
                lane.activation.eq(self.activation),
                lane.weight.eq(self.weights.word_select(n, WEIGHT_BITS)),
                lane.clear.eq(clear),
            ]
            totals.append(lane.total)
        return totals, clear, kind.LATENCY

    def _logic_lanes(self, m: Module) -> tuple[list[Signal], Signal, int]:
        clear = Signal()
        double, negative, zero = (Signal(_DIGITS, name=n) for n in ("double", "negative", "zero"))
        padded = Cat(Const(0, 1), self.activation)
        for digit in range(_DIGITS):
            below, low, high = padded[2 * digit : 2 * digit + 3]
            m.d.sync += [
                double[digit].eq(low == below),  # or zero
                negative[digit].eq(high & ~(low & below)),
                zero[digit].eq((high == low) & (low == below)),
            ]
        weights = Signal(LANES * WEIGHT_BITS)
        m.d.sync += weights.eq(self.weights)
        totals = []
        for n in range(LANES):
            m.submodules[f"lane_{n}"] = lane = LogicLane(self._bits)
            m.d.comb += [
                lane.double.eq(double),
                lane.negative.eq(negative),
                lane.zero.eq(zero),
                lane.weight.eq(weights.word_select(n, WEIGHT_BITS)),
                lane.clear.eq(clear),
            ]
            totals.append(lane.total)
        return totals, clear, LogicLane.LATENCY + 1
