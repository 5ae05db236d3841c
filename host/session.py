"""Requests and responses that get through: sequence numbers, repetition, credits.

The rules are those of docs/link.md. The device accepts requests in order and keeps each
response until it is acknowledged; so a request that is repeated is never carried out twice,
and a response that was lost comes again.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass
from itertools import islice

from host.errors import DeviceError, DeviceRefused, DeviceTimeout, LinkError, ProtocolMismatch
from host.frames import DELIMITER, Frame, FrameReceiver, encode
from host.transport import Transport
from models.protocol import (
    MAX_REQUEST_PAYLOAD,
    MAX_RESPONSE_PAYLOAD,
    PROTOCOL_VERSION,
    Command,
    Status,
    request_cost,
    response_cost,
)

#: Requests in flight; fewer than half the sequence numbers, so that old and new never mix.
MAX_IN_FLIGHT = 120

#: Payload bytes a request should have: fewer on a bad line, where a long frame hardly ever
#: arrives whole. Doubled by each response up to what failed last, then grown by a little; halved
#: by each loss.
_FIRST_PAYLOAD, _LEAST_PAYLOAD, _PAYLOAD_GROWTH = 64, 16, 8

#: Requests on the line at first; one more after each response, half as many after a loss,
#: because all that follow a lost request are sent for nothing.
_FIRST_WINDOW, _LEAST_WINDOW = 8, 3


@dataclass(eq=False)
class Ticket:
    """A request on its way, and its response when there is one."""

    sequence: int
    code: Command
    payload: bytes
    answer_bytes: int
    response: Frame | None = None

    @property
    def costs(self) -> tuple[int, int]:
        """Bytes in the device's receive buffer and in its response ring."""
        return request_cost(len(self.payload)), response_cost(self.answer_bytes)


@dataclass
class Statistics:
    """What a session counted on the host's side.

    Attributes
    ----------
    sent, repeated : int
        Requests, and those of them that were sent again, each time counted.
    damaged, ignored : int
        Pieces of what came that were no frame, and frames that were not the one waited for.
    longest_wait : float
        Seconds; the longest time in which a request waited and no answer was taken.
    """

    sent: int = 0
    repeated: int = 0
    damaged: int = 0
    ignored: int = 0
    longest_wait: float = 0.0


class Session:
    """One conversation with a device.

    Parameters
    ----------
    transport : Transport
        The line; the session owns and closes it.
    timeout : float
        Seconds without progress after which unanswered requests are sent again.
    retries : int
        Repetitions without progress before `DeviceTimeout`: a call that makes no progress
        ends after at most ``(retries + 1) * timeout`` seconds, plus the line's time.
    seconds_per_byte : float
        The line's time, added to the time-out for the bytes on the line, and for the responses
        that the device may send again before it comes to the next one.
    """

    def __init__(
        self,
        transport: Transport,
        timeout: float = 0.15,
        retries: int = 15,
        seconds_per_byte: float = 10 / 3e6,
    ) -> None:
        self.statistics = Statistics()
        self._transport = transport
        self._timeout = timeout
        self._retries = retries
        self._seconds_per_byte = seconds_per_byte
        self._receiver = FrameReceiver()
        self._in_flight: deque[Ticket] = deque()
        self._next = 0
        self._credit: tuple[int, int] | None = None
        self._attempts = 0
        self._deadline = 0.0
        self._waiting_since = 0.0
        self._nudged: int | None = None
        self._oddity = ""
        self._failure: DeviceError | None = None
        self._payload_limit = _FIRST_PAYLOAD
        self._payload_threshold = MAX_REQUEST_PAYLOAD
        self._window = _FIRST_WINDOW
        self._on_line = 0  # so many of the requests in flight were sent since the last loss

    @property
    def payload_limit(self) -> int:
        """Payload bytes that a request, or a response, should have at most on this line now."""
        return self._payload_limit

    # -- opening and closing

    def open(self) -> None:
        """Synchronise sequence numbers with the device; what was before is forgotten.

        Raises
        ------
        DeviceTimeout
            If nothing answers.
        ProtocolMismatch
            If the device speaks another version.
        """
        nonce = secrets.token_bytes(2)
        self._credit = None
        self._in_flight.clear()
        self._next = self._on_line = 0
        ticket = self._send_new(Command.SYNC, nonce, 3)
        while True:
            answer = self.wait(ticket)
            if answer[:2] == nonce:
                break
            # An answer to somebody's earlier SYNC, still in a buffer: not ours.
            ticket.response = None
            self._in_flight.append(ticket)
            self._on_line = 1
        if answer[2] != PROTOCOL_VERSION:
            raise self._fail(
                ProtocolMismatch(
                    f"the device speaks version {answer[2]} of the protocol, "
                    f"this driver version {PROTOCOL_VERSION}"
                )
            )

    def set_credit(self, rx_capacity: int, tx_capacity: int) -> None:
        """Allow several requests in flight, as much as the device's buffers hold."""
        self._credit = (rx_capacity, tx_capacity)

    def close(self) -> None:
        """Close the line; later calls raise LinkError."""
        if self._failure is None:
            self._failure = LinkError("the device was closed")
        self._transport.close()

    # -- requests

    def request(self, code: Command, payload: bytes = b"", answer_bytes: int = 0) -> bytes:
        """Send a request and return its response's payload; see `submit` and `wait`."""
        return self.wait(self.submit(code, payload, answer_bytes))

    def submit(self, code: Command, payload: bytes = b"", answer_bytes: int = 0) -> Ticket:
        """Send a request as soon as the device has room for it.

        Parameters
        ----------
        code : Command
        payload : bytes
        answer_bytes : int
            Payload bytes of the response when all is well; others are not believed.

        Raises
        ------
        DeviceTimeout, LinkError
            If the requests before it get no answer.
        """
        self._check()
        if answer_bytes > MAX_RESPONSE_PAYLOAD:
            raise ValueError(f"a response holds {MAX_RESPONSE_PAYLOAD} bytes, not {answer_bytes}")
        while not self._has_room(len(payload), answer_bytes):
            self._pump()
        return self._send_new(code, payload, answer_bytes)

    def wait(self, ticket: Ticket) -> bytes:
        """Return the payload of a request's response.

        Raises
        ------
        DeviceTimeout, LinkError
            If there is none.
        DeviceRefused
            If the device answered with an error status.
        """
        while ticket.response is None:
            self._check()
            self._pump()
        status = ticket.response.second
        if status != Status.OK:
            name = Status(status).name if status in set(Status) else "unknown"
            raise DeviceRefused(
                f"the device refused {ticket.code.name}: status {status} ({name})",
                status,
                ticket.response.payload,
            )
        return ticket.response.payload

    def drain(self) -> None:
        """Wait until nothing is in flight; error statuses are left to the tickets' owners."""
        while self._in_flight:
            self._check()
            self._pump()

    # -- inside

    def _has_room(self, payload: int, answer: int) -> bool:
        if not self._in_flight:
            return True
        if self._credit is None or len(self._in_flight) >= MAX_IN_FLIGHT:
            return False
        rx = request_cost(payload) + sum(x.costs[0] for x in self._in_flight)
        tx = response_cost(answer) + sum(x.costs[1] for x in self._in_flight)
        return rx <= self._credit[0] and tx <= self._credit[1]

    def _send_new(self, code: Command, payload: bytes, answer_bytes: int) -> Ticket:
        ticket = Ticket(self._next, code, payload, answer_bytes)
        self._next = (self._next + 1) % 256
        if not self._in_flight:
            self._attempts = 0
            self._waiting_since = self._transport.now()
        self._in_flight.append(ticket)
        self.statistics.sent += 1
        # An empty frame first, whenever the line was idle: it ends what noise may have begun.
        self._fill_line(DELIMITER if len(self._in_flight) == 1 else b"")
        return ticket

    def _fill_line(self, lead: bytes = b"") -> None:
        """Send requests in flight that are not on the line, as far as the window allows."""
        frames = []
        while self._on_line < min(len(self._in_flight), self._window):
            frames.append(self._encoded(self._in_flight[self._on_line]))
            self._on_line += 1
        if frames:
            self._transmit(lead + b"".join(frames))
            self._restart_clock()

    def _encoded(self, ticket: Ticket) -> bytes:
        wanted = self._in_flight[0].sequence
        return encode(Frame(ticket.sequence, wanted, ticket.code, ticket.payload))

    def _repeat(self) -> None:
        self._payload_threshold = max(_LEAST_PAYLOAD, self._payload_limit // 2)
        self._payload_limit = self._payload_threshold
        self._window = max(_LEAST_WINDOW, self._window // 2)
        self._on_line = 0
        self.statistics.repeated += min(len(self._in_flight), self._window)
        self._fill_line(DELIMITER)

    def _restart_clock(self) -> None:
        on_line = islice(self._in_flight, self._on_line)
        line_bytes = 2 * sum(sum(ticket.costs) for ticket in on_line)
        if self._credit is not None:
            # The device may be sending again all responses that it keeps. Asked once more before
            # it is done, it would begin anew after them, and never come to what is waited for.
            line_bytes += self._credit[1]
        allowance = self._timeout + self._seconds_per_byte * line_bytes
        self._deadline = self._transport.now() + allowance

    def _pump(self) -> None:
        """Receive for a while; repeat what is unanswered if nothing moves."""
        now = self._transport.now()
        waited = now - self._waiting_since
        self.statistics.longest_wait = max(self.statistics.longest_wait, waited)
        left = self._deadline - now
        if left <= 0:
            self._give_up_or_repeat()
            return
        try:
            data = self._transport.receive(left)
        except DeviceError as error:
            raise self._fail(error) from error
        damaged = self._receiver.damaged
        waiting = len(self._in_flight)
        lost = False
        for frame in self._receiver.feed(data):
            lost |= not self._take(frame)
        self.statistics.damaged += self._receiver.damaged - damaged
        lost |= self._receiver.damaged != damaged
        if len(self._in_flight) < waiting:
            self._attempts = 0
            self._nudged = None
            self._waiting_since = self._transport.now()
            self._restart_clock()
            self._fill_line()
        if lost and self._in_flight and self._nudged != self._in_flight[0].sequence:
            # Something was lost: ask again at once, but once only for each response, so that
            # what is on the line already cannot make a storm.
            self._nudged = self._in_flight[0].sequence
            if self._in_flight[0].code != Command.SYNC:
                self._repeat()

    def _take(self, frame: Frame) -> bool:
        """Accept a frame if it is the next response; return False if it shows a loss."""
        if not self._in_flight or frame.sequence != self._in_flight[0].sequence:
            self.statistics.ignored += 1
            # A response seen before is only a repetition; one from further on leaves a gap.
            return all(frame.sequence != ticket.sequence for ticket in self._in_flight)
        ticket = self._in_flight[0]
        if frame.code != ticket.code or not _right_length(frame, ticket):
            self.statistics.ignored += 1
            self._oddity = (
                f"; its last answer was code {frame.code} with {len(frame.payload)} bytes where "
                f"{ticket.code.name} with {ticket.answer_bytes} was due"
            )
            return False
        ticket.response = frame
        self._in_flight.popleft()
        self._on_line = max(0, self._on_line - 1)
        self._window = min(self._window + 1, MAX_IN_FLIGHT)
        slow = self._payload_limit >= self._payload_threshold
        grown = self._payload_limit + _PAYLOAD_GROWTH if slow else self._payload_limit * 2
        self._payload_limit = min(grown, MAX_REQUEST_PAYLOAD)
        return True

    def _give_up_or_repeat(self) -> None:
        if self._attempts >= self._retries:
            code = self._in_flight[0].code.name
            raise self._fail(
                DeviceTimeout(
                    f"the device does not answer {code}: {self._attempts + 1} attempts of "
                    f"{self._timeout:g} s{self._oddity}. Is it the right port, is the board "
                    "configured, does the baud rate match?"
                )
            )
        self._attempts += 1
        self._repeat()

    def _transmit(self, data: bytes) -> None:
        try:
            self._transport.send(data)
        except DeviceError as error:
            raise self._fail(error) from error

    def _check(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(str(self._failure))

    def _fail(self, error: DeviceError) -> DeviceError:
        self._failure = error
        return error


def _right_length(frame: Frame, ticket: Ticket) -> bool:
    """Tell whether an answer has the bytes due, where its status says that all is well."""
    length = len(frame.payload)
    if ticket.code == Command.SYNC:  # a later version's may be longer
        length = min(length, ticket.answer_bytes)
    return frame.second != Status.OK or length == ticket.answer_bytes
