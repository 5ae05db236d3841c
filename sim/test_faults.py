"""Steps on the simulated board over a bad line: `python -m sim.faults`, in short."""

import numpy as np
import pytest

from host.device import Device
from host.errors import DeviceError, DeviceTimeout, LinkError
from host.link_engine import LinkEngine
from host.session import Session
from host.simulator import SimulatedBoard
from host.transport import SerialTransport
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from sim.faults.campaign import ACCIDENTS, NONE, WrongAnswer, run
from sim.faults.damage import Faults
from sim.faults.line import FaultyTransport
from sim.lockstep import LockstepBoard

pytestmark = pytest.mark.usefixtures("verilator")

STEPS = 200


@pytest.fixture(scope="module")
def board():
    with LockstepBoard() as made:
        yield made


@pytest.mark.parametrize("way", ["to_device", "to_host"])
@pytest.mark.parametrize("kind", Faults.KINDS)
def test_every_answer_is_right_or_an_error(board, kind, way):
    found = run(board, kind, every=200, steps=STEPS, ways=(way,))
    print(found)
    assert found.steps == STEPS
    assert found.injected > 3
    assert found.device_found if way == "to_device" else found.host_found
    assert found.repeated


@pytest.mark.parametrize("way", ["to_device", "to_host"])
def test_pauses_damage_nothing(board, way):
    found = run(board, Faults.PAUSE, every=100, steps=STEPS, ways=(way,))
    print(found)
    assert (found.steps, found.device_found) == (STEPS, 0)
    assert found.injected > 5


@pytest.mark.parametrize("kind", [*Faults.KINDS, Faults.PAUSE])
def test_rare_faults_are_not_seen_by_the_caller(board, kind):
    found = run(board, kind, every=2000, steps=STEPS)
    assert (found.steps, found.at_once, found.raised) == (STEPS, STEPS, 0)


@pytest.mark.parametrize("kind", ACCIDENTS)
def test_an_accident_is_an_error_and_a_new_session_goes_on(board, kind):
    found = run(board, kind, every=1, steps=2 * STEPS)
    assert found.steps == 2 * STEPS
    assert 0 < found.raised == found.injected


@pytest.mark.parametrize("error", ["-2.5", "2.5"])
def test_baud_rates_may_differ(error):
    with LockstepBoard("--baud-error", error) as board:
        found = run(board, NONE, every=1, steps=STEPS)
    assert (found.steps, found.at_once, found.repeated) == (STEPS, STEPS, 0)
    assert found.host_found == found.device_found == 0


def test_a_baud_rate_that_is_far_off_gets_nothing_through():
    with LockstepBoard("--baud-error", "8") as board, pytest.raises(DeviceTimeout):
        board.session(board.connect())


def test_a_device_that_was_reset_takes_no_request_before_a_sync(board):
    network = random_network(1, inputs=5, units=(12,), outputs=4, mode="every")
    x = random_inputs(1, network, 1, 8)
    line = board.connect()
    engine = board.engine(line)
    device = Device(engine)
    device.load(network)
    device.reset()
    for step in x[0, :4]:
        device.step(step)
    while engine.session._next:
        device.counters()
    line.reset()
    try:
        with pytest.raises(DeviceTimeout):
            device.step(x[0, 4])
    finally:
        line.close()


def test_a_campaign_sees_a_wrong_answer(board, monkeypatch):
    right = GoldenModel.run

    def wrong(self, x, *rest):
        golden = right(self, x, *rest)
        golden.logits[3, 2] *= -1
        return golden

    monkeypatch.setattr(GoldenModel, "run", wrong)
    with pytest.raises(WrongAnswer, match="sequence 3, step 2"):
        run(board, NONE, every=1, steps=STEPS)


def test_a_line_that_lets_nothing_through_is_an_error_in_bounded_time(board):
    line = board.connect()
    start = line.now()
    with pytest.raises(DeviceTimeout):
        board.session(FaultyTransport(line, to_device=Faults("drop", 1, 0)), retries=5)
    line.close()
    assert line.now() - start < 6 * 0.004


def test_freely_running_board_over_a_bad_line_and_unplugged():
    """The same over pyserial, whose time is the machine's: it decides no outcome."""
    network = random_network(1, inputs=5, units=(12,), outputs=4, mode="every")
    x = random_inputs(1, network, 10, 8)
    golden = GoldenModel(network).run(x)
    board = SimulatedBoard([])

    def unplug(line):
        line.close()
        raise LinkError("unplugged")

    def device(transport):
        session = Session(transport, 1.0, 60)
        session.open()
        return Device(LinkEngine(session))

    try:
        line = FaultyTransport(
            SerialTransport(board.url),
            to_host=Faults("flip", 300, 1),
            accident=unplug,
            at=float("inf"),
        )
        first = device(line)
        first.load(network)
        for index, result in enumerate(first.run_many(x[:5])):
            np.testing.assert_array_equal(result.logits, golden.scores[index])
        line.accident_at = 0.0
        with pytest.raises(DeviceError, match="unplugged"):
            first.run(x[5])
        first.close()
        second = device(FaultyTransport(SerialTransport(board.url), Faults("flip", 300, 1)))
        assert second.identify().network_valid, "the board kept its network"
        second.load(network)
        for index, result in enumerate(second.run_many(x)):
            np.testing.assert_array_equal(result.logits, golden.scores[index])
        second.close()
    finally:
        board.close()
