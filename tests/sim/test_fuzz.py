"""The gateware's parser against any bytes, and its commands against the model of docs/link.md.

The long form: ``ADDGATE_FUZZ_BYTES=1000000 python -m pytest -n 0 tests/sim/test_fuzz.py``.
"""

import os
import struct

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from host.device import Device
from host.frames import DELIMITER, Frame, FrameReceiver, encode
from models.image import compile_image
from models.protocol import Command, Region, StepFlags
from models.random_networks import random_network
from tests.host.garbage import garbage
from tests.host.helpers import fake_device

#: Its scores are a state; those of other readouts mean nothing between answers.
NETWORK = random_network(6, inputs=3, units=(6,), outputs=3, mode="sum")
UNITS, OUTPUTS = sum(NETWORK.spec.units), NETWORK.spec.outputs

#: Bytes that each test sends, at least, but for chance.
BYTES = int(os.environ.get("ADDGATE_FUZZ_BYTES", "10000"))

#: Seconds of the board's time after which it has nothing more to say.
QUIET = 0.0006


def examples(mean_bytes):
    """Settings for as many examples as make `BYTES`, the same ones every time.

    They are not shrunk: a simulation takes too long for hundreds of tries.
    """
    return settings(
        max_examples=-(-BYTES // mean_bytes),
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def held(lockstep_board):
    """What the board says of itself, with the network loaded."""
    line = lockstep_board.connect()
    device = Device(lockstep_board.engine(line))
    device.load(NETWORK)
    made = device.identify()
    line.close()
    return made


@pytest.fixture(scope="module")
def connected(lockstep_board, held):
    """One connection for all examples: each of them opens a session of its own."""
    line = lockstep_board.connect()
    yield line
    line.close()


def exchange(line, data):
    """Send bytes and return the frames that come until the board is quiet."""
    receiver, frames = FrameReceiver(), []
    line.send(data)
    # As long as the line needs for what is sent, and then until nothing comes.
    deadline = line.now() + len(data) * 10 / 3e6 + QUIET
    while (left := deadline - line.now()) > 0:
        if came := line.receive(left):
            frames += receiver.feed(came)
            deadline = max(deadline, line.now() + QUIET)
    return frames


#: Bytes of an example of garbage.
LENGTH = 2500


@examples(LENGTH)
@given(seed=st.integers(0, (1 << 64) - 1), some=st.binary())
def test_garbage_changes_nothing_and_the_next_request_is_answered(
    lockstep_board, held, connected, seed, some
):
    data = garbage(seed, LENGTH)
    if not FrameReceiver().feed(DELIMITER + some + DELIMITER):
        data += some
    device = Device(lockstep_board.engine(connected))
    before = device.counters()
    exchange(connected, data)
    # The session does not know of the garbage: its next request is as any other.
    assert device.identify() == held
    after = device.counters()
    model = fake_device()
    model.feed(DELIMITER + data + DELIMITER)
    assert model.link_errors > 5
    assert after.frames == before.frames + 2
    assert after.link_errors == before.link_errors + model.link_errors
    assert after.steps == before.steps


def payloads(code):
    """Return payloads for a command: right, nearly right, or anything."""
    inputs = st.lists(st.integers(-127, 127), max_size=30).map(lambda x: bytes(v & 255 for v in x))
    flags = st.integers(0, 15).map(lambda value: bytes((value,)))
    right = {
        Command.SYNC: st.binary(min_size=2, max_size=2),
        Command.STEPS: st.tuples(flags, inputs).map(b"".join),
        Command.READ_STATE: st.one_of(
            st.integers(0, UNITS - 1).flatmap(
                lambda offset: st.integers(1, UNITS - offset).map(
                    lambda count: bytes((Region.HIDDEN, offset, 0, count))
                )
            ),
            st.integers(0, OUTPUTS - 1).flatmap(
                lambda offset: st.integers(1, OUTPUTS - offset).map(
                    lambda count: bytes((Region.SCORES, offset, 0, count))
                )
            ),
            st.integers(2, 255).map(lambda region: bytes((region, 0, 0, 1))),
        ),
    }.get(code, st.just(b""))
    if code == Command.STEPS:
        return right
    if code == Command.WRITE:  # whole words and others, beyond the network's
        return st.binary(max_size=40).map(lambda data: b"\0\2" + data)
    if code == Command.WRITE_STATE:
        # No region, or too short. What states do is for sim/test_system.py: they are read only
        # after a REPLAY.
        foreign = st.integers(2, 255).map(lambda region: bytes((region,)))
        return st.one_of(
            st.binary(max_size=2),
            st.tuples(foreign, st.binary(max_size=9)).map(b"".join),
        )
    length = {Command.SYNC: 2, Command.READ_STATE: 4, Command.ACTIVATE: 6}.get(code, 0)
    wrong = st.binary(max_size=40).filter(lambda payload: len(payload) != length)
    return st.one_of(right, wrong) if code != Command.ACTIVATE else wrong


codes = st.sampled_from([*Command, 10, 77, 200, 255])
requests = st.tuples(
    codes.flatmap(lambda code: st.tuples(st.just(code), payloads(code))),
    st.sampled_from((0, 0, 0, 0, 1, 2, 128, 255)),  # off the expected sequence number
)


def with_states(asked):
    """Have all states and sums written before a REPLAY, which takes whatever there is."""
    for (code, payload), off in asked:
        if code == Command.REPLAY and not payload and not off:
            hidden = bytes(37 * unit % 256 for unit in range(1, 1 + UNITS))
            sums = struct.pack(f"<{OUTPUTS}i", *(-1000000 * output for output in range(OUTPUTS)))
            yield (Command.RESET, b""), 0
            yield (Command.WRITE_STATE, bytes((Region.HIDDEN, 0, 0)) + hidden), 0
            yield (Command.WRITE_STATE, bytes((Region.SCORES, 0, 0)) + sums), 0
        elif code == Command.REPLAY and not off:
            off = 1  # not without them
        yield (code, payload), off


def masked(frame, code, flags):
    """A response without what the model does not count: busy cycles, events, CRC-32."""
    payload = bytearray(frame.payload)
    if frame.second == 0 and code == Command.STEPS:
        record = 6 + (0 if flags & StepFlags.LABEL_ONLY else 4 * OUTPUTS)
        for start in range(0, len(payload) - 4, record):
            payload[start + 2 : start + 6] = bytes(4)
        payload[-4:] = bytes(4)
    if frame.second == 0 and code == Command.COUNTERS:
        payload = payload[8:16] + payload[24:32]
    if frame.second == 0 and code == Command.IDENTIFY:
        payload = payload[:1] + payload[24:]
    return frame.sequence, frame.second, frame.code, bytes(payload)


# Requests have few bytes, and each is waited for: a long form of them would take hours.
@examples(400)
@given(asked=st.lists(requests, min_size=10, max_size=20))
def test_device_and_model_answer_alike(lockstep_board, held, connected, asked):
    """All commands with any payloads, and any sequence numbers, one request at a time."""
    line = connected
    device = Device(lockstep_board.engine(line))
    device.load(NETWORK)
    start = device.counters()
    model = fake_device(NETWORK)
    # The model begins where the board is: the same image, and the same counts.
    image = compile_image(NETWORK, 16)
    model.store = dict(enumerate(image.words))
    model._activate(len(image.words).to_bytes(2, "little") + image.crc32.to_bytes(4, "little"))
    # The device counts a request after its answer, the model before: COUNTERS itself is not in it.
    model.steps, model.link_errors, model.frames = start.steps, start.link_errors, start.frames
    expected = 100
    sync = encode(Frame(99, 99, Command.SYNC, b"ab"))
    model.feed(DELIMITER + sync)
    assert len(exchange(line, DELIMITER + sync)) == 1
    model.take(1000)
    kept = {}
    for (code, payload), off in with_states(asked):
        number = (expected + off) % 256
        request = encode(Frame(number, expected, code, payload))
        found = exchange(line, request)
        model.feed(request)
        wanted = FrameReceiver().feed(model.take(100_000))
        if code == Command.SYNC or off == 0:
            expected = (number + 1) % 256
            kept = {number: (code, payload[0] if payload else 0)}
        answers = [
            [masked(frame, *kept.get(frame.sequence, (code, 0))) for frame in frames]
            for frames in (found, wanted)
        ]
        assert answers[0] == answers[1], (code, payload.hex(), off)
