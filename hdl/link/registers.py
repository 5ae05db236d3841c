"""The command unit's registers: address, lengths, gathered words, and the sending of fields.

Everything here follows strobes that come from registers, and what it tells the control about
itself comes from registers, too: the control decides once in four cycles (see
`hdl.link.commands`), which is far more often than bytes come, and no path is long.
"""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.core.readout import COUNTERS
from hdl.core.signatures import SCORE_ADDRESS_BITS, STORE_ADDRESS_BITS
from hdl.link.receiver import LENGTH_BITS
from hdl.link.signatures import frame_stream

#: Bytes of a score, and of half a counter.
SCORE_BYTES = 4
COUNTERS_SCORE = COUNTERS // 2


class CommandRegisters(wiring.Component):
    """Registers and counters that requests are parsed with.

    Strobes act in the cycle in which they are high; the conditions follow two cycles later.

    Parameters
    ----------
    parameters : EngineParameters
        The engine behind the link.

    Members
    -------
    requests : In(stream of 8 bits)
    engine_ready : In(1)
        The engine takes a byte.
    take : In(1)
        Strobe: take a byte; `remaining` goes down.
    address_clear, address_shift, address_advance : In(1)
        Strobes: zero, the count of bytes, too; the byte being taken becomes the high half, and
        that the low half; plus one.
    remaining_clear, remaining_load, remaining_step, remaining_count : In(1)
        Strobes: zero; if it is zero, copy `address`, which has the request's length; minus I;
        minus one.
    gather : In(1)
        Strobe: `data` plus `carry` joins a word; a whole one is written. `data` must stand for
        two cycles.
    byte_advance : In(1)
        Strobe: next byte of a word or a score.
    unit_advance : In(1)
        Strobe, with `byte_advance`: at the end of a unit or a score, the next address, and
        `remaining` goes down.
    stepping : In(1)
        It does not: it counts a step's bytes.
    words, scores, counting : In(1)
        What bytes are: of words of the store; of scores (else of units); scores are counters.
    carry_set, carry_clear : In(1)
        Strobes: what is added to the first byte.
    data : In(8)
        The byte to gather.
    address : Out(16)
    score_address : Out(8)
    gathered : Out(8 * word_bytes)
    byte : Out
    carry : Out(1)
        What is added to the counter's next byte.
    store_write, state_write, score_write : Out(1)
        Strobes to the engine, one cycle after `gather`.
    none_left, zero_left : Out(1)
        Conditions: `remaining` (payload bytes less one) is negative, is zero.
    unit_end : Out(1)
        Condition: the byte is the last one of its word, score or unit.
    """

    def __init__(self, parameters: EngineParameters) -> None:
        self.parameters = parameters
        strobes = (
            "take",
            "address_clear",
            "address_shift",
            "address_advance",
            "remaining_clear",
            "remaining_load",
            "remaining_step",
            "remaining_count",
            "gather",
            "byte_advance",
            "unit_advance",
            "words",
            "stepping",
            "scores",
            "counting",
            "carry_set",
            "carry_clear",
        )
        super().__init__(
            {
                "requests": In(stream.Signature(8)),
                "engine_ready": In(1),
                **{name: In(1) for name in strobes},
                "data": In(8),
                "inputs_count": In(9),
                "address": Out(STORE_ADDRESS_BITS),
                "score_address": Out(SCORE_ADDRESS_BITS),
                "gathered": Out(8 * parameters.word_bytes),
                "byte": Out(range(max(parameters.word_bytes, SCORE_BYTES))),
                "remaining": Out(signed(LENGTH_BITS)),
                "carry": Out(1),
                "store_write": Out(1),
                "state_write": Out(1),
                "score_write": Out(1),
                "none_left": Out(1),
                "zero_left": Out(1),
                "unit_end": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        request = self.requests.payload
        m.d.comb += self.requests.ready.eq(self.take | self.engine_ready)

        advance = Signal()
        with m.If(self.address_clear):
            m.d.sync += self.address.eq(0)
        with m.Elif(self.address_shift):
            m.d.sync += self.address.eq(Cat(self.address[8:], request))
        with m.Elif(self.address_advance | advance | (self.unit_advance & self.unit_end)):
            m.d.sync += self.address.eq(self.address + 1)

        count_unit = Signal()
        m.d.comb += count_unit.eq(self.unit_advance & ~self.stepping)
        # One adder for all: its other operand is -1, -1 - I with a carry, or the length.
        with m.If(self.remaining_clear):
            m.d.sync += self.remaining.eq(0)
        with m.Elif(
            self.remaining_load
            | self.remaining_step
            | self.remaining_count
            | self.take
            | (count_unit & self.unit_end)
        ):
            less = Mux(self.remaining_step, self.inputs_count, Const(0, LENGTH_BITS))
            operand = Mux(self.remaining_load, self.address[:LENGTH_BITS], ~less)
            m.d.sync += self.remaining.eq(self.remaining + operand + self.remaining_step)
        m.d.sync += [
            self.none_left.eq(self.remaining[-1]),
            self.zero_left.eq(self.remaining == 0),
        ]

        # Words and half-words are gathered from bytes, the lowest first. The last one is not
        # kept: it is written from `data`. A counter is incremented on its way.
        incremented = Signal(9)
        gathering = Signal()
        before = Signal(8 * (self.parameters.word_bytes - 1), reset_less=True)
        m.d.comb += [
            incremented.eq(self.data + self.carry),
            self.gathered.eq(Cat(before, incremented[:8])),
        ]
        m.d.sync += gathering.eq(self.gather)
        with m.If(self.carry_set):
            m.d.sync += self.carry.eq(1)
        with m.Elif(self.carry_clear):
            m.d.sync += self.carry.eq(0)
        with m.If(gathering):
            m.d.sync += [self.carry.eq(incremented[8]), before.eq(self.gathered[8:])]
        with m.If(self.words):
            m.d.sync += self.unit_end.eq(self.byte == self.parameters.word_bytes - 1)
        with m.Else():
            m.d.sync += self.unit_end.eq(~self.scores | (self.byte == SCORE_BYTES - 1))
        with m.If(self.address_clear):
            m.d.sync += self.byte.eq(0)
        with m.Elif(self.byte_advance):
            m.d.sync += self.byte.eq(Mux(self.unit_end, 0, self.byte + 1))

        # A write is done one cycle after its last byte was taken; then its address moves on.
        half = Signal()
        m.d.sync += [
            half.eq(self.byte[1]),
            self.store_write.eq(self.gather & self.words & self.unit_end),
            self.state_write.eq(self.gather & ~self.words & ~self.scores),
            self.score_write.eq(self.gather & ~self.words & self.scores & self.byte[0]),
        ]
        m.d.comb += advance.eq(self.store_write | self.state_write | (self.score_write & half))
        score = Signal(SCORE_ADDRESS_BITS - 1)
        m.d.comb += [score.eq(self.address), self.score_address.eq(Cat(half, score))]
        with m.If(self.counting):
            # Steps come before events in the answer, and after them in the memory; so do the
            # cycles that read lanes and those that wait for an input.
            swapped = Cat(self.address[0], self.address[2], self.address[1], self.address[3])
            m.d.comb += score.eq(swapped | COUNTERS_SCORE)
        return m


class FieldSender(wiring.Component):
    """Send one field, or only select it.

    Latency: a field is selected four cycles after `start` and offered in the fifth.

    Members
    -------
    start : In(1)
        Strobe: begin. `silent` and `end` must stand until `busy` falls.
    silent : In(1)
        Select only.
    end : In(1)
        The frame's end, not a byte.
    data : In(8)
        The field, selected.
    busy : Out(1)
    responses : Out(stream of FrameItem)
    """

    start: In(1)
    silent: In(1)
    end: In(1)
    data: In(8)
    busy: Out(1)
    responses: Out(frame_stream())

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        phase = Signal(3)
        m.d.comb += [
            self.busy.eq(phase != 0),
            self.responses.valid.eq(phase[2] & ~self.silent),
            self.responses.payload.data.eq(self.data),
            self.responses.payload.end.eq(self.end),
        ]
        with m.If(phase[2]):
            with m.If(self.silent | self.responses.ready):
                m.d.sync += phase.eq(0)
        with m.Elif(self.busy | self.start):
            m.d.sync += phase.eq(phase + 1)
        return m
