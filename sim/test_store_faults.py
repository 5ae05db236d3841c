"""A store that does not hold what was sent: a flipped bit, a load that broke off."""

import numpy as np
import pytest

from host.device import Device
from host.errors import DeviceRefused, LinkError
from host.link_engine import PendingSteps
from models.golden import GoldenModel
from models.image import compile_image
from models.protocol import Command, Status, StepFlags
from models.random_networks import random_inputs, random_network
from sim.faults.line import FaultyTransport
from sim.lockstep import LockstepBoard

pytestmark = pytest.mark.usefixtures("verilator")

LANES = 16
SPRAMS = 4
OLD, NEW = (random_network(seed, inputs=5, units=(20,), outputs=4) for seed in (3, 4))
IMAGES = {compile_image(n, LANES).crc32: n for n in (OLD, NEW)}
X = random_inputs(5, OLD, 1, 8)[0]


@pytest.fixture(scope="module")
def board():
    with LockstepBoard() as made:
        yield made


def written(device, network):
    """Load, and return the bytes that were said to be written before the last."""
    calls = []
    device.load(network, progress=lambda done, total: calls.append(done))
    return len(calls) > 1


@pytest.mark.parametrize("spram", range(SPRAMS))
def test_a_flipped_bit_is_seen_by_identify_and_mended_by_load(board, spram):
    words = len(compile_image(OLD, LANES).words)
    line = board.connect()
    device = Device(board.engine(line))
    device.load(OLD)
    right = device.identify()
    assert (right.network_valid, IMAGES[right.image_crc32]) == (True, OLD)
    assert not written(device, OLD), "the device holds it already"
    for word, bit in ((0, 15), (words // 2, 7), (words - 1, 0)):
        line.flip_bit(spram, word, bit)
        assert device.identify().image_crc32 != right.image_crc32, (word, bit)
        assert written(device, OLD)
        assert device.identify() == right
    scores = device.run(X).logits
    np.testing.assert_array_equal(scores, GoldenModel(OLD).run(X[None]).scores[0])
    line.close()


def test_a_bit_beyond_the_image_is_not_the_networks(board):
    line = board.connect()
    device = Device(board.engine(line))
    device.load(OLD)
    line.flip_bit(0, len(compile_image(OLD, LANES).words), 0)
    assert not written(device, OLD)
    line.close()


def test_a_load_that_breaks_off_leaves_the_old_network_or_none(board):
    """Cut at many times, from before the first request to after the last answer."""

    def cut(line):
        line.close()
        raise LinkError("cut")

    line = board.connect()
    device = Device(board.engine(line))
    device.load(NEW)
    begin = line.now()
    device.load(OLD)
    duration = line.now() - begin
    line.close()
    left = []
    for part in np.linspace(0.001, 0.999, 24):
        line = board.connect()
        bad = FaultyTransport(line, accident=cut, at=float("inf"))
        device = Device(board.engine(bad))
        device.load(OLD)
        bad.accident_at = line.now() + part * duration
        with pytest.raises(LinkError):
            device.load(NEW)
            device.counters()  # the cut came after the load's last answer
        left.append(network_left(board))
    print(left)
    assert left[0] == "old" and left[12] == "none" and left[-1] in ("none", "new")
    assert left == sorted(left, key=["old", "none", "new"].index)


def network_left(board):
    """Which network the device holds, says that it holds, and runs."""
    line = board.connect()
    engine = board.engine(line)
    identity = engine.identify()
    flags = StepFlags.FIRST | StepFlags.LAST
    payload = bytes((flags,)) + X.tobytes()
    ticket = engine.session.submit(Command.STEPS, payload, 6 + 4 * OLD.spec.outputs + 4)
    steps = PendingSteps(engine.session, ticket, 1, OLD.spec.outputs)
    try:
        if not identity.network_valid:
            with pytest.raises(DeviceRefused) as refused:
                engine.session.wait(ticket)
            assert refused.value.status == Status.NO_NETWORK
            return "none"
        network = IMAGES[identity.image_crc32]
        expected = GoldenModel(network).run(X[None]).scores[0]
        np.testing.assert_array_equal(steps.result().records[0].scores, expected)
        return "old" if network is OLD else "new"
    finally:
        line.close()
