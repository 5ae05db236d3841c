"""`pytest sim/ --sim icarus|verilator|all`: the simulators that testbenches run in."""

from __future__ import annotations

import pytest

from sim.runner import SIMULATORS, MissingSimulator, find_simulator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sim",
        choices=[*SIMULATORS, "all"],
        default="all",
        help="simulator of the cocotb testbenches (default: all that there are)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `simulator` once in each simulator that was asked for."""
    if "simulator" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--sim")
        metafunc.parametrize("simulator", SIMULATORS if chosen == "all" else [chosen])


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    """Skip, and say why, where a simulator is missing."""
    if "simulator" in request.fixturenames:
        _need(request.getfixturevalue("simulator"))


@pytest.fixture(scope="session")  # comes before a board that a whole module shares
def verilator() -> None:
    """Skip, and say why, where Verilator is missing."""
    _need("verilator")


def _need(simulator: str) -> None:
    try:
        find_simulator(simulator)
    except MissingSimulator as missing:
        pytest.skip(str(missing))
