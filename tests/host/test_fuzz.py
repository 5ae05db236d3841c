"""The driver's parsers against any bytes: an answer that is right, or an error, in bounded time.

The long form: ``ADDGATE_FUZZ_BYTES=1000000 python -m pytest -n 0 tests/host/test_fuzz.py``.
"""

import os

import pytest
from cobs import cobs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.device import Device
from host.errors import DeviceError
from host.frames import DELIMITER, MAX_ENCODED, Frame, FrameReceiver, crc16, decode, encode
from host.link_engine import LinkEngine
from host.session import Session
from models.protocol import Command
from models.random_networks import random_inputs, random_network
from models.spec import FRACTION_BITS
from models.word_format import WordFormat
from tests.host.fake_line import FakeLine
from tests.host.garbage import garbage
from tests.host.helpers import fake_device, open_session

BYTES = int(os.environ.get("ADDGATE_FUZZ_BYTES", "100000"))

NETWORK = random_network(1, inputs=3, units=(5,))
X = random_inputs(1, NETWORK, 1, 4)[0]


def examples(mean_bytes):
    """Settings for as many examples as make `BYTES`."""
    return settings(
        max_examples=-(-BYTES // mean_bytes),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


#: Bytes of an example that is made of a seed.
LENGTH = 2500

seeds = st.integers(0, (1 << 64) - 1)
streams = st.builds(lambda seed, some: garbage(seed, LENGTH, True) + some, seeds, st.binary())


@examples(LENGTH)
@given(data=streams, cuts=st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_frames_are_found_in_any_bytes_in_any_pieces(data, cuts):
    expected, damaged = [], 0
    for piece in data.split(DELIMITER)[:-1]:
        if not piece:
            continue
        frame = None if len(piece) > MAX_ENCODED else decode(piece)
        if frame is None:
            damaged += 1
        else:
            expected.append(frame)
    receiver, found, rest = FrameReceiver(), [], data
    while rest:
        for cut in cuts:
            found += receiver.feed(rest[:cut])
            rest = rest[cut:]
            assert len(receiver._partial) <= MAX_ENCODED
    assert (found, receiver.damaged) == (expected, damaged)
    good = Frame(1, 2, 3, b"good")
    assert receiver.feed(DELIMITER + encode(good))[-1] == good


@examples(LENGTH)
@given(data=streams)
def test_what_is_decoded_is_what_would_be_encoded(data):
    for piece in data.split(DELIMITER):
        frame = decode(piece)
        if frame is not None:
            raw = cobs.decode(piece)
            assert crc16(raw[:-2]) == int.from_bytes(raw[-2:], "little")
            assert cobs.decode(encode(frame)[:-1]) == raw


class Hostile(FakeLine):
    """A line on which something else than a device talks, some bytes each time."""

    def __init__(self, data, device=None):
        super().__init__(device)
        self.data = data

    def receive(self, timeout):
        if not self.data:
            return super().receive(timeout)
        piece, self.data = self.data[:61], self.data[61:]
        self.clock += len(piece) * 10 / 3e6
        return piece


@examples(LENGTH)
@given(data=streams)
def test_a_line_of_garbage_is_an_error_in_bounded_time(data):
    line = Hostile(data)
    session = Session(line, timeout=0.15, retries=3)
    with pytest.raises(DeviceError):
        session.open()
        session.request(Command.COUNTERS, b"", 64)
    assert line.clock < 2 * 4 * 0.16 + len(data) * 10 / 3e6


@examples(LENGTH)
@given(data=streams)
def test_garbage_before_answers_costs_no_answer_or_is_an_error(data):
    """What another program left, and what it still says, while a session is open."""
    line = Hostile(b"", fake_device(NETWORK))
    session = open_session(line)
    device = Device(LinkEngine(session))
    device.load(NETWORK)
    right = device.run(X)
    # Frames that pass for the next answers cannot be told from them.
    own = {frame.sequence for frame in FrameReceiver().feed(DELIMITER + data + DELIMITER)}
    line.data = data
    try:
        found = device.run(X)
    except DeviceError:
        return
    if not own & {(session._next - n) % 256 for n in range(8)}:
        assert (found.label, list(found.logits)) == (right.label, list(right.logits))


class Liar(FakeLine):
    """A device whose frames are right and whose words are not."""

    def __init__(self, draw):
        super().__init__(None)
        self.draw = draw
        self.receiver = FrameReceiver()
        self.answers = b""

    def send(self, data):
        for frame in self.receiver.feed(data):
            if frame.code == Command.SYNC:
                payload, status = frame.payload + b"\x01", 0
            else:
                status = self.draw(st.sampled_from((0, 0, 0, 0, 1, 2, 3, 4, 5, 77)))
                size = {Command.IDENTIFY: 33, Command.COUNTERS: 64, Command.ACTIVATE: 4}
                size |= {Command.STEPS: 6 + 4 * NETWORK.spec.outputs + 4}
                count = size.get(frame.code, 0)
                payload = self.draw(st.binary(min_size=count, max_size=count))
                if frame.code == Command.IDENTIFY:  # one that the driver goes on with
                    lanes = self.draw(st.integers(0, 255))
                    size = WordFormat().word_bytes(lanes)
                    payload = (
                        bytes((1, lanes, FRACTION_BITS, size & 255))
                        + payload[4:24]
                        + b"\0"
                        + payload[25:]
                    )
            self.answers += encode(Frame(frame.sequence, status, frame.code, payload))

    def receive(self, timeout):
        data, self.answers = self.answers, b""
        if not data:
            self.clock += timeout
        return data


@examples(200)
@given(data=st.data())
def test_a_device_that_lies_is_an_error_of_the_drivers_own(data):
    """Whatever stands in right frames, nothing but the driver's errors comes out."""
    line = Liar(data.draw)
    try:
        device = Device(LinkEngine(open_session(line, timeout=0.15, retries=2)))
        device.counters()
        device.load(NETWORK)
        device.run(X)
    except DeviceError:
        pass
    assert line.clock < 20
