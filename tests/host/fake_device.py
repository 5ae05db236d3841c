"""A device in Python that follows docs/link.md to the letter, written from the document.

It shares only constants with the driver. Its rules on buffers are assertions: a driver that
sends more than its credits allow fails the test.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from collections import deque
from dataclasses import dataclass

import numpy as np
from cobs import cobs

from models.golden import GoldenModel, State
from models.image import Image, word_bytes
from models.network import Network
from models.protocol import (
    MAX_REQUEST_PAYLOAD,
    PROTOCOL_VERSION,
    Command,
    Region,
    Status,
    StepFlags,
    response_cost,
)
from models.spec import FRACTION_BITS
from models.word_format import PLAIN, WordFormat

MASK = 0xFFFFFFFF


class Refusal(Exception):
    def __init__(self, status: Status, payload: bytes = b"") -> None:
        super().__init__(status)
        self.status = status
        self.payload = payload


@dataclass
class FakeOptions:
    lanes: int = 16
    word_format: WordFormat = PLAIN
    unknown_bytes: int = 0  # by which its words are longer than their format says
    store_words: int = 16384
    rx_capacity: int = 511
    tx_capacity: int = 511
    version: int = PROTOCOL_VERSION
    fraction_bits: int = FRACTION_BITS
    flash_flags: int = 0
    stuck_bit: bool = False  # the store inverts the lowest bit of word 20


class FakeDevice:
    """Feed it bytes, take bytes from it.

    The networks it may be asked to run are given beforehand: it recognises one by the CRC-32
    of its image, because it cannot run a store's words.
    """

    def __init__(self, *networks: tuple[Network, Image], options: FakeOptions | None = None):
        self.options = options or FakeOptions()
        self.networks = {image.crc32: network for network, image in networks}
        self.store: dict[int, int] = {}
        self.network: Network | None = None
        self.image_words = 0
        self.expected: int | None = None  # nothing but SYNC is accepted after power-up
        self.link_errors = self.frames = 0
        self.busy = self.steps = self.events = 0
        self.partial = bytearray()
        self.waiting: deque[tuple[int, int, bytes]] = deque()
        self.ring: deque[tuple[int, bytes]] = deque()  # unacknowledged responses, encoded
        self.wanted: int | None = None  # the host's last acknowledgement since a SYNC
        self.send_index = 0  # next response of the ring to send
        self.sending = b""  # rest of the response that is on the line

    # -- the line

    def feed(self, data: bytes) -> None:
        for byte in data:
            if byte:
                if len(self.partial) < 600:
                    self.partial.append(byte)
            elif self.partial:
                encoded = bytes(self.partial)
                self.partial.clear()
                self._receive(encoded)

    def take(self, count: int) -> bytes:
        """Carry out what waits, and return at most `count` bytes that go out now."""
        while self.waiting:
            self._carry_out(*self.waiting.popleft())
        out = b""
        while len(out) < count:
            if not self.sending:
                self._free()
                if self.send_index >= len(self.ring):
                    break
                self.sending = self.ring[self.send_index][1]
                self.send_index += 1
            piece = self.sending[: count - len(out)]
            self.sending = self.sending[len(piece) :]
            out += piece
        return out

    def _receive(self, encoded: bytes) -> None:
        if len(encoded) == 1:  # nothing has been decoded yet: no frame, no error
            return
        try:
            raw = cobs.decode(encoded)
        except cobs.DecodeError:
            raw = b""
        good = 5 <= len(raw) <= 5 + MAX_REQUEST_PAYLOAD
        good = good and binascii.crc_hqx(raw[:-2], 0xFFFF) == int.from_bytes(raw[-2:], "little")
        if not good:
            self.link_errors += 1
            return
        sequence, acknowledge, code, payload = raw[0], raw[1], raw[2], raw[3:-2]
        used = sum(len(payload) + 4 for _, _, payload in self.waiting)
        if used + len(payload) + 4 > self.options.rx_capacity:
            self.link_errors += 1
            return
        if code == Command.SYNC:
            self.expected = (sequence + 1) % 256
            self.waiting.clear()
            self.ring.clear()
            self.wanted = None
            self.send_index = 0
            self.frames += 1
            self._reset()
            if len(payload) == 2:
                self._respond(sequence, code, Status.OK, payload + bytes([self.options.version]))
            else:
                self._respond(sequence, code, Status.BAD_LENGTH, b"")
            return
        if self.expected is None:
            return
        self.wanted = acknowledge
        self._free()
        if sequence != self.expected:
            self.send_index = 0
            return
        self.expected = (self.expected + 1) % 256
        self.frames += 1
        self.waiting.append((sequence, code, payload))

    def _free(self) -> None:
        """Forget what has been sent and is acknowledged; 128 numbers are old, 128 are new."""
        while self.send_index and self.wanted is not None:
            if not 0 < (self.wanted - self.ring[0][0]) % 256 < 128:
                break
            self.ring.popleft()
            self.send_index -= 1

    def _respond(self, sequence: int, code: int, status: int, payload: bytes) -> None:
        body = bytes([sequence, status, code]) + payload
        body += struct.pack("<H", binascii.crc_hqx(body, 0xFFFF))
        encoded = cobs.encode(body) + b"\x00"
        used = sum(len(kept) for _, kept in self.ring)
        assert len(encoded) <= response_cost(len(payload))
        assert used + len(encoded) <= self.options.tx_capacity, "the driver broke the tx credit"
        self.ring.append((sequence, encoded))

    # -- the commands

    @property
    def _memory(self) -> np.ndarray:
        """The hidden states by position."""
        memory = [h[0, order] for h, order in zip(self.state.h, self.network.order, strict=True)]
        return np.concatenate(memory)

    @_memory.setter
    def _memory(self, values: np.ndarray) -> None:
        h, begin = [], 0
        for order in self.network.order:
            part = np.empty((1, len(order)), np.int8)
            part[0, order] = values[begin : begin + len(order)]
            h.append(part)
            begin += len(order)
        self.state = State(tuple(h), self.state.scores, self.state.steps)

    def _carry_out(self, sequence: int, code: int, payload: bytes) -> None:
        handlers = {
            Command.IDENTIFY: self._identify,
            Command.WRITE: self._write,
            Command.ACTIVATE: self._activate,
            Command.STEPS: self._do_steps,
            Command.RESET: self._do_reset,
            Command.READ_STATE: self._read_state,
            Command.WRITE_STATE: self._write_state,
            Command.REPLAY: self._replay,
            Command.COUNTERS: self._counters,
        }
        try:
            if code not in handlers:
                raise Refusal(Status.UNKNOWN_COMMAND)
            self._respond(sequence, code, Status.OK, handlers[Command(code)](payload))
        except Refusal as refusal:
            self._respond(sequence, code, refusal.status, refusal.payload)

    def _words(self, count: int) -> bytes:
        size = word_bytes(self.options.lanes, self.options.word_format)
        words = [self.store.get(address, 0x5A5A) for address in range(count)]
        if self.options.stuck_bit:
            words[20:21] = [word ^ 1 for word in words[20:21]]
        return b"".join(word.to_bytes(size, "little") for word in words)

    def _identify(self, payload: bytes) -> bytes:
        self._length(payload, 0)
        o = self.options
        words = 0 if self.network is None else self.image_words
        crc = zlib.crc32(self._words(words))
        size = word_bytes(o.lanes, o.word_format) + o.unknown_bytes
        head = (o.version, o.lanes, o.fraction_bits, size, o.store_words)
        sizes = (128, 256, 512, 112, o.rx_capacity, o.tx_capacity, 48000)
        flags = int(self.network is not None) | 2
        flags |= 4 * o.word_format.packed | 8 * (o.word_format.events == 1) | o.flash_flags
        return struct.pack("<4BI6HIBII", *head, *sizes, flags, words, crc)

    def _write(self, payload: bytes) -> bytes:
        size = word_bytes(self.options.lanes, self.options.word_format)
        if len(payload) < 3:
            raise Refusal(Status.BAD_LENGTH)
        address = int.from_bytes(payload[:2], "little")
        count, part = divmod(len(payload) - 2, size)
        if address + count > self.options.store_words:
            raise Refusal(Status.BAD_ARGUMENT)
        self.network = None
        for index in range(count):
            word = payload[2 + index * size : 2 + (index + 1) * size]
            self.store[address + index] = int.from_bytes(word, "little")
        if part:  # its whole words are written nevertheless
            raise Refusal(Status.BAD_LENGTH)
        return b""

    def _activate(self, payload: bytes) -> bytes:
        self._length(payload, 6)
        words, crc = struct.unpack("<HI", payload)
        self.network = None
        self.image_words = words
        computed = zlib.crc32(self._words(words))
        if computed != crc or computed not in self.networks:
            raise Refusal(Status.BAD_NETWORK, struct.pack("<I", computed))
        self.network = self.networks[computed]
        self.model = GoldenModel(self.network)
        self._reset()
        return struct.pack("<I", computed)

    def _reset(self) -> None:
        if self.network is not None:
            self.state = self.model.initial_state(1)

    def _need_network(self) -> Network:
        if self.network is None:
            raise Refusal(Status.NO_NETWORK)
        return self.network

    def _do_reset(self, payload: bytes) -> bytes:
        self._length(payload, 0)
        self._need_network()
        self._reset()
        self.busy += 7
        return b""

    def _do_steps(self, payload: bytes) -> bytes:
        spec = self._need_network().spec
        data = payload[1:]
        if not data or len(data) % spec.inputs:
            raise Refusal(Status.BAD_LENGTH)
        flags = payload[0]
        if flags & StepFlags.FIRST:
            self._reset()
            self.busy += 7
        out = b""
        x = np.frombuffer(data, np.int8).reshape(-1, spec.inputs)
        for index in range(len(x)):
            logits, self.state = self.model.step(x[index : index + 1], self.state)
            self.busy += 11
            self.steps += 1
            last = index == len(x) - 1 and flags & StepFlags.LAST
            if last or flags & StepFlags.READOUT_ALL or spec.readout.mode == "every":
                scores = self.state.scores[0] if spec.readout.mode == "sum" else logits[0]
                out += struct.pack("<HI", int(np.argmax(scores)), self.busy & MASK)
                if not flags & StepFlags.LABEL_ONLY:
                    out += scores.astype("<i4").tobytes()
        return out + struct.pack("<I", self.busy & MASK)

    def _region(self, region: int) -> np.ndarray:
        self._need_network()
        if region == Region.HIDDEN:
            return self._memory
        if region == Region.SCORES:
            return self.state.scores[0].astype("<i4")
        raise Refusal(Status.BAD_ARGUMENT)

    def _read_state(self, payload: bytes) -> bytes:
        self._length(payload, 4)
        region, offset, count = struct.unpack("<BHB", payload)
        values = self._region(region)
        if not count or offset + count > len(values):
            raise Refusal(Status.BAD_ARGUMENT)
        return values[offset : offset + count].tobytes()

    def _write_state(self, payload: bytes) -> bytes:
        if len(payload) < 3:
            raise Refusal(Status.BAD_LENGTH)
        region, offset = struct.unpack("<BH", payload[:3])
        values = self._region(region).copy()
        if len(payload[3:]) % values.itemsize:
            raise Refusal(Status.BAD_LENGTH)
        data = np.frombuffer(payload[3:], values.dtype)
        if offset + len(data) > len(values):
            raise Refusal(Status.BAD_ARGUMENT)
        values[offset : offset + len(data)] = data
        if region == Region.HIDDEN:
            self._memory = values
        else:
            self.state = State(self.state.h, values.astype(np.int64)[None], self.state.steps)
        return b""

    def _replay(self, payload: bytes) -> bytes:
        self._length(payload, 0)
        self._need_network()
        self.busy += 5
        return b""

    def _counters(self, payload: bytes) -> bytes:
        self._length(payload, 0)
        return struct.pack(
            "<QQQII32x", self.busy, self.steps, self.events, self.link_errors, self.frames
        )

    @staticmethod
    def _length(payload: bytes, wanted: int) -> None:
        if len(payload) != wanted:
            raise Refusal(Status.BAD_LENGTH)
