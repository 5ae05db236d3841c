"""A line that damages what it carries, between a session and any other line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from host.transport import Transport
from sim.faults.damage import Faults

__all__ = ["FaultyTransport"]


class _Way:
    """One direction: what is on its way, with the time at which it may arrive."""

    def __init__(self, faults: Faults | None) -> None:
        self._faults = faults
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._last = 0.0

    def push(self, data: bytes, now: float) -> None:
        pieces = [(0.0, data)] if self._faults is None else self._faults.pieces(data)
        for pause, piece in pieces:
            # After what came before, however late that is.
            self._last = max(self._last, now) + pause
            if piece:
                self._waiting.append((self._last, piece))

    def take(self, now: float) -> bytes:
        data = b""
        while self._waiting and self._waiting[0][0] <= now:
            data += self._waiting.popleft()[1]
        return data

    @property
    def next(self) -> float:
        return self._waiting[0][0] if self._waiting else float("inf")


class FaultyTransport:
    """A `host.transport.Transport` around another one.

    Parameters
    ----------
    inner : Transport
        The line, a `host.transport.SerialTransport` for one.
    to_device, to_host : Faults, optional
        What happens to the bytes of each direction.
    accident : callable, optional
        Called once, with `inner`, when the clock of `inner` has reached `at`: it may unplug
        the cable, which is to raise `host.errors.LinkError`, or reset the device.
    at : float
        Seconds.

    Attributes
    ----------
    accident_at : float
        `at`, which may be changed.
    """

    def __init__(
        self,
        inner: Transport,
        to_device: Faults | None = None,
        to_host: Faults | None = None,
        accident: Callable[[Transport], None] | None = None,
        at: float = 0.0,
    ) -> None:
        self._inner = inner
        self._to_device, self._to_host = _Way(to_device), _Way(to_host)
        self._accident = accident
        self.accident_at = at

    def send(self, data: bytes) -> None:
        """Send bytes, or what is left of them."""
        self._to_device.push(data, self.now())
        self._forward()

    def receive(self, timeout: float) -> bytes:
        """Return what has come, waiting at most `timeout` seconds."""
        deadline = self.now() + timeout
        while True:
            now = self.now()
            if self._accident is not None and now >= self.accident_at:
                accident, self._accident = self._accident, None
                accident(self._inner)
            self._forward()
            if data := self._to_host.take(now):
                return data
            if now >= deadline:
                return b""
            events = [deadline, self._to_device.next, self._to_host.next]
            if self._accident is not None:
                events.append(self.accident_at)
            self._to_host.push(self._inner.receive(max(0.0, min(events) - now)), self.now())

    def now(self) -> float:
        """Return the clock of the line inside."""
        return self._inner.now()

    def close(self) -> None:
        """Close the line inside."""
        self._inner.close()

    def _forward(self) -> None:
        if data := self._to_device.take(self.now()):
            self._inner.send(data)
