"""The simulated board in lockstep: its time passes only while the host waits."""

import time

import pytest

from host.device import Device
from host.errors import LinkError
from models.protocol import Command
from models.random_networks import random_inputs, random_network
from sim.lockstep import BYTE_BITS, LockstepBoard

pytestmark = pytest.mark.usefixtures("verilator")

NETWORK = random_network(2, inputs=5, units=(12,), outputs=4)


@pytest.fixture(scope="module")
def board():
    with LockstepBoard() as made:
        yield made


@pytest.fixture
def line(board):
    made = board.connect()
    yield made
    made.close()


def test_time_passes_only_while_the_host_waits(line):
    before = line.cycles
    line.send(b"\0")
    time.sleep(0.05)
    assert line.receive(0) == b""
    assert line.cycles == before
    assert line.receive(100 / 48e6) == b""
    assert line.cycles == before + 100
    assert line.now() == line.cycles / 48_000_000


def test_the_same_calls_take_the_same_cycles():
    def cycles():
        with LockstepBoard() as board:
            line = board.connect()
            device = Device(board.engine(line))
            start = line.cycles
            device.load(NETWORK)
            loaded = line.cycles
            list(device.run_many(random_inputs(1, NETWORK, 20, 8)))
            return loaded - start, line.cycles - loaded

    assert cycles() == cycles()


def test_an_answer_takes_at_least_the_time_of_its_bytes_on_the_line(board, line):
    session = board.session(line)
    before = line.cycles
    session.request(Command.COUNTERS, b"", 64)
    # Delimiter, COUNTERS and its answer; encoded as docs/link.md says.
    line_cycles = (1 + 7 + 71) * BYTE_BITS * board.clock_hz // board.baud
    assert line_cycles <= line.cycles - before < 1.4 * line_cycles


def test_the_board_keeps_its_state_while_nobody_is_connected(board):
    first = board.connect()
    Device(board.engine(first)).load(NETWORK)
    first.close()
    second = board.connect()
    assert second.cycles >= first.cycles
    assert board.engine(second).identify().network_valid
    second.close()


def test_what_waits_to_be_sent_is_lost_with_the_connection(board):
    first = board.connect()
    first.send(bytes(2000))
    first.receive(10 * BYTE_BITS / board.baud)
    first.close()
    second = board.connect()
    board.session(second, timeout=0.0005, retries=0)
    second.close()


def test_a_reset_keeps_the_network_and_a_new_configuration_does_not(board, line):
    Device(board.engine(line)).load(NETWORK)
    held = board.engine(line).identify()
    line.reset()
    assert board.engine(line).identify() == held
    line.reconfigure()
    assert not board.engine(line).identify().network_valid
    device = Device(board.engine(line))
    device.load(NETWORK)
    assert device.identify() == held
    assert device.counters().steps == 0


def test_a_reconfigured_board_has_a_new_store_whose_bits_can_be_flipped(board, line):
    line.reconfigure()
    device = Device(board.engine(line))
    device.load(NETWORK)
    held = device.identify()
    line.flip_bit(3, 0, 0)
    assert device.identify().image_crc32 != held.image_crc32


def test_a_bit_outside_the_store_is_refused(line):
    for word, bit in ((1 << 14, 0), (-1, 0), (0, 16), (0, -1)):
        with pytest.raises(ValueError, match="must be in an SPRAM"):
            line.flip_bit(0, word, bit)


def test_a_board_that_has_ended_is_an_error():
    board = LockstepBoard()
    line = board.connect()
    board.close()
    with pytest.raises(LinkError, match="the connection to the simulated board broke"):
        line.receive(1)
    with pytest.raises(LinkError, match="the connection to the simulated board broke"):
        board.connect()
