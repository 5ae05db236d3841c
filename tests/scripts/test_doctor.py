"""The doctor runs on any Python, names what is missing and how to get it."""

import subprocess
import sys

import pytest

from hdl.boards import CONSTRAINTS

DOCTOR = CONSTRAINTS.parent / "scripts" / "doctor.py"
PROGRAMS = ("make", "g++", "perl", "iverilog", "icebox_vlog")


def doctor(path, *arguments):
    return subprocess.run(
        [sys.executable, str(DOCTOR), *arguments],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def programs(tmp_path):
    """Stand-ins for the programs, so that the result does not hang on this machine."""
    for name in PROGRAMS:
        path = tmp_path / name
        path.write_text("#!/bin/sh\necho a version\n")
        path.chmod(0o755)
    return tmp_path


def test_complete_machine_is_told_so(programs):
    run = doctor(programs, "--for", "demo")
    assert run.returncode == 0, run.stdout
    assert "has what make icebreaker needs" in run.stdout


@pytest.mark.parametrize("name", ["make", "g++", "perl"])
def test_missing_program_is_named_with_its_package(programs, name):
    (programs / name).unlink()
    run = doctor(programs, "--for", "demo")
    assert run.returncode == 1
    assert f"MISSING   {name}: for " in run.stdout
    assert f"apt-get install {name}\n" in run.stdout


def test_compiler_that_compiles_nothing_is_missing(programs):
    (programs / "g++").write_text("#!/bin/sh\n[ $# = 1 ] && echo version\n")
    assert "MISSING   g++" in doctor(programs, "--for", "demo").stdout


def test_perl_without_modules_is_missing(programs):
    (programs / "perl").write_text('#!/bin/sh\ncase "$1" in -M*) exit 2;; esac\necho perl\n')
    assert "MISSING   perl" in doctor(programs, "--for", "demo").stdout


@pytest.mark.parametrize(
    ("name", "package"), [("iverilog", "iverilog"), ("icebox_vlog", "fpga-icestorm")]
)
def test_missing_simulation_tool_is_optional(programs, name, package):
    (programs / name).unlink()
    run = doctor(programs, "--for", "test")
    assert f"optional  {name}: for " in run.stdout
    assert f"Debian package: {package}\n" in run.stdout
    assert f"MISSING   {name}" not in run.stdout


def test_packages_are_those_of_the_needed_checks(programs):
    demo = doctor(programs, "--packages", "--for", "demo").stdout.split()
    assert demo == ["python3", "python3-venv", "make", "g++", "perl"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    everything = doctor(programs, "--packages", "--for", "test").stdout.split()
    assert everything == [*demo, f"libpython{version}"]


def test_python_without_its_library_gets_a_clear_word(programs, tmp_path):
    """Debian's python3-minimal has no ctypes, and the doctor must say so, not break."""
    (tmp_path / "ctypes.py").write_text("raise ImportError('No module named ctypes')\n")
    run = subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({str(DOCTOR)!r})"],
        cwd=tmp_path,
        env={"PATH": str(programs), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert "MISSING   Python's whole standard library" in run.stdout
    assert "apt-get install python3" in run.stdout
