"""The runner: a failing testbench fails, and one that does not run as well."""

import pytest

from sim.runner import BenchFailure, run_bench
from sim.test_link_uart import UART


def run(simulator, tests):
    run_bench(
        UART(16),
        "sim.benches.selftest",
        simulator,
        name="uart-16",
        case="selftest",
        tests=tests,
        data={"answer": 42},
    )


def test_passing_bench_passes(simulator):
    run(simulator, ["passes"])


def test_failing_bench_fails_and_shows_the_log(simulator):
    with pytest.raises(BenchFailure, match=r"(?s)1 of 1 tests failed.*an idle line is high"):
        run(simulator, ["fails"])


def test_bench_without_tests_fails(simulator):
    with pytest.raises(BenchFailure, match="no test ran"):
        run(simulator, ["no_such_test"])


def test_unknown_simulator_is_refused():
    with pytest.raises(ValueError, match="'simulator' must be one of .*, not 'modelsim'"):
        run_bench(object(), "sim.benches.selftest", "modelsim", name="none")
