"""Frames on the line: bytes in, bytes out, no port and no clock. See docs/link.md.

A frame is three header bytes, a payload and a CRC-16, COBS-encoded so that the only zero byte
on the line is the delimiter that ends a frame.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from host import cobs
from models.protocol import (
    CRC_BYTES,
    HEADER_BYTES,
    MAX_REQUEST_PAYLOAD,
    MAX_RESPONSE_PAYLOAD,
    encoded_bytes,
)

DELIMITER = b"\x00"

#: No frame is longer on the line; what is longer is garbage and is dropped as it comes.
MAX_ENCODED = encoded_bytes(
    HEADER_BYTES + max(MAX_REQUEST_PAYLOAD, MAX_RESPONSE_PAYLOAD) + CRC_BYTES
)


@dataclass(frozen=True)
class Frame:
    """A frame's content.

    Attributes
    ----------
    sequence : int
        Sequence number, 0 to 255.
    second : int
        Requests: the next response wanted (acknowledge). Responses: the status.
    code : int
        Command, or its echo.
    payload : bytes
        The rest.
    """

    sequence: int
    second: int
    code: int
    payload: bytes = b""


def crc16(data: bytes) -> int:
    """Return CRC-16/CCITT-FALSE of `data`; of ``b"123456789"`` it is 0x29B1."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode(frame: Frame) -> bytes:
    """Return the frame as it goes over the line, delimiter included."""
    body = bytes((frame.sequence, frame.second, frame.code)) + frame.payload
    return cobs.encode(body + crc16(body).to_bytes(CRC_BYTES, "little")) + DELIMITER


def decode(encoded: bytes) -> Frame | None:
    """Return the frame between two delimiters, or None if it is damaged."""
    raw = cobs.decode(encoded)
    if raw is None or len(raw) < HEADER_BYTES + CRC_BYTES:
        return None
    body, crc = raw[:-CRC_BYTES], int.from_bytes(raw[-CRC_BYTES:], "little")
    if crc16(body) != crc:
        return None
    return Frame(body[0], body[1], body[2], body[HEADER_BYTES:])


class FrameReceiver:
    """Finds frames in whatever bytes come, in whatever pieces; garbage costs only itself.

    Attributes
    ----------
    damaged : int
        Pieces between two delimiters that were no frame.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._partial = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes and return the frames they complete; memory stays bounded."""
        frames = []
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            self._extend(piece)
            encoded, overlong = bytes(self._partial), self._overlong
            self._partial.clear()
            self._overlong = False
            if not encoded:
                continue
            frame = None if overlong else decode(encoded)
            if frame is None:
                self.damaged += 1
            else:
                frames.append(frame)
        self._extend(rest)
        return frames

    def _extend(self, piece: bytes) -> None:
        room = MAX_ENCODED - len(self._partial)
        self._overlong |= len(piece) > room
        self._partial += piece[:room]
