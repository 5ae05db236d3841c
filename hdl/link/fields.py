"""The bytes of responses, numbered, so that most of a response is a run of numbers.

====== ==========================================================================
0..1   low and high byte of a half-word of the scores (the counters, too)
2      state of a unit
3      the next byte of the request
4, 5   status, code
8, 9   label
16..18 the answer to SYNC: two bytes of the request, protocol version
31..63 the answer to IDENTIFY; ACTIVATE's is its end, the CRC-32 at 60..63
====== ==========================================================================
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.link.signatures import BUFFER_CAPACITY, engine_signature
from models.protocol import PROTOCOL_VERSION, DeviceFlags

FIELD_BITS = 6

#: What the engine reports and a response tells.
REPORTED = ("network_valid", "label", "image_words", "crc32", "score_data", "state_data")


class Field(IntEnum):
    """Where the runs begin and end."""

    SCORE_LOW = 0
    SCORE_HIGH = 1
    HIDDEN = 2
    REQUEST = 3
    STATUS = 4
    CODE = 5
    LABEL = 8
    LABEL_HIGH = 9
    NONCE = 16
    VERSION = 18
    IDENTITY = 31
    FLAGS = 55
    IMAGE_WORDS = 56
    CRC = 60
    CRC_END = 63


def identity_constants(parameters: EngineParameters, clock_hz: int) -> dict[int, int]:
    """Return the bytes of the answer to IDENTIFY that never change, by field number.

    Parameters
    ----------
    parameters : EngineParameters
        The engine behind the link.
    clock_hz : int
        Its clock.
    """
    capacity = parameters.capacity
    widths_and_values = [
        (1, PROTOCOL_VERSION),
        (1, parameters.lanes),
        (1, parameters.fraction_bits),
        (1, parameters.word_bytes),
        (4, parameters.store_words),
        (2, capacity.accumulator_words),
        (2, capacity.state_units),
        (2, capacity.input_size),
        (2, capacity.outputs),
        (2, BUFFER_CAPACITY),
        (2, BUFFER_CAPACITY),
        (4, round(clock_hz / 1000)),
    ]
    data = b"".join(value.to_bytes(width, "little") for width, value in widths_and_values)
    assert Field.IDENTITY + len(data) == Field.FLAGS
    return dict(enumerate(data, Field.IDENTITY))


def _select(index: Value, choices: Mapping[int, Any]) -> Any:
    """Return the choice with number `index`, as a tree of two-way multiplexers.

    Numbers without a choice cost nothing: they deliver some other one. (A `Switch` would make
    Yosys compare the index with each number.)
    """
    if not choices:
        return None
    if len(index) == 0:
        (value,) = choices.values()
        return value
    half = 1 << len(index) - 1
    low = _select(index[:-1], {n: value for n, value in choices.items() if n < half})
    high = _select(index[:-1], {n - half: value for n, value in choices.items() if n >= half})
    if low is None or high is None:
        return high if low is None else low
    return Mux(index[-1], high, low)


class FieldSelector(wiring.Component):
    """Select a byte of a response by its number.

    Latency: two cycles, and one more for what is read from the engine's memories.

    Parameters
    ----------
    parameters : EngineParameters
        The engine behind the link.
    clock_hz : int
        Its clock.

    Members
    -------
    field : In(7)
        Number of the byte.
    data : Out(8)
    request : In(8)
        Next byte of the request.
    status, code : In(3), In(8)
        Of the response.
    hide : In(1)
        There is no network: its size and its CRC-32 are told as zero.
    network_valid, label, ... : In
        The engine's members named in `REPORTED`.
    """

    def __init__(self, parameters: EngineParameters, clock_hz: int) -> None:
        self.parameters = parameters
        self.clock_hz = clock_hz
        ports = engine_signature(parameters.word_bits).members
        reported = {name: In(ports[name].shape) for name in REPORTED}
        super().__init__(
            {
                "field": In(FIELD_BITS),
                "data": Out(8),
                "request": In(8),
                "status": In(3),
                "code": In(8),
                "hide": In(1),
                **reported,
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        spram = DeviceFlags.SPRAM if self.parameters.weights == "spram" else 0

        fields: dict[int, Any] = {
            number: Const(value, 8)
            for number, value in identity_constants(self.parameters, self.clock_hz).items()
        }
        for first, value in (
            (Field.FLAGS, Cat(self.network_valid, Const(spram >> 1, 7))),
            (Field.IMAGE_WORDS, Cat(self.image_words, Const(0, 16))),
            (Field.CRC, self.crc32),
            (Field.NONCE, Cat(self.request, self.request)),
            (Field.VERSION, Const(PROTOCOL_VERSION, 8)),
            (Field.REQUEST, self.request),
            (Field.STATUS, Cat(self.status, Const(0, 5))),
            (Field.CODE, self.code),
            (Field.SCORE_LOW, self.score_data),
            (Field.HIDDEN, self.state_data),
            (Field.LABEL, Cat(self.label, Const(0, 8))),
        ):
            for offset in range(0, len(value), 8):
                fields[first + offset // 8] = value[offset : offset + 8]
        # Four quarters first, then one of them: the memories' outputs come late in a cycle.
        size = 1 << FIELD_BITS - 2
        quarters: dict[int, Any] = {}
        for number in range(4):
            low = number * size
            within = {n - low: fields[n] for n in fields if low <= n < low + size}
            chosen = _select(self.field[:-2], within)
            if chosen is not None:
                quarters[number] = quarter = Signal(8, name=f"quarter_{number}", reset_less=True)
                m.d.sync += quarter.eq(chosen)
        m.d.sync += self.data.eq(_select(self.field[-2:], quarters))
        with m.If(self.hide & (self.field[3:] == Field.IMAGE_WORDS >> 3)):
            m.d.sync += self.data.eq(0)
        return m
