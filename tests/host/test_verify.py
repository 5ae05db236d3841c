"""A store that is not what it should be, and what the flash became, as the device itself says."""

import pytest

from host.errors import NoNetwork, WrongNetwork
from models.protocol import DeviceFlags
from models.random_networks import random_inputs, random_network
from tests.host.fake_line import FakeLine
from tests.host.helpers import device_for, expected_scores, fake_device, open_over

NETWORK = random_network(4, inputs=3)


def test_a_bit_that_changes_in_the_store_is_seen():
    fake = fake_device(NETWORK)
    with open_over(FakeLine(fake)) as device:
        device.load(NETWORK)
        device.verify()
        fake.store[len(fake.store) // 2] ^= 1 << 17
        with pytest.raises(WrongNetwork, match="CRC-32 .* was expected, CRC-32 .* found"):
            device.verify()
        device.load(NETWORK)  # which sends it anew, as the device's CRC-32 is another
        device.verify()
        x = random_inputs(1, NETWORK, 1, 4)[0]
        assert (device.run(x).logits == expected_scores(NETWORK, x)).all()


def test_nothing_to_verify_without_a_network(kind):
    with device_for(kind, NETWORK) as device:
        with pytest.raises(NoNetwork):
            device.verify()


@pytest.mark.parametrize(
    ("flags", "flash"),
    [(0, "none"), (DeviceFlags.FLASH_LOADED, "loaded"), (DeviceFlags.FLASH_FAILED, "failed")],
)
def test_identity_tells_what_became_of_the_network_in_the_flash(flags, flash):
    with open_over(FakeLine(fake_device(NETWORK, flash_flags=flags))) as device:
        assert device.identify().flash == flash


@pytest.mark.parametrize("clock_hz", [0, -1])
def test_an_emulator_has_a_clock(clock_hz):
    with pytest.raises(ValueError, match="clock_hz must be at least 1"):
        device_for("emulator", clock_hz=clock_hz)


def test_an_emulator_has_no_flash():
    with device_for("emulator", NETWORK) as device:
        assert device.identify().flash == "none"
