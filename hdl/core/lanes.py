"""All lanes side by side, and the choice of the four accumulators a gate pass wants."""

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth.hdl import Assert, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.lane import Lane
from hdl.core.parameters import EngineParameters
from hdl.core.signatures import DELTA_BITS, LaneControl


class Lanes(wiring.Component):
    """P lanes under one control.

    Latency: `control`, the deltas and `select` belong to the cycle in which the store is
    addressed; `weights` arrive one cycle later (from the store; two, if they are unpacked between);
    the values are valid four cycles after `control` (`WordFormat.lanes_late` more). Throughput: a
    word of 2 P weights, or one read, a cycle. Of one event a cycle, there is no odd one.

    Members
    -------
    control : In(LaneControl)
        Addresses, and whether the sum (or zero) is written back.
    even_delta, odd_delta : In(signed(9))
        Deltas of an even and an odd source's event; zero where there is none, and while clearing.
    weights : In(4 * P)
        The store's word, after `control`: two bits a lane for the even source, and above them two
        bits a lane for the odd one.
    select : In(range(P / 4))
        Pair of lanes, in each half of them, whose values appear.
    low_even, low_odd, high_even, high_odd : Out(signed(16))
        Values of lanes ``2 * select`` and ``2 * select + 1`` of the lower and the upper half.
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        lanes, events = parameters.lanes, parameters.events
        self.names = ("even", "odd")[:events]
        super().__init__(
            {
                "control": In(LaneControl),
                **{f"{name}_delta": In(signed(DELTA_BITS)) for name in self.names},
                "weights": In(data.ArrayLayout(2, events * lanes)),
                "select": In(range(lanes // 4)),
                "low_even": Out(signed(16)),
                "low_odd": Out(signed(16)),
                "high_even": Out(signed(16)),
                "high_odd": Out(signed(16)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = self.parameters.lanes
        lanes = [Lane(self.parameters.events) for _ in range(count)]
        pairs = count // 4  # in each half
        word_format = self.parameters.word_format
        # From the store's address to the accumulators', and on to their writing back.
        stages = [self.control]
        for number in range(1, word_format.lane_delay + 2):
            stages.append(Signal(LaneControl, name=f"control_{number}"))
        read, write = stages[-2:]
        m.d.sync += [to.eq(of) for of, to in pairwise(stages)]
        # A pass reads a pair of lanes in each half; the others read zero, and OR trees join them,
        # which is half the size of a multiplexer. Clearing is adding deltas of zero to zero.
        mutes = [Signal(pairs, name=f"mute_{number}") for number in range(word_format.lane_delay)]
        mute = mutes[-1]
        m.d.sync += [
            *(
                mutes[0][pair].eq(self.control.clear | (self.control.read & (self.select != pair)))
                for pair in range(pairs)
            ),
            *(to.eq(of) for of, to in pairwise(mutes)),
        ]
        deltas = []
        for name in self.names:
            delta = getattr(self, f"{name}_delta")
            if word_format.packed:
                late = Signal(signed(DELTA_BITS), name=f"{name}_late")
                m.d.sync += late.eq(delta)
                delta = late
            plus = Signal(signed(DELTA_BITS), name=f"{name}_plus")
            minus = Signal(signed(DELTA_BITS), name=f"{name}_minus")
            # -d = ~(d - 1): subtracting a constant needs no inverters before the carry chain.
            m.d.sync += [plus.eq(delta), minus.eq(~(delta - 1))]
            deltas.append((plus, minus))
        for index, lane in enumerate(lanes):
            m.submodules[f"lane{index}"] = lane
            side = "high_address" if index >= count // 2 else "low_address"
            m.d.comb += [
                lane.address.eq(getattr(read, side)),
                lane.mute.eq(mute[index % (count // 2) // 2]),
                lane.write.eq(write.write),
                lane.write_address.eq(getattr(write, side)),
            ]
            for event, (name, (plus, minus)) in enumerate(zip(self.names, deltas, strict=True)):
                m.d.comb += [
                    getattr(lane, f"{name}_weight").eq(self.weights[event * count + index]),
                    getattr(lane, f"{name}_plus").eq(plus),
                    getattr(lane, f"{name}_minus").eq(minus),
                ]
        half = count // 2
        for output, part in (
            (self.low_even, lanes[0:half:2]),
            (self.low_odd, lanes[1:half:2]),
            (self.high_even, lanes[half::2]),
            (self.high_odd, lanes[half + 1 :: 2]),
        ):
            m.d.sync += output.eq(reduce(or_, (lane.value for lane in part)))
        # The assumption behind the block RAM without collision logic.
        for side in ("low_address", "high_address"):
            m.d.sync += Assert(
                ~(
                    write.write
                    & (read.write | read.read)
                    & (getattr(read, side) == getattr(write, side))
                ),
                "a lane reads the accumulator it writes",
            )
        return m
