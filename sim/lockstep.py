"""A simulated board whose time is made by its host: it runs only while the host waits.

Behind a TCP port a simulated board runs freely, at the machine's speed, while the host thinks. With
``python -m sim.board --lockstep`` it stands still until it is told how far to run, so a session
over it takes the same clock cycles every time, its time-outs are in the board's time, and nothing
depends on how fast or how busy the machine is. The host itself takes no time, nor does a USB port:
what is measured is what line and board need.
"""

from __future__ import annotations

import math
import socket
import struct
from types import TracebackType
from urllib.parse import urlsplit

from host.errors import LinkError
from host.link_engine import LinkEngine
from host.session import Session
from host.simulator import SimulatedBoard
from host.transport import Transport

__all__ = ["BYTE_BITS", "LockstepBoard", "LockstepTransport"]

#: Start bit, eight data bits, stop bit.
BYTE_BITS = 10

#: Wall time within which a step of the simulation must have ended.
_PATIENCE = 600.0

_ORDER = struct.Struct("<cI")
_ANSWER = struct.Struct("<QI")
_MOST_CYCLES = (1 << 32) - 1
_WORDS = 1 << 14


class LockstepBoard:
    """A running ``python -m sim.board --lockstep``; a context manager.

    Parameters
    ----------
    arguments : str
        More options of the command line.
    clock_hz, baud : int
        The board's; the line's rate differs from `baud` if ``--baud-error`` is among `arguments`.
    """

    def __init__(self, *arguments: str, clock_hz: int = 48_000_000, baud: int = 3_000_000) -> None:
        self.clock_hz = clock_hz
        self.baud = baud
        settings = ["--clock-hz", str(clock_hz), "--baud", str(baud)]
        self._board = SimulatedBoard(["--lockstep", *settings, *arguments])

    def connect(self) -> LockstepTransport:
        """Return a new connection; the one before must have been closed."""
        return LockstepTransport(self._board.url, self.clock_hz)

    @property
    def seconds_per_byte(self) -> float:
        """The line's time for a byte."""
        return BYTE_BITS / self.baud

    def session(self, transport: Transport, timeout: float = 0.003, retries: int = 15) -> Session:
        """Return an open session over a connection, whatever is put in between.

        Time-outs are the board's time. It answers at once, so they can be short.
        """
        session = Session(transport, timeout, retries, self.seconds_per_byte)
        session.open()
        return session

    def engine(self, transport: Transport | None = None) -> LinkEngine:
        """Return the driver's engine over a new session."""
        return LinkEngine(self.session(transport or self.connect()))

    def close(self) -> None:
        """End the board."""
        self._board.close()

    def __enter__(self) -> LockstepBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class LockstepTransport:
    """A `host.transport.Transport` to a board in lockstep; the orders are those of its harness.

    Parameters
    ----------
    url : str
        Where the board listens.
    clock_hz : int
        The board's clock.

    Attributes
    ----------
    cycles : int
        The board's clock, in cycles since it started.
    """

    def __init__(self, url: str, clock_hz: int) -> None:
        place = urlsplit(url)
        try:
            self._socket = socket.create_connection((place.hostname, place.port), _PATIENCE)
        except OSError as error:
            raise _broken(error) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clock_hz = clock_hz
        self.cycles = 0
        self.receive(0)  # what the clock says

    def send(self, data: bytes) -> None:
        """Send bytes, after those that are still to be sent."""
        self._order(b"S", len(data), data)

    def receive(self, timeout: float) -> bytes:
        """Let the time pass until the device has ended a frame, and return what came.

        `timeout` seconds of the board's time at most. A driver does nothing between the ends of
        two frames, so it loses no time by not being asked at each byte.
        """
        self._order(b"A", min(math.ceil(timeout * self._clock_hz), _MOST_CYCLES))
        self.cycles, count = _ANSWER.unpack(self._fetch(_ANSWER.size))
        return self._fetch(count)

    def now(self) -> float:
        """Return the board's time in seconds."""
        return self.cycles / self._clock_hz

    def close(self) -> None:
        """Pull the cable: bytes that wait to be sent are lost, the board stands still."""
        self._socket.close()

    def reset(self, cycles: int = 8) -> None:
        """Pulse the device's reset, as a PLL does that loses its lock: its network stays."""
        self._order(b"R", cycles)

    def reconfigure(self) -> None:
        """Configure the device again, as after a loss of power: nothing that it held stays."""
        self._order(b"C", 0)

    def flip_bit(self, spram: int, word: int, bit: int) -> None:
        """Flip a bit of the weight store; only a board with SPRAM has one that can be reached."""
        if not (0 <= word < _WORDS and 0 <= bit < 16):
            raise ValueError(f"'word' and 'bit' must be in an SPRAM, not {word} and {bit}")
        self._order(b"F", (spram * _WORDS + word) * 16 + bit)

    def _order(self, letter: bytes, number: int, data: bytes = b"") -> None:
        try:
            self._socket.sendall(_ORDER.pack(letter, number) + data)
        except OSError as error:
            raise _broken(error) from error

    def _fetch(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                piece = self._socket.recv(count - len(data))
            except OSError as error:
                raise _broken(error) from error
            if not piece:
                raise _broken("it ended")
            data += piece
        return data


def _broken(why: object) -> LinkError:
    return LinkError(f"the connection to the simulated board broke: {why}")
