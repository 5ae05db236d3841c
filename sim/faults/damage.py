"""What may happen to bytes on their way, drawn from a seed."""

from __future__ import annotations

import random

__all__ = ["Faults"]

#: What a modem manager, for one, sends to any port that it finds.
_FOREIGN = (b"AT\r\n", b"ATZ\r", b"+++", b"\x7e\x00\x78\xf0\x7e", bytes(8))


class Faults:
    """Faults that hit one byte in `every`, drawn from a seed.

    Parameters
    ----------
    kind : str
        One of `KINDS`, or `PAUSE`.
    every : int
        Bytes for each fault, on the average.
    seed : int
    longest_pause : float
        Seconds.

    Attributes
    ----------
    count : int
        Faults so far.
    enabled : bool
        Without it bytes pass as they are.
    """

    KINDS = ("flip", "drop", "double", "garbage", "swap", "truncate")
    PAUSE = "pause"

    def __init__(self, kind: str, every: int, seed: int, longest_pause: float = 0.0) -> None:
        if kind not in (*self.KINDS, self.PAUSE):
            raise ValueError(f"'kind' must be one of {self.KINDS} or {self.PAUSE!r}, not {kind!r}")
        self.kind, self.every, self.count = kind, every, 0
        self.enabled = True
        self._longest_pause = longest_pause
        self._random = random.Random(f"{kind} {seed}")
        self._skip = 0  # bytes that a truncated frame still lacks

    def __call__(self, data: bytes) -> bytes:
        """Return what arrives of these bytes."""
        return b"".join(piece for _, piece in self.pieces(data))

    def pieces(self, data: bytes) -> list[tuple[float, bytes]]:
        """Return what arrives of these bytes, each piece with the pause before it in seconds."""
        pieces = [(0.0, bytearray())]
        for byte in data:
            out = pieces[-1][1]
            if self._skip:
                self._skip -= 1
            elif not self.enabled or self._random.randrange(self.every):
                out.append(byte)
            elif self.kind == self.PAUSE:
                self.count += 1
                pieces.append((self._random.uniform(0, self._longest_pause), bytearray((byte,))))
            else:
                self._damage(byte, out)
        return [(pause, bytes(piece)) for pause, piece in pieces]

    def _damage(self, byte: int, out: bytearray) -> None:
        self.count += 1
        if self.kind == "flip":
            out.append(byte ^ 1 << self._random.randrange(8))
        elif self.kind == "double":
            out += bytes((byte, byte))
        elif self.kind == "garbage":
            foreign = self._random.choice((b"", *_FOREIGN))
            out.append(byte)
            out += foreign or self._random.randbytes(self._random.randint(1, 40))
        elif self.kind == "swap":
            out.insert(max(0, len(out) - 1), byte)
        elif self.kind == "truncate":
            self._skip = self._random.randint(0, 30)
