"""The link's constants: the one place where both sides of the cable read them.

The gateware (`hdl/link`) and the driver (`host`) may not import each other; what
they must agree on lives here. `docs/link.md` describes the protocol in full.

A frame, in both directions, before COBS::

    [sequence u8] [acknowledge or status u8] [code u8] [payload ...] [CRC-16 u16]

All integers are little endian. The CRC is CRC-16/CCITT-FALSE (polynomial 0x1021,
initial value 0xFFFF) over everything before it.
"""

from enum import IntEnum, IntFlag

PROTOCOL_VERSION = 1

#: Bytes of a frame before COBS that are not payload: sequence, acknowledge, code, CRC-16.
HEADER_BYTES = 3
CRC_BYTES = 2

#: Longest request payload: one step of the widest input (257) with its flag byte, and room
#: for whole words when a network is loaded. The receive buffer must hold one whole request.
MAX_REQUEST_PAYLOAD = 300

#: Longest response payload: `MAX_OUTPUTS` scores of four bytes with a step's record around them.
MAX_RESPONSE_PAYLOAD = 496

#: Outputs a device answers for in one record (4 bytes each in one response).
MAX_OUTPUTS = 112

#: Bytes of an answer record before its scores (label u16, busy cycles u32), and of the
#: busy-cycle count that ends every response to `Command.STEPS`.
RECORD_HEADER_BYTES = 6
BUSY_BYTES = 4


class Command(IntEnum):
    """Request codes."""

    SYNC = 0
    IDENTIFY = 1
    WRITE = 2
    ACTIVATE = 3
    STEPS = 4
    RESET = 5
    READ_STATE = 6
    WRITE_STATE = 7
    REPLAY = 8
    COUNTERS = 9


class Status(IntEnum):
    """Outcome of a request: the second byte of its response."""

    OK = 0
    UNKNOWN_COMMAND = 1
    BAD_LENGTH = 2
    NO_NETWORK = 3
    BAD_NETWORK = 4
    BAD_ARGUMENT = 5


class StepFlags(IntFlag):
    """First payload byte of `Command.STEPS`."""

    FIRST = 1
    LAST = 2
    LABEL_ONLY = 4
    READOUT_ALL = 8


class Region(IntEnum):
    """What `READ_STATE` and `WRITE_STATE` address."""

    HIDDEN = 0
    SCORES = 1


class DeviceFlags(IntFlag):
    """The flag byte of the answer to `Command.IDENTIFY`."""

    NETWORK_VALID = 1
    SPRAM = 2
    PACKED = 4
    ONE_EVENT = 8
    FLASH_LOADED = 16
    FLASH_FAILED = 32


#: Where a frame should begin, it ends the image in a board's flash; erased flash is full of it.
FLASH_END = 0xFF

#: Longest request frame before COBS whose first code cannot be `FLASH_END`.
MAX_FLASH_FRAME = 253


def encoded_bytes(raw: int) -> int:
    """Return the most bytes `raw` frame bytes occupy after COBS, delimiter included."""
    return raw + raw // 254 + 1 + 1


def request_cost(payload: int) -> int:
    """Return the bytes a request with `payload` bytes occupies in the receive buffer.

    The buffer holds sequence number, code, a two-byte length and the payload.
    """
    return payload + 4


def response_cost(payload: int) -> int:
    """Return the most bytes a response with `payload` bytes occupies in the device's ring."""
    return encoded_bytes(HEADER_BYTES + payload + CRC_BYTES)
