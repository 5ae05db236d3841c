"""What tests of several folders share."""

import pytest

from sim.harness.build import BoardBuildError, find_verilator
from sim.lockstep import LockstepBoard


@pytest.fixture(scope="module")
def lockstep_board():
    """A simulated board; where Verilator is missing, the test is skipped."""
    try:
        find_verilator()
    except BoardBuildError as error:
        pytest.skip(str(error))
    with LockstepBoard() as made:
        yield made
