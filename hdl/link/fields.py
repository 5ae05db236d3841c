"""The bytes of responses, numbered, so that most of a response is a run of numbers.

====== ==========================================================================
0, 1   low and high byte of a half-word of the scores (the counters, too)
2      state of a unit
3      the next byte of the request
4, 5   status, code
6, 7   label
31..63 the answer to IDENTIFY; ACTIVATE's is its end, the CRC-32 at 60..63, and SYNC's
       its beginning, the protocol version
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
    LABEL = 6
    LABEL_HIGH = 7
    IDENTITY = 31
    FLAGS = 55
    IMAGE_WORDS = 56
    CRC = 60
    CRC_END = 63


def identity_constants(parameters: EngineParameters, clock_hz: int) -> dict[int, int]:
    """Return the bytes of the answer to IDENTIFY that never change, by field number.

    The flags are among them, less those that say how it stands with the network.

    Parameters
    ----------
    parameters : EngineParameters
        The engine behind the link.
    clock_hz : int
        Its clock.
    """
    capacity = parameters.capacity
    flags = (
        DeviceFlags.SPRAM * (parameters.weights == "spram")
        | DeviceFlags.PACKED * parameters.packed
        | DeviceFlags.ONE_EVENT * (parameters.events == 1)
    )
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
        (1, flags),
    ]
    data = b"".join(value.to_bytes(width, "little") for width, value in widths_and_values)
    assert Field.IDENTITY + len(data) == Field.FLAGS + 1
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

    Each of four groups has a register that is zero while the field is another group's, so
    that joining them takes one LUT a bit.

    Latency: three cycles, and one more for what is read from the engine's memories.

    Parameters
    ----------
    parameters : EngineParameters
        The engine behind the link.
    clock_hz : int
        Its clock.

    Members
    -------
    field : In(6)
        Number of the byte.
    data : Out(8)
    request : In(8)
        Next byte of the request.
    status, code : In(3), In(8)
        Of the response.
    hide : In(1)
        There is no network: its size and its CRC-32 are told as zero.
    flash_loaded, flash_failed : In(1)
        Flags.
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
                "flash_loaded": In(1),
                "flash_failed": In(1),
                **reported,
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        field = self.field
        constants = identity_constants(self.parameters, self.clock_hz)
        flags = Cat(self.network_valid, Const(0, 3), self.flash_loaded, self.flash_failed)
        assert 1 << 4 == DeviceFlags.FLASH_LOADED and 1 << 5 == DeviceFlags.FLASH_FAILED
        flags &= (field[:5] == Field.FLAGS & 31).replicate(len(flags))

        # One of four values takes two LUTs a bit if the first one passes the number's low bit on
        # where the second one is to choose between the other two. (Yosys finds three.)
        first_of_memory = Signal(8, reset_less=True)
        first_of_answer = Signal(8, reset_less=True)
        first_of_checksum = Signal(8, reset_less=True)
        size = Signal(8, reset_less=True)
        network = Signal()
        m.d.comb += network.eq((field[3:] == Field.IMAGE_WORDS >> 3) & ~self.hide)
        passed = field[0].replicate(8)
        echo = Cat(self.status, Const(0, 5), self.code)

        def pair(value: Value) -> Value:
            return Mux(field[0], value[8:], value[:8])

        m.d.sync += [
            first_of_memory.eq(Mux(field[1], passed, pair(self.score_data))),
            first_of_answer.eq(Mux(field[5], 0, Mux(field[1], passed, pair(echo)))),
            first_of_checksum.eq(Mux(field[1], passed, pair(self.crc32[:16]))),
            size.eq(Mux(network & ~field[1] & ~field[2], pair(self.image_words), 0)),
        ]

        def other(first: Value, two: Value, three: Value) -> Value:
            return Mux(field[1], Mux(first, three, two), first)

        def by_bit(first: Value, two: Value, three: Value) -> Value:
            return Cat(other(*bits) for bits in zip(first, two, three, strict=True))

        groups = {
            "memory": (
                by_bit(first_of_memory, self.state_data, self.request),
                ~field[5] & ~field[2],
            ),
            "answer": (
                by_bit(first_of_answer, self.label, Const(0, 8)) | size,
                ~field[4] & field[2] | field[5] & ~field[1],
            ),
            "checksum": (
                by_bit(first_of_checksum, self.crc32[16:24], self.crc32[24:]),
                network & field[2],
            ),
            "constant": (
                _select(field, {n: Const(v, 8) for n, v in constants.items()}) | flags,
                (field[4] | field[5]) & ~field[3:].all(),
            ),
        }
        data: Value = Const(0, 8)
        for name, (value, chosen) in groups.items():
            register = Signal(8, name=name, reset_less=True)
            m.d.sync += register.eq(Mux(chosen, value, 0))
            data = data | register
        m.d.sync += self.data.eq(data)
        return m
