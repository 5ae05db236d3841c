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
