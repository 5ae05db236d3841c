"""The engine at the other end of a link: commands as request payloads, answers parsed."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from host.engine import Progress, Record, StepsAnswer
from host.errors import DeviceRefused, LinkError, NoNetwork, WrongNetwork
from host.results import Counters, Identity
from host.session import Session, Ticket
from models.image import Image
from models.layout import Capacity
from models.network import Network
from models.protocol import (
    BUSY_BYTES,
    MAX_RESPONSE_PAYLOAD,
    RECORD_HEADER_BYTES,
    Command,
    DeviceFlags,
    Region,
    Status,
    StepFlags,
    request_cost,
    response_cost,
)
from models.spec import FRACTION_BITS, NetworkSpec
from models.word_format import WordFormat

_IDENTITY = struct.Struct("<4BI6HIBII")
_COUNTERS = struct.Struct("<QQQIIQQQQ")
_SCORE_BYTES = 4

#: Requests that should fit the device's buffers at once, so that the line never idles: one
#: being carried out, one arriving, one whose response is on its way.
_PIPELINE = 3


@dataclass(eq=False)
class PendingSteps:
    """Steps on their way over a link."""

    session: Session
    ticket: Ticket
    records: int
    scores: int

    def result(self) -> StepsAnswer:
        """Wait for the answer."""
        payload = _answer(self.session, self.ticket)
        records = []
        size = RECORD_HEADER_BYTES + _SCORE_BYTES * self.scores
        for start in range(0, self.records * size, size):
            label, busy = struct.unpack_from("<HI", payload, start)
            scores = None
            if self.scores:
                scores = np.frombuffer(
                    payload, "<i4", self.scores, start + RECORD_HEADER_BYTES
                ).astype(np.int64)
            records.append(Record(label, busy, scores))
        (busy,) = struct.unpack_from("<I", payload, self.records * size)
        return StepsAnswer(tuple(records), busy)


def _answer(session: Session, ticket: Ticket) -> bytes:
    """Wait for a response; say the statuses that have a meaning of their own in words."""
    try:
        return session.wait(ticket)
    except DeviceRefused as error:
        if error.status == Status.NO_NETWORK:
            raise NoNetwork("the device holds no valid network: load one first") from error
        raise


def _flash(flags: int) -> str:
    if flags & DeviceFlags.FLASH_FAILED:
        return "failed"
    return "loaded" if flags & DeviceFlags.FLASH_LOADED else "none"


class LinkEngine:
    """Commands over a session.

    Parameters
    ----------
    session : Session
        Opened already.
    on_close : callable, optional
        Called after the session is closed.

    Raises
    ------
    LinkError
        If the device's fraction bits, or the bytes of its words, are not this program's.
    """

    def __init__(self, session: Session, on_close: Callable[[], None] | None = None) -> None:
        self._session = session
        self._on_close = on_close
        self._spec: NetworkSpec | None = None
        self._order: NDArray[np.int64]
        identity = self.identify()
        if identity.fraction_bits != FRACTION_BITS:
            raise LinkError(
                f"the device computes with {identity.fraction_bits} fraction bits, "
                f"this program with {FRACTION_BITS}: build the bitstream from the same version"
            )
        session.set_credit(identity.rx_capacity, identity.tx_capacity)
        self._identity = identity

    @property
    def session(self) -> Session:
        """The session, for its statistics."""
        return self._session

    def identify(self) -> Identity:
        """Ask what the device is and holds."""
        data = self._session.request(Command.IDENTIFY, b"", _IDENTITY.size)
        (
            version, lanes, fraction_bits, word_bytes, store_words, accumulator_words,
            state_units, input_size, outputs, rx_capacity, tx_capacity, clock_khz, flags,
            image_words, crc32,
        ) = _IDENTITY.unpack(data)  # fmt: skip
        word_format = WordFormat(
            events=1 if flags & DeviceFlags.ONE_EVENT else 2,
            packed=bool(flags & DeviceFlags.PACKED),
        )
        if word_bytes != word_format.word_bytes(lanes):
            raise LinkError(
                f"the device's store words have {word_bytes} bytes; of {lanes} lanes, "
                f"{word_format.name}, this program expects {word_format.word_bytes(lanes)}: "
                "build the bitstream from the same version"
            )
        return Identity(
            protocol=version,
            capacity=Capacity(
                lanes,
                store_words,
                accumulator_words,
                state_units,
                input_size,
                outputs=outputs,
                word_format=word_format,
            ),
            fraction_bits=fraction_bits,
            clock_hz=clock_khz * 1000,
            weights="spram" if flags & DeviceFlags.SPRAM else "bram",
            network_valid=bool(flags & DeviceFlags.NETWORK_VALID),
            image_words=image_words,
            image_crc32=crc32,
            rx_capacity=rx_capacity,
            tx_capacity=tx_capacity,
            flash=_flash(flags),
        )

    def load(self, network: Network, image: Image, progress: Progress | None) -> None:
        """Send the image's words, unless the device holds them already, and activate them."""
        self._spec = None
        data = image.to_bytes()
        held = self.identify()
        if (held.image_words, held.image_crc32) != (len(image.words), image.crc32):
            self._write(data, image.word_bytes, progress)
        elif progress is not None:
            progress(len(data), len(data))
        payload = struct.pack("<HI", len(image.words), image.crc32)
        try:
            computed = self._session.request(Command.ACTIVATE, payload, 4)
        except DeviceRefused as error:
            if error.status != Status.BAD_NETWORK:
                raise
            found = int.from_bytes(error.payload[:4], "little")
            if found == image.crc32:  # it arrived, and its header is refused
                raise WrongNetwork(
                    "the device's gateware takes no image of this format "
                    f"({image.words[0] & 0xFFFF:#06x}): build its bitstream anew, with "
                    "python -m hdl.build"
                ) from error
            raise WrongNetwork(
                f"the device's store does not hold what was sent: over {len(image.words)} words "
                f"CRC-32 {image.crc32:08x} was expected, {found:08x} found"
            ) from error
        if int.from_bytes(computed, "little") != image.crc32:
            raise WrongNetwork(
                f"the device computed CRC-32 {int.from_bytes(computed, 'little'):08x} over its "
                f"store, expected {image.crc32:08x}"
            )
        self._spec, self._order = network.spec, network.state_order

    def _write(self, data: bytes, word_bytes: int, progress: Progress | None) -> None:
        sent: deque[tuple[Ticket, int]] = deque()

        def settle() -> None:
            ticket, done = sent.popleft()
            self._session.wait(ticket)
            if progress is not None:
                progress(done, len(data))

        start = 0
        while start < len(data):
            words = max(1, (self._payload_room() - 2) // word_bytes)
            piece = data[start : start + words * word_bytes]
            request = struct.pack("<H", start // word_bytes) + piece
            start += len(piece)
            sent.append((self._session.submit(Command.WRITE, request), start))
            while sent[0][0].response is not None and len(sent) > 1:
                settle()
        while sent:
            settle()

    def _payload_room(self) -> int:
        """Return the payload of requests of which `_PIPELINE` fit the device's buffer."""
        share = self._identity.rx_capacity // _PIPELINE - request_cost(0)
        return max(1, min(self._session.payload_limit, share))

    def _record_bytes(self, label_only: bool) -> int:
        assert self._spec is not None
        return RECORD_HEADER_BYTES + (0 if label_only else _SCORE_BYTES * self._spec.outputs)

    def batch(self, records_per_step: bool, label_only: bool) -> int:
        """Return how many steps of the loaded network go into one request."""
        assert self._spec is not None
        steps = (self._payload_room() - 1) // self._spec.inputs
        if records_per_step:
            share = self._identity.tx_capacity // _PIPELINE - response_cost(0) - BUSY_BYTES
            room = min(MAX_RESPONSE_PAYLOAD - BUSY_BYTES, share, self._session.payload_limit)
            steps = min(steps, room // self._record_bytes(label_only))
        return max(1, steps)

    def submit(self, x: NDArray[np.int8], flags: StepFlags) -> PendingSteps:
        """Start a batch of steps, x int8 [n, I]."""
        assert self._spec is not None
        label_only = bool(flags & StepFlags.LABEL_ONLY)
        if flags & StepFlags.READOUT_ALL or self._spec.readout.mode == "every":
            records = len(x)
        else:
            records = int(bool(flags & StepFlags.LAST))
        answer = records * self._record_bytes(label_only) + BUSY_BYTES
        ticket = self._session.submit(Command.STEPS, bytes((flags,)) + x.tobytes(), answer)
        scores = 0 if label_only else self._spec.outputs
        return PendingSteps(self._session, ticket, records, scores)

    def _request(self, code: Command, payload: bytes = b"", answer_bytes: int = 0) -> bytes:
        return _answer(self._session, self._session.submit(code, payload, answer_bytes))

    def reset(self) -> None:
        """Reset the sequence state."""
        self._request(Command.RESET)

    def read_state(self, scores: bool) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Return h int8 [sum of H], and the running sums int64 [C] (zeros if not `scores`).

        The device has h by position, here it is in the order of the network's units.
        """
        assert self._spec is not None
        h = np.empty(sum(self._spec.units), np.int8)
        h[self._order] = np.frombuffer(self._read_region(Region.HIDDEN, len(h), 1), np.int8)
        sums = np.zeros(self._spec.outputs, np.int64)
        if scores:
            data = self._read_region(Region.SCORES, self._spec.outputs, _SCORE_BYTES)
            sums = np.frombuffer(data, "<i4").astype(np.int64)
        return h, sums

    def _read_region(self, region: Region, count: int, size: int) -> bytes:
        pieces = []
        offset = 0
        while offset < count:
            room = min(self._session.payload_limit, self._identity.tx_capacity // 4)
            n = max(1, min(255, room // size, count - offset))
            request = struct.pack("<BHB", region, offset, n)
            pieces.append(self._session.submit(Command.READ_STATE, request, n * size))
            offset += n
        return b"".join(_answer(self._session, ticket) for ticket in pieces)

    def write_state(self, h: NDArray[np.int8], scores: NDArray[np.int64] | None) -> None:
        """Reset, then put a state in place, and let the device take it up."""
        hidden = h.astype(np.int8)[self._order].tobytes()
        tickets = [self._session.submit(Command.RESET)]
        tickets += self._write_region(Region.HIDDEN, hidden, 1)
        if scores is not None:
            data = scores.astype("<i4").tobytes()
            tickets += self._write_region(Region.SCORES, data, _SCORE_BYTES)
        tickets.append(self._session.submit(Command.REPLAY))
        for ticket in tickets:
            _answer(self._session, ticket)

    def _write_region(self, region: Region, data: bytes, size: int) -> list[Ticket]:
        tickets, start = [], 0
        while start < len(data):
            each = max(1, (self._payload_room() - 3) // size) * size
            request = struct.pack("<BH", region, start // size) + data[start : start + each]
            tickets.append(self._session.submit(Command.WRITE_STATE, request))
            start += each
        return tickets

    def counters(self) -> Counters:
        """Return the device's counters."""
        return Counters(
            *_COUNTERS.unpack(self._session.request(Command.COUNTERS, b"", _COUNTERS.size))
        )

    def close(self) -> None:
        """Close the link."""
        self._session.close()
        if self._on_close is not None:
            self._on_close()
