"""What tests of several folders share."""

import pytest

from sim.harness.build import BoardBuildError, find_verilator
from sim.lockstep import LockstepBoard


@pytest.fixture(scope="session")
def verilator():
    """Skips the test where Verilator is missing, which the simulated board needs."""
    try:
        find_verilator()
    except BoardBuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def lockstep_board(verilator):
    """A simulated board."""
    with LockstepBoard() as made:
        yield made
