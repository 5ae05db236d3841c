"""All lanes side by side, and the choice of the two accumulators a gate pass wants."""

from functools import reduce
from operator import or_

from amaranth.hdl import Assert, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.lane import Lane
from hdl.core.parameters import EngineParameters
from hdl.core.signatures import DELTA_BITS, LaneControl


class Lanes(wiring.Component):
    """P lanes under one control.

    Latency: `control`, `delta` and `select` belong to the cycle in which the store is
    addressed; `weights` arrive one cycle later (from the store); `even` and `odd` are valid
    three cycles after `control`. Throughput: one word of P weights, or one read, a cycle.

    Members
    -------
    control : In(LaneControl)
        Address, and whether the sum (or zero) is written back.
    delta : In(signed(9))
        The event's delta; zero while clearing.
    weights : In(2 * P)
        The store's word, one cycle after `control`.
    select : In(range(P / 2))
        Pair of lanes whose values appear at `even` and `odd`.
    even, odd : Out(signed(16))
        Values of lanes ``2 * select`` and ``2 * select + 1``.
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        lanes = parameters.lanes
        super().__init__(
            {
                "control": In(LaneControl),
                "delta": In(signed(DELTA_BITS)),
                "weights": In(data.ArrayLayout(2, lanes)),
                "select": In(range(lanes // 2)),
                "even": Out(signed(16)),
                "odd": Out(signed(16)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = [Lane() for _ in range(self.parameters.lanes)]
        read = Signal(LaneControl)
        write = Signal(LaneControl)
        plus = Signal(signed(DELTA_BITS))
        minus = Signal(signed(DELTA_BITS))
        # A pass reads one pair of lanes; the others read zero, and an OR tree joins them, which
        # is half the size of a multiplexer. Clearing is adding a delta of zero to zero.
        mute = Signal(len(lanes) // 2)
        m.d.sync += [
            read.eq(self.control),
            write.eq(read),
            plus.eq(self.delta),
            # -d = ~(d - 1): subtracting a constant needs no inverters before the carry chain.
            minus.eq(~(self.delta - 1)),
            *(
                mute[pair].eq(self.control.clear | (self.control.read & (self.select != pair)))
                for pair in range(len(lanes) // 2)
            ),
        ]
        for index, lane in enumerate(lanes):
            m.submodules[f"lane{index}"] = lane
            m.d.comb += [
                lane.address.eq(read.address),
                lane.mute.eq(mute[index // 2]),
                lane.weight.eq(self.weights[index]),
                lane.plus.eq(plus),
                lane.minus.eq(minus),
                lane.write.eq(write.write),
                lane.write_address.eq(write.address),
            ]
        for output, half in ((self.even, lanes[0::2]), (self.odd, lanes[1::2])):
            m.d.sync += output.eq(reduce(or_, (lane.value for lane in half)))
        # The assumption behind the block RAM without collision logic.
        m.d.sync += Assert(
            ~(write.write & (read.write | read.read) & (read.address == write.address)),
            "a lane reads the accumulator it writes",
        )
        return m
