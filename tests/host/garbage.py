"""Bytes for fuzzing, as many as are asked for: Hypothesis itself draws short examples mostly."""

from __future__ import annotations

import random

from cobs import cobs

from host.frames import DELIMITER, Frame, FrameReceiver, crc16, encode


def random_frame(source: random.Random, most: int = 310) -> Frame:
    """A frame with any header and any payload."""
    header = (source.randrange(256) for _ in range(3))
    return Frame(*header, source.randbytes(source.randrange(most)))


def damaged(source: random.Random) -> bytes:
    """A piece of garbage: noise, or what was a frame; its delimiter may be missing."""
    frame = random_frame(source)
    body = bytes((frame.sequence, frame.second, frame.code)) + frame.payload
    wrong = crc16(body) ^ source.randrange(1, 1 << 16)
    encoded = bytearray(cobs.encode(body + wrong.to_bytes(2, "little")))
    good = encode(frame)[:-1]
    kind = source.randrange(6)
    if kind == 0:
        return source.randbytes(source.randrange(1, 400))
    if kind == 1:  # pieces of few bytes
        return b"\0".join(source.randbytes(source.randrange(4)) for _ in range(20))
    if kind == 2:
        return bytes(encoded) + DELIMITER
    if kind == 3:
        return good[: source.randrange(len(good))] + DELIMITER
    if kind == 4:
        place = source.randrange(len(good))
        return good[:place] + bytes((good[place] ^ 1 << source.randrange(8),)) + good[place + 1 :]
    return good * 3 + DELIMITER


def garbage(seed: int, count: int, whole_frames: bool = False) -> bytes:
    """Return at least `count` bytes; without `whole_frames` no frame in them is undamaged."""
    source = random.Random(seed)
    data = bytearray()
    while len(data) < count:
        if whole_frames and source.randrange(3) == 0:
            data += encode(random_frame(source, 300))
            continue
        piece = damaged(source)
        if whole_frames or not FrameReceiver().feed(DELIMITER + piece + DELIMITER):
            data += DELIMITER + piece + DELIMITER
    return bytes(data)
