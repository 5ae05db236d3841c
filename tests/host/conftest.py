"""What all tests of the host share."""

import pytest


@pytest.fixture(params=("emulator", "link"))
def kind(request):
    """A kind of device, for `tests.host.helpers.device_for`."""
    return request.param
