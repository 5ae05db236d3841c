"""All five levels on two digits; and what is wrong on a level is found, named, and fails."""

import json
import os
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from hdl.boards import load_board
from hdl.build import DEFAULT_NETWORK
from models.file import load, save
from models.random_networks import random_network
from sim.harness.build import find_verilator
from sim.levels import designs
from sim.levels.artefacts import Artefacts, make_build
from sim.levels.cells import TOP, cells_in
from sim.levels.cli import counts, main
from sim.levels.netlist import placed_verilog
from sim.levels.report import DIFFERENT, FAILED, SKIPPED, Row
from sim.levels.run import LEVELS, exit_status
from sim.levels.traces import LevelError, Mismatch, Tally, Trace, Unavailable

HARDWARE = LEVELS[2:]
DIGITS = 2
STEPS, UNITS, OUTPUTS = 8, 64, 10


@pytest.fixture(scope="module")
def shipped():
    """The shipped build, as `python -m hdl.build` makes it."""
    return make_build(load(DEFAULT_NETWORK), "icebreaker", None, "auto", print)


@pytest.fixture
def altered(shipped, tmp_path):
    """A copy of the shipped build to spoil."""
    folder = tmp_path / "build"
    folder.mkdir()
    for path in (shipped.verilog, shipped.placed, shipped.bitstream, shipped.pins):
        shutil.copy(path, folder)
    shutil.copy(shipped.folder / "report.json", folder)
    return folder


def levels(tmp_path, *arguments, network=DEFAULT_NETWORK):
    """Run the command; return its status and what it wrote as JSON, rows by level."""
    output = tmp_path / "levels.json"
    status = main(["--network", str(network), "--output", str(output), *map(str, arguments)])
    data = json.loads(output.read_text())
    return status, {row["level"]: row for row in data["levels"]}, data


# -- what is right


@pytest.mark.parametrize(
    "level",
    ["golden", *(pytest.param(level, marks=pytest.mark.slow) for level in HARDWARE)],
)
def test_digits_are_equal_on_every_level(shipped, tmp_path, level):
    if level == "bitstream" and shutil.which("icebox_vlog") is None:
        assert not os.environ.get("CI"), "CI without icebox_vlog has not run what it is for"
        pytest.skip(f"the bitstream level needs icebox_vlog. {designs.ICEBOX}")
    status, rows, data = levels(
        tmp_path, "--build", shipped.folder, "--levels", level, "--sequences", DIGITS
    )
    tally = rows[level]["tally"]
    assert status == 0
    assert (rows[level]["status"], tally["mismatches"]) == ("equal", 0)
    assert (tally["sequences"], tally["steps"]) == (DIGITS, DIGITS * STEPS)
    # Once after each step, and once after the sequence as a whole.
    assert tally["logits"] == DIGITS * (STEPS + 1) * OUTPUTS
    assert tally["states"] == DIGITS * (STEPS + 1) * UNITS
    if level in HARDWARE:
        assert rows[level]["cycles_per_second"] > 0
        (design,) = data["designs"]
        assert [item["primitive"][-9:] for item in design["substituted"]] in (
            ["PLL40_PAD"],
            ["STORM_PLL"],
        )
        assert data["bitstream_sha256"] == shipped.report["bitstream_sha256"]


# -- what is wrong


def first_mismatch(rows, level):
    """Check that a level differs from its first unit on, and return the mismatch."""
    assert rows[level]["status"] == DIFFERENT
    first = rows[level]["tally"]["first"]
    assert (first["level"], first["what"], first["sequence"]) == (level, "state", 0)
    assert first["expected"] != first["found"]
    return first


@pytest.mark.slow
def test_inverted_bit_in_rtl_is_found_and_its_waveform_written(altered, tmp_path, capsys):
    """Bit 0 of every new state is wrong, so the first unit that moves is off by one."""
    path = altered / "icebreaker.v"
    text = path.read_text()
    right = "new_state <= "
    assert text.count(right) == 1
    path.write_text(text.replace(right, "new_state <= 8'h01 ^ "))
    waves = tmp_path / "first.vcd"
    status, rows, _ = levels(
        tmp_path, "--build", altered, "--levels", "rtl", "--sequences", 1, "--waves", waves
    )
    assert status == 1
    first = first_mismatch(rows, "rtl")
    assert first["found"] == first["expected"] ^ 1
    assert first["layer"] == 0
    printed = capsys.readouterr().out
    assert (
        f"FIRST MISMATCH  rtl: sequence 0, step {first['step']}, layer 0, unit {first['unit']}: "
        f"expected {first['expected']} (qat), found {first['found']}" in printed
    )
    assert "the mismatch is in it" in rows["rtl"]["note"]
    assert "$enddefinitions" in waves.read_text()


@pytest.mark.slow
def test_flipped_lut_bit_in_the_placed_netlist_is_found(altered, tmp_path):
    path = altered / "placed.json"
    data = json.loads(path.read_text())
    module = data["modules"]["top"]
    (net,) = module["netnames"]["system.engine.gate.new_state[0]"]["bits"]
    (cell,) = (
        cell
        for cell in module["cells"].values()
        if cell["type"] == "ICESTORM_LC" and cell["connections"]["O"] == [net]
    )
    init = cell["parameters"]["LUT_INIT"]
    cell["parameters"]["LUT_INIT"] = init[:-1] + str(1 - int(init[-1]))
    path.write_text(json.dumps(data))
    status, rows, _ = levels(tmp_path, "--build", altered, "--levels", "netlist", "--sequences", 1)
    assert status == 1
    first = first_mismatch(rows, "netlist")
    assert first["found"] == first["expected"] ^ 1


@pytest.mark.slow
def test_network_that_the_bitstream_does_not_hold_is_refused(shipped, tmp_path):
    other = tmp_path / "other.safetensors"
    save(random_network(5, inputs=3, units=(6,)), other)
    arguments = ("--build", shipped.folder, "--levels", "rtl", "--sequences", 1, "--steps", 2)
    status, rows, _ = levels(tmp_path, *arguments, network=other)
    assert status == 1
    assert rows["rtl"]["status"] == FAILED
    assert "does not start with network 'random-5'" in rows["rtl"]["note"]


def test_bitstream_that_is_not_its_reports_is_refused(altered, tmp_path):
    path = altered / "icebreaker.bin"
    path.write_bytes(path.read_bytes()[:-1])
    status, rows, _ = levels(
        tmp_path, "--build", altered, "--levels", "bitstream", "--sequences", 1
    )
    assert (status, rows["bitstream"]["status"]) == (1, FAILED)
    assert "is not the bitstream that" in rows["bitstream"]["note"]


@pytest.mark.parametrize(
    ("arguments", "status"), [((), 3), (("--strict",), 3), (("--levels", "golden,bitstream"), 3)]
)
def test_missing_icebox_is_a_skipped_level_and_no_silent_pass(
    shipped, tmp_path, monkeypatch, capsys, arguments, status
):
    # No hardware level is left, which is no success either.
    for level in ("rtl", "netlist"):
        monkeypatch.setitem(designs.DESIGNS, level, _unavailable)
    monkeypatch.setattr(designs, "shutil", SimpleNamespace(which=lambda *_: None))
    monkeypatch.setattr(designs, "kept_text", lambda folder, name, key, make: make())
    found, rows, _ = levels(tmp_path, "--build", shipped.folder, "--sequences", 1, *arguments)
    assert found == status
    assert rows["bitstream"]["status"] == SKIPPED
    assert "apt-get install fpga-icestorm" in rows["bitstream"]["note"]
    printed = capsys.readouterr().out
    assert "| bitstream | skipped" in printed
    assert "NOT RUN: " in printed


def _unavailable(build):
    raise Unavailable("left out here")


# -- parts


def trace(states, answers):
    """A trace of given states and answers, the last of which stand for the whole sequence."""
    h, logits = np.array(states, np.int64), np.array(answers, np.int64)
    labels = logits.argmax(axis=1)
    return Trace(dict(enumerate(h)), logits, labels, logits[-1], int(labels[-1]), h[-1])


RIGHT = trace([[1, 2, 3], [4, 5, 6]], [[7, 8], [9, 1]])


def test_equal_traces_are_counted():
    tally = Tally()
    tally.add("rtl", (2, 1), 0, RIGHT, RIGHT)
    tally.add("rtl", (2, 1), 1, RIGHT, RIGHT)
    assert tally == Tally(sequences=2, steps=4, logits=12, states=18, labels=6)


@pytest.mark.parametrize(
    ("states", "answers", "expected"),
    [
        ([[1, 2, 3], [4, 5, 0]], [[7, 8], [9, 1]], ("state", 1, 0, 6, 0)),
        ([[1, 0, 3], [4, 5, 0]], [[7, 0], [9, 1]], ("state", 0, 1, 2, 0)),
        ([[1, 2, 3], [4, 5, 6]], [[7, 9], [9, 1]], ("logit", None, 1, 8, 9)),
    ],
)
def test_first_mismatch_is_named_by_step_layer_and_unit(states, answers, expected):
    tally = Tally()
    tally.add("rtl", (2, 1), 3, RIGHT, trace(states, answers))
    first = tally.first
    assert first is not None
    assert (first.sequence, first.whole) == (3, False)
    assert (first.what, first.layer, first.unit, first.expected, first.found) == expected


def test_only_states_that_were_read_are_compared():
    found = Trace({1: RIGHT.states[1]}, RIGHT.answers, RIGHT.labels, RIGHT.answer, 0, RIGHT.state)
    tally = Tally()
    tally.add("rtl", (3,), 0, RIGHT, found)
    assert (tally.states, tally.mismatches) == (6, 0)


def test_mismatch_reads_as_a_sentence():
    text = str(Mismatch("bitstream", 4, 2, "state", 1, 17, -3, 5))
    assert text == ("bitstream: sequence 4, step 2, layer 1, unit 17: expected -3 (qat), found 5")


def test_counts_by_level():
    assert counts("7", ("qat", "rtl")) == {"qat": 7, "rtl": 7}
    assert counts("7,rtl=2", ("qat", "rtl")) == {"qat": 7, "rtl": 2}


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "2,board=3", "rtl=", "1,netlist=2"])
def test_bad_counts_are_refused(text):
    with pytest.raises(ValueError, match="--sequences"):
        counts(text, ("qat", "rtl"))


@pytest.mark.parametrize(
    ("status", "required", "expected"),
    [("equal", LEVELS, 0), (SKIPPED, (), 0), (SKIPPED, ("netlist",), 3), (FAILED, (), 1)],
)
def test_exit_status(status, required, expected):
    rows = [Row("qat", ""), Row("rtl", "", "equal"), Row("netlist", "", status)]
    assert exit_status(rows, required) == expected


def test_no_hardware_level_at_all_is_no_success():
    assert exit_status([Row("golden", "", "equal"), Row("rtl", "", SKIPPED)], ()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--lanes", "7"], "lanes must be"), (["--levels", "qat"], "name one of them, too")],
)
def test_arguments_that_would_compare_nothing_are_refused(arguments, message, capsys):
    assert main(["--network", str(DEFAULT_NETWORK), "--sequences", "1", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_software_levels_agree_on_networks_of_every_kind(tmp_path):
    path = tmp_path / "network.safetensors"
    for seed, mode in enumerate(("last", "sum", "every")):
        network = random_network(seed, 5, (7, 4), 3, hb=3 + seed, theta=seed, mode=mode, planes=2)
        save(network, path)
        arguments = ("--levels", "golden", "--sequences", 20, "--data", "random")
        status, rows, _ = levels(tmp_path, *arguments, network=path)
        assert status == 0
        assert rows["golden"]["tally"]["states"] == 20 * 13 * 11


def test_cells_of_a_netlist_are_counted():
    text = "  SB_IO #(\n  ) a (\n);\nSB_RAM40_4K #(\n) b (\n);\n  SB_GB \\x$1  (\n wire SB_DFF;\n"
    assert cells_in(text) == {"SB_GB": 1, "SB_IO": 1, "SB_RAM40_4K": 1}


def test_text_that_is_no_placed_netlist_is_refused():
    with pytest.raises(LevelError, match="the placed netlist cannot be read"):
        placed_verilog("{}")


def test_the_harness_has_an_erased_flash_for_a_board_that_reads_one(tmp_path, verilator):
    """The pin may be one of both directions, as the library's pads are."""
    pins = ["clk12_0__io", "uart_0__rx__io", "uart_0__tx__io", "led_g_0__io"]
    flash = "spi_flash_1x_0__cipo__io"
    constraints = tmp_path / "icebreaker.pcf"
    found = find_verilator()
    for listed in (pins, [*pins, flash]):
        constraints.write_text("".join(f"set_io {name} 1\n" for name in listed))
        build = Artefacts(load_board("icebreaker"), tmp_path, {})
        (tmp_path / "pins.v").write_text(designs._around(build, "top"))
        ports = ", ".join(f"inout {name}" for name in listed)
        seen = f"assign led_g_0__io = {flash if flash in listed else 0};"
        (tmp_path / "top.v").write_text(f"module top({ports});\n{seen}\nendmodule\n")
        done = subprocess.run(
            [found.script, "--lint-only", "--top-module", TOP, "pins.v", "top.v"],
            cwd=tmp_path,
            env=found.environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert (flash in (tmp_path / "pins.v").read_text()) == (flash in listed)
