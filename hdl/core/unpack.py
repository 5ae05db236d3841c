"""Unpack weights: five in a byte become two bits each."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from models.trits import CODE_BITS, NONZERO, SHARED, TRITS, Function


def _result(function: Function, bits: list[Value]) -> Value:
    """Return a function of some of the bits: one lookup table."""
    return _gates(function.table, [bits[number] for number in function.inputs])


def _gates(table: int, inputs: list[Value]) -> Value:
    """Return a truth table's function of some bits, the lowest first.

    Gates, because Yosys would make a multiplexer's constant a synchronous set or reset, and spend a
    control signal and a cell on it (see `hdl.core.lane`).
    """
    if not inputs:
        return Const(table, 1)
    *rest, bit = inputs
    half = 1 << len(rest)
    low, high = _gates(table & (1 << half) - 1, rest), _gates(table >> half, rest)
    return (bit & high) | (~bit & low)


class Unpack(wiring.Component):
    """The bytes of a store word as the lanes' weights (see `models.trits`).

    Latency 1: the results have registers, for the store's output comes late in its cycle (SPRAM),
    and what the lanes do with a weight takes a cycle of its own. Throughput: a word a cycle.

    Members
    -------
    word : In(word_bits)
        The store's word: a source's bytes in each of its parts.
    weights : Out(2 bits for each lane and event)
        A cycle later: bit 0 is set where the weight is not zero, bit 1 where it is then negative.
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__(
            {
                "word": In(parameters.word_bits),
                "weights": Out(data.ArrayLayout(2, parameters.events * parameters.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self.parameters.lanes
        part_bits = self.parameters.word_format.part_bits(lanes)
        for event in range(self.parameters.events):
            part = self.word.word_select(event, part_bits)
            for first in range(0, lanes, TRITS):
                code = part.word_select(first // TRITS, CODE_BITS)
                bits: list[Value] = list(code)
                for number, function in enumerate(SHARED):
                    shared = Signal(name=f"shared_{event}_{first}_{number}")
                    m.d.comb += shared.eq(_result(function, bits))
                    bits.append(shared)
                for place, function in enumerate(NONZERO[: lanes - first]):
                    weight = self.weights[event * lanes + first + place]
                    m.d.sync += weight.eq(Cat(_result(function, bits), code[place]))
        return m
