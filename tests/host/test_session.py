"""The session: every request carried out exactly once, or an error in bounded time."""

import pytest

from host.errors import DeviceTimeout, LinkError, ProtocolMismatch
from host.frames import Frame, encode
from host.session import Session
from models.protocol import MAX_RESPONSE_PAYLOAD, Command
from models.random_networks import random_network
from sim.faults.damage import Faults
from tests.host.fake_line import FakeLine
from tests.host.helpers import fake_device, open_session

NETWORK = random_network(1, inputs=3, units=(5,))


#: Bytes of a word of the 16 lanes that `fake_device` has.
WORD = 8


def write(session, address):
    return session.submit(Command.WRITE, address.to_bytes(2, "little") + bytes(WORD))


def test_requests_are_carried_out_once_and_in_order():
    device = fake_device()
    session = open_session(FakeLine(device))
    session.set_credit(511, 511)
    tickets = [write(session, address) for address in range(600)]
    for ticket in tickets:
        session.wait(ticket)
    assert sorted(device.store) == list(range(600))
    assert session.statistics.repeated == 0


def test_several_requests_are_in_flight_with_credit_and_one_without():
    # A write takes 14 bytes of the device's receive buffer, its response 7 of the other.
    for credit, most in ((None, 1), ((100, 511), 7), ((511, 60), 8)):
        session = open_session(FakeLine(fake_device()))
        if credit:
            session.set_credit(*credit)
        deepest = 0
        for address in range(40):
            write(session, address)
            deepest = max(deepest, len(session._in_flight))
        session.drain()
        assert deepest == most, credit


def test_a_request_larger_than_the_credit_goes_alone():
    session = open_session(FakeLine(fake_device()))
    session.set_credit(8, 8)
    for address in range(5):
        session.wait(write(session, address))


def test_sequence_numbers_wrap():
    device = fake_device()
    session = open_session(FakeLine(device))
    for _ in range(700):
        session.request(Command.COUNTERS, b"", 64)
    assert device.frames == 701


@pytest.mark.parametrize("direction", ["to_device", "to_host"])
@pytest.mark.parametrize("kind", Faults.KINDS)
def test_faults_lose_nothing_and_repeat_nothing(kind, direction):
    for seed in range(3):
        faults = Faults(kind, 150, seed)
        device = fake_device()
        line = FakeLine(device, seed, **{direction: faults})
        session = open_session(line)
        session.set_credit(511, 511)
        written = []
        original = device._write
        device._write = lambda payload, original=original, written=written: (
            written.append(int.from_bytes(payload[:2], "little")) or original(payload)
        )
        tickets = [write(session, address) for address in range(300)]
        for ticket in tickets:
            session.wait(ticket)
        assert written == list(range(300)), f"{kind} {direction} seed {seed}"
        assert faults.count > 5


def test_a_lost_response_is_asked_for_at_once():
    """A gap in the responses is repeated without waiting for the time-out."""
    faults = Faults("drop", 60, 1)
    line = FakeLine(fake_device(), 1, to_host=faults)
    session = open_session(line, timeout=1000.0)
    session.set_credit(511, 511)
    for address in range(300):
        write(session, address)
    faults.enabled = False
    session.drain()
    assert faults.count > 20
    # A loss at the very end of what is in flight leaves no gap to see; the others must.
    assert line.clock < faults.count * 1000.0 / 3


def test_a_silent_device_is_an_error_in_bounded_time():
    line = FakeLine(None)
    with pytest.raises(DeviceTimeout, match="does not answer SYNC"):
        open_session(line, timeout=0.15, retries=15)
    assert line.clock <= 16 * 0.15 + 0.2


def test_a_device_that_only_sends_garbage_is_an_error_in_bounded_time():
    line = FakeLine(None)
    garbage = encode(Frame(9, 9, 9, b"x")) + b"\x11\x22\0"

    def receive(timeout):
        line.clock += 0.01
        return garbage

    line.receive = receive
    with pytest.raises(DeviceTimeout):
        open_session(line)
    assert line.clock <= 16 * 0.15 + 0.2


def test_a_device_that_falls_silent_later_is_an_error_in_bounded_time():
    line = FakeLine(fake_device())
    session = open_session(line)
    session.set_credit(511, 511)
    line.device = None
    start = line.clock
    with pytest.raises(DeviceTimeout):
        for address in range(1000):
            write(session, address)
    assert line.clock - start <= 16 * 0.15 + 0.2
    with pytest.raises(DeviceTimeout):
        session.request(Command.COUNTERS, b"", 64)


def test_nothing_is_repeated_while_the_device_may_be_sending_its_ring_again():
    """A slow line: asked again before it has sent all it keeps, the device would begin anew."""
    line = FakeLine(fake_device())
    session = Session(line, timeout=0.15, retries=3, seconds_per_byte=10 / 9600)
    session.open()
    session.set_credit(511, 511)
    line.device = None
    start, sent = line.clock, []
    line.send = lambda data: sent.append(line.clock - start)
    with pytest.raises(DeviceTimeout):
        session.request(Command.RESET)
    assert len(sent) == 4
    assert sent[1] >= 0.15 + 511 * 10 / 9600


def test_the_longest_wait_for_an_answer_is_counted():
    line = FakeLine(fake_device())
    session = open_session(line, timeout=0.15, retries=3)
    session.request(Command.COUNTERS, b"", 64)
    assert session.statistics.longest_wait < 0.15
    line.device = None
    with pytest.raises(DeviceTimeout):
        session.request(Command.COUNTERS, b"", 64)
    assert 4 * 0.15 <= session.statistics.longest_wait < 4 * 0.16


def test_unplugging_is_an_error():
    line = FakeLine(fake_device())
    session = open_session(line)
    line.unplugged_at = line.clock
    with pytest.raises(LinkError, match="unplugged"):
        session.request(Command.COUNTERS, b"", 64)


def test_a_device_that_restarted_is_an_error_not_a_wrong_answer():
    device = fake_device()
    line = FakeLine(device)
    session = open_session(line)
    session.request(Command.COUNTERS, b"", 64)
    line.device = fake_device()
    with pytest.raises(DeviceTimeout):
        session.request(Command.COUNTERS, b"", 64)
    assert line.device.frames == 0


def test_what_was_on_the_line_before_opening_is_ignored():
    device = fake_device()
    first = open_session(FakeLine(device))
    first.set_credit(511, 511)
    for address in range(20):
        write(first, address)
    # The first program is gone; its responses, and half a frame of garbage, are still coming.
    device.feed(b"\x05\x11\x22")
    second = open_session(FakeLine(device))
    assert len(second.request(Command.COUNTERS, b"", 64)) == 64


def test_an_answer_to_an_earlier_sync_is_not_taken_for_ours():
    line = FakeLine(fake_device())
    stale = [encode(Frame(0, 0, Command.SYNC, b"\xaa\xbb\x01"))] * 2
    receive = line.receive
    line.receive = lambda timeout: stale.pop() if stale else receive(timeout)
    session = open_session(line)
    assert len(session.request(Command.COUNTERS, b"", 64)) == 64


def test_another_protocol_version_is_named():
    with pytest.raises(ProtocolMismatch, match="version 9"):
        open_session(FakeLine(fake_device(version=9)))


@pytest.mark.parametrize("version", [1, 9])
def test_a_later_version_may_have_more_to_say_to_a_sync(version):
    """Whatever its answer's length, its version decides."""
    device = fake_device(version=version)
    respond = device._respond
    device._respond = lambda sequence, code, status, payload: respond(
        sequence, code, status, payload + b"more" * (code == Command.SYNC)
    )
    if version == 9:
        with pytest.raises(ProtocolMismatch, match="version 9"):
            open_session(FakeLine(device))
    else:
        open_session(FakeLine(device)).request(Command.COUNTERS, b"", 64)


def test_an_answer_of_the_wrong_length_is_not_believed():
    session = open_session(FakeLine(fake_device()))
    with pytest.raises(DeviceTimeout, match="64 bytes where COUNTERS with 63 was due"):
        session.request(Command.COUNTERS, b"", 63)


def test_an_answer_that_no_response_can_hold_is_refused_before_sending():
    session = open_session(FakeLine(fake_device()))
    with pytest.raises(ValueError, match="holds"):
        session.submit(Command.COUNTERS, b"", MAX_RESPONSE_PAYLOAD + 1)


def test_a_closed_session_says_so():
    line = FakeLine(fake_device())
    session = open_session(line)
    session.close()
    assert line.closed
    with pytest.raises(LinkError, match="closed"):
        session.request(Command.COUNTERS, b"", 64)
