"""A line between a session and a `FakeDevice`, with faults and a clock of its own.

Time only moves when the session waits, so a test never depends on how fast the machine is.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from host.errors import LinkError
from tests.host.fake_device import FakeDevice

#: Takes bytes and returns what arrives of them.
Fault = Callable[[bytes], bytes]


class FakeLine:
    """A `host.transport.Transport`.

    Parameters
    ----------
    device : FakeDevice or None
        None is a silent device.
    seed : int
        Decides how bytes arrive in pieces.
    to_device, to_host : Fault, optional
        Applied to the bytes of each direction.
    """

    def __init__(
        self,
        device: FakeDevice | None,
        seed: int = 0,
        to_device: Fault | None = None,
        to_host: Fault | None = None,
    ) -> None:
        self.device = device
        self.random = random.Random(seed)
        self.to_device = to_device or bytes
        self.to_host = to_host or bytes
        self.clock = 0.0
        self.unplugged_at: float | None = None
        self.closed = False
        self.sent_bytes = self.received_bytes = 0

    def send(self, data: bytes) -> None:
        self._check()
        self.sent_bytes += len(data)
        if self.device is not None:
            self.device.feed(self.to_device(data))

    def receive(self, timeout: float) -> bytes:
        self._check()
        assert timeout >= 0
        data = b"" if self.device is None else self.device.take(self.random.randint(1, 64))
        self.clock += len(data) * 10 / 3e6
        data = self.to_host(data) if data else b""
        self.received_bytes += len(data)
        if not data:
            self.clock += timeout
        return data

    def now(self) -> float:
        return self.clock

    def close(self) -> None:
        self.closed = True

    def _check(self) -> None:
        if self.unplugged_at is not None and self.clock >= self.unplugged_at:
            raise LinkError("the connection to fake broke: unplugged")


class Faults:
    """Faults that hit one byte in `every`, drawn from a seed."""

    KINDS = ("flip", "drop", "double", "garbage", "swap", "truncate")

    def __init__(self, kind: str, every: int, seed: int) -> None:
        assert kind in self.KINDS
        self.kind, self.every, self.count = kind, every, 0
        self.random = random.Random(f"{kind} {seed}")
        self.enabled = True

    def __call__(self, data: bytes) -> bytes:
        out = bytearray()
        skip = 0
        for byte in data:
            if skip:
                skip -= 1
                continue
            if not self.enabled or self.random.randrange(self.every):
                out.append(byte)
                continue
            self.count += 1
            if self.kind == "flip":
                out.append(byte ^ 1 << self.random.randrange(8))
            elif self.kind == "double":
                out += bytes((byte, byte))
            elif self.kind == "garbage":
                out += bytes((byte,)) + self.random.randbytes(self.random.randint(1, 40))
            elif self.kind == "swap" and out:
                out.insert(len(out) - 1, byte)
            elif self.kind == "truncate":
                skip = self.random.randint(1, 30)
        return bytes(out)
