"""The comparison with elastic-ai.creator: what is read of it, and what is said where it lacks."""

import importlib.metadata
import json
import shutil

import pytest

from bench import elastic, elastic_cell, elastic_steps
from hdl.report import Usage
from hdl.toolchain import ToolError

STATE = " 1" * elastic_cell.HIDDEN


def usage(clock_mhz, dsp=7):
    used = {"logic_cells": 700, "ebr": 8, "spram": 0, "dsp": dsp}
    available = {"logic_cells": 5280, "ebr": 30, "spram": 4, "dsp": 8}
    return Usage(used, available, 8, dsp, clock_mhz, 48.0)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a shell script on PATH under a name."""

    def put(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


@pytest.fixture
def no_library(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.fixture(scope="module")
def measured():
    """One seed of everything; a minute and a half."""
    try:
        elastic_cell.find_library()
        elastic_cell.find_ghdl()
    except ToolError as error:
        pytest.skip(str(error))
    return elastic.measure(seeds=(1,))


@pytest.mark.slow
def test_a_step_takes_892_cycles(measured):
    """20 units of 21 products, two cycles each; the last unit's gates; 20 units copied, two each;
    the reset and the handshakes."""
    assert measured["cycles"] == 892
    assert measured["macs"] == 1680


@pytest.mark.slow
def test_both_designs_fit_and_have_their_multipliers_where_they_should(measured):
    assert measured["designs"]["DSP"]["dsp"] == 7
    assert measured["designs"]["no DSP"]["dsp"] == 0
    for design in measured["designs"].values():
        assert 0 < design["logic_cells"] <= 5280
        assert design["ebr"] == 8
        assert design["spram"] == 0
        assert design["multiplier_cells"] >= 7
        assert len(design["clock_mhz"]) == 1
        assert design["clock_mhz"][0] > 10
    few, many = (measured["designs"][name]["logic_cells"] for name in ("DSP", "no DSP"))
    assert few < many


@pytest.mark.slow
def test_the_netlists_were_simulated_where_icarus_is(measured):
    wanted = shutil.which("iverilog") is not None
    assert all(d["netlist_simulated"] == wanted for d in measured["designs"].values())


@pytest.mark.slow
def test_every_state_is_compared_with_the_library_s_model(measured):
    model = measured["model"]
    assert model["values"] == elastic_steps.SEQUENCES * elastic_steps.STEPS * elastic_cell.HIDDEN
    assert 0 < model["equal"] <= model["values"]


@pytest.mark.slow
def test_the_table_has_a_row_for_each_design(measured):
    assert len(elastic.table(measured).splitlines()) == 2 + len(measured["designs"])


def test_a_missing_library_says_how_to_get_it(no_library):
    with pytest.raises(ToolError, match=r"elasticai-creator is not installed.*\.\[compare\]") as e:
        elastic_cell.find_library()
    assert e.value.wanted == elastic_cell.VERSION


def test_another_version_of_the_library_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.60.0")
    with pytest.raises(ToolError, match=r"version 0\.60\.0; wanted: 0\.67\.0") as error:
        elastic_cell.find_library()
    assert error.value.found == "0.60.0"


def test_a_missing_ghdl_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"ghdl was not found.*apt-get install ghdl"):
        elastic_cell.find_ghdl()


def test_ghdl_s_version_is_read(program):
    program("ghdl", "echo 'GHDL 4.1.0 (4.1.0) [Dunoon edition]'")
    assert elastic_cell.find_ghdl() == "4.1.0"


def test_a_ghdl_without_a_version_is_refused(program):
    program("ghdl", "echo hello")
    with pytest.raises(ToolError, match="does not tell its version.*hello"):
        elastic_cell.find_ghdl()


def test_a_failed_program_says_its_last_lines(program):
    program("ghdl", "echo cannot find libgnat >&2; exit 3")
    with pytest.raises(ToolError, match=r"(?s)exit status 3.*cannot find libgnat"):
        elastic_cell.find_ghdl()


def test_the_command_without_the_library_fails_and_writes_nothing(no_library, tmp_path, capsys):
    output = tmp_path / "elastic.json"
    assert elastic.main(["--quick", "--output", str(output)]) == 1
    assert capsys.readouterr().err.startswith("error: elasticai-creator is not installed")
    assert not output.exists()


def test_the_command_writes_json_and_prints_the_table(monkeypatch, tmp_path, capsys):
    seen = []

    def measure(seeds):
        seen.append(seeds)
        return {
            **{"hidden": 20, "inputs": 1, "bits": 8, "cycles": 800},
            "model": {"values": 480, "equal": 200, "largest_difference": 4},
            "designs": {"DSP": elastic.figures([usage(40.0)], 800)},
        }

    monkeypatch.setattr(elastic, "measure", measure)
    output = tmp_path / "elastic.json"
    assert elastic.main(["--quick", "--output", str(output)]) == 0
    assert seen == [(1,)]
    assert "| 700 | 8 | 0 | 7 | 40.0 | 800 | 20.0 us | 84.0 |" in capsys.readouterr().out
    assert json.loads(output.read_text())["elastic"]["cycles"] == 800


def test_no_seeds_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        elastic.measure(seeds=())


def test_figures_stand_on_the_median_clock():
    found = elastic.figures([usage(30.0), usage(40.0), usage(41.0)], 800)
    assert found["clock_mhz"] == [30.0, 40.0, 41.0]
    assert found["step_us"] == 20.0
    assert found["macs_a_second"] == 84_000_000
    assert found["multiplier_cells"] == 8


def test_steps_are_read():
    steps = elastic_steps.read_steps(f"892{STATE}\n892{STATE.replace('1', '-2')}\n")
    assert steps.cycles == [892, 892]
    assert steps.states == [[1] * elastic_cell.HIDDEN, [-2] * elastic_cell.HIDDEN]


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("", "no steps"),
        (f"892{STATE} 1", "20 values of state"),
        ("892 1", "20 values of state"),
        (f"892{STATE[:-1]}x", "expected cycles and a state"),
        (f"100000{STATE}", "not done after 100000 cycles"),
        (f"892{STATE}\n893{STATE}", r"differ in their cycles: \[892, 893\]"),
    ],
)
def test_what_is_no_simulation_is_refused(printed, message):
    with pytest.raises(ValueError, match=message):
        elastic_steps.read_steps(printed)


def test_a_comparison_counts_values():
    steps = elastic_steps.Steps([892, 892], [[1, 2], [3, -4]])
    assert elastic_steps.compare(steps, [[1, 3], [3, 0]]) == {
        "values": 4,
        "equal": 2,
        "largest_difference": 4,
    }


def test_a_comparison_of_other_lengths_is_refused():
    with pytest.raises(ValueError, match="zip"):
        elastic_steps.compare(elastic_steps.Steps([892], [[1, 2]]), [[1, 2], [3, 4]])


def test_inputs_hit_both_ends():
    flat = [value for row in elastic_steps.stimulus() for value in row]
    assert min(flat) == -(2**elastic_cell.FRACTION_BITS)
    assert max(flat) == 2**elastic_cell.FRACTION_BITS
    assert len(flat) == elastic_steps.SEQUENCES * elastic_steps.STEPS


def test_unknown_vhdl_is_refused():
    with pytest.raises(ValueError, match=r"lstm_cell\.vhd must hold .* once, not 0 times"):
        elastic_cell.rewrite("entity lstm_cell is end;")


def test_the_cell_is_analysed_after_its_parts(tmp_path):
    for name in ("lstm_cell", "wi_rom_lstm_cell", "lstm_cell_hardtanh"):
        (tmp_path / f"{name}.vhd").touch()
    assert elastic_cell.sources(tmp_path)[-1] == str(tmp_path / "lstm_cell.vhd")
