"""Consistent Overhead Byte Stuffing: no zero byte in what is sent, so that one can end a frame.

(S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", 1999.) Ours, and not a package's, so
that a machine with a board needs nothing beyond numpy, pyyaml, safetensors and pyserial; the tests
compare it with a package.
"""

from __future__ import annotations

#: Bytes of a full piece, whose code 0xFF says that no zero follows.
_FULL = 254


def encode(data: bytes) -> bytes:
    """Return `data` without zeros, at most ``len(data) + len(data) // 254 + 1`` bytes."""
    out = bytearray()
    *pieces, last = data.split(b"\0")
    for piece in pieces:
        _put_full(out, piece)
        rest = piece[len(piece) // _FULL * _FULL :]
        out.append(len(rest) + 1)
        out += rest
    _put_full(out, last)
    rest = last[len(last) // _FULL * _FULL :]
    if rest or not last:
        out.append(len(rest) + 1)
        out += rest
    return bytes(out)


def _put_full(out: bytearray, piece: bytes) -> None:
    for start in range(0, len(piece) // _FULL * _FULL, _FULL):
        out.append(_FULL + 1)
        out += piece[start : start + _FULL]


def decode(encoded: bytes) -> bytes | None:
    """Return what was encoded, or None if this is no encoding: cut short, or with a zero in it."""
    if b"\0" in encoded:
        return None
    out = bytearray()
    place = 0
    while place < len(encoded):
        code = encoded[place]
        end = place + code
        if end > len(encoded):
            return None
        out += encoded[place + 1 : end]
        if code <= _FULL and end < len(encoded):
            out.append(0)
        place = end
    return bytes(out)
