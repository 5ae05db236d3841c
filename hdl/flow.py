"""From a top level to a bitstream: elaboration, Yosys, nextpnr, icepack, and what they report.

Nothing that reaches a tool holds a path or a date, so the same sources give the same bits
wherever they lie. Results replace earlier ones file by file and only when all is there; a
failed build leaves them alone and puts its logs into the folder `failed` beside them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amaranth.build.run import BuildPlan

from hdl.boards import Board
from hdl.report import Usage, read_usage
from hdl.toolchain import Toolchain, ToolError
from models.writing import check_folder, write_whole

Progress = Callable[[str], None]

_NAME = "top"  # also the name of the top module in the Verilog
_FAILED = "failed"

#: How much more the placer minds critical paths than others (its own default is 2): measured in
#: docs/decisions/0003-two-events.md, over three seeds.
_PLACER = "--placer-heap-critexp 4"

#: The netlist as placed and routed, nextpnr's JSON: what the bitstream was packed from, cell by
#: cell. `python -m sim.levels` simulates it.
PLACED = "placed.json"

#: A disk with less than this left is as good as full: a build writes 10 MB.
_LEAST_ROOM = 1 << 20

# The RTL is counted before anything lowers it, and written as Verilog from a copy.
# COLLISION_X_MASK says that no port reads what another writes in the same cycle: without it
# Yosys adds logic for the old value to every memory (2477 logic cells against 1682, measured
# on an early engine of 16 lanes). Each memory's component states why it may; simulation checks.
_AFTER_READ = """\
tee -q -o rtl_cells.json stat -json
design -save elaborated
proc -nomux -norom
memory_collect
attrmap -remove generator -remove top -remove src -remove amaranth.decoding
attrmap -modattr -remove generator -remove top -remove src -remove amaranth.hierarchy
write_verilog -norename top.v
design -load elaborated
delete t:$check t:$print
setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2"""
_AFTER_SYNTH = "tee -q -o mapped_cells.json stat -json"


@dataclass(frozen=True)
class Product:
    """A result file: its name in the work folder, and what it is called in the output."""

    made: str
    kept: str


@dataclass
class Flow:
    """One run of the tools in a folder of its own.

    Attributes
    ----------
    board, toolchain
        What it is built for and with.
    target_mhz : float
        The clock that nextpnr is asked for.
    seed : int
        nextpnr's seed.
    folder : Path
        The work folder.
    progress : callable
        Takes one line at a time for the person who waits.
    seconds : dict
        Wall-clock seconds by stage.
    """

    board: Board
    toolchain: Toolchain
    target_mhz: float
    seed: int
    folder: Path
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    def prepare(self, top: Any) -> BuildPlan:
        """Elaborate a top level into the tools' input files."""
        with self._stage("elaborating"):
            platform = self.board.platform()
            plan = platform.prepare(
                top,
                _NAME,
                emit_src=False,  # source paths would differ between clones
                script_after_read=_AFTER_READ,
                script_after_synth=_AFTER_SYNTH,
                synth_opts=_synthesis_options(self.board),
                # The PLL renames its net, so a constraint on it would be ignored in silence;
                # a missed target is judged by the report, which is only written on success.
                nextpnr_opts=(
                    f"--freq {self.target_mhz:g} --seed {self.seed} --timing-allow-fail "
                    f"{_PLACER} "
                    f"--report nextpnr.json --write {PLACED}"
                ),
            )
            plan.extract(self.folder)
        return plan

    def run(self, plan: BuildPlan, again: bool = False) -> Usage:
        """Run the plan's commands; return what the tools report.

        With `again`, synthesis is not repeated: only placing, routing and packing, with the seed
        that the flow now has.

        Raises
        ------
        hdl.toolchain.ToolError
            If a tool fails; the message holds the last lines of its log.
        hdl.report.ReportError
            If a tool's report lacks something.
        """
        commands = json.loads(plan.files[f"build_{_NAME}.json"])["commands"]
        for command, *arguments in commands:
            stage, log = _STAGES[command]
            if again and command == "yosys":
                continue
            if command == "nextpnr-ice40":
                arguments[arguments.index("--seed") + 1] = str(self.seed)
            with self._stage(stage):
                # What the tools print is the log; it is the place where they say what failed.
                loud = [a for a in arguments if a not in ("-q", "--quiet")]
                self.toolchain.run(command, loud, self.folder, self.folder / log, self._waiting)
        return read_usage(
            self.folder / "rtl_cells.json",
            self.folder / "mapped_cells.json",
            self.folder / "nextpnr.json",
        )

    def _waiting(self, passed: float) -> None:
        self.progress(f"  ... {passed:.0f} s")

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.progress(f"{name} ...")
        start = time.monotonic()
        try:
            yield
        except (ToolError, OSError) as error:
            _check_room(self.folder, name, error)
            raise
        _check_room(self.folder, name)
        self.seconds[name] = round(time.monotonic() - start, 1)
        self.progress(f"  done in {self.seconds[name]:.1f} s")


_STAGES = {
    "yosys": ("synthesising", "yosys.log"),
    "nextpnr-ice40": ("placing and routing", "nextpnr.log"),
    "icepack": ("packing", "icepack.log"),
}
LOGS = tuple(log for _, log in _STAGES.values())


def products(board: Board) -> list[Product]:
    """Return the files that a good build keeps, in the order in which they replace others."""
    return [
        Product(f"{_NAME}.bin", f"{board.name}.bin"),
        Product(f"{_NAME}.v", f"{board.name}.v"),
        Product(f"{_NAME}.pcf", f"{board.name}.pcf"),
        Product(PLACED, PLACED),
        Product("nextpnr.json", "nextpnr.json"),
        Product("yosys.log", "yosys.log"),
        Product("nextpnr.log", "nextpnr.log"),
        Product("report.json", "report.json"),  # last: it is there when all the others are
    ]


def _synthesis_options(board: Board) -> str:
    # -device u lets Yosys time with the UP5K's delays. No -dsp: nothing may become one.
    return "-device u" if "UP" in board.device else ""


def _check_room(folder: Path, stage: str, cause: Exception | None = None) -> None:
    """Refuse what a stage wrote to a full disk.

    Not every tool notices that it could not write all of it, and the next one may take what is
    there for the whole.
    """
    free = shutil.disk_usage(folder).free
    if free < _LEAST_ROOM:
        raise OSError(
            errno.ENOSPC,
            f"{os.strerror(errno.ENOSPC)}: {free // 1024} KiB are free after {stage}, and its "
            f"results are only trusted with {_LEAST_ROOM // 1024} KiB to spare",
            str(folder.parent),
        ) from cause


def check_output(output: Path, files: list[Product]) -> None:
    """See before the build that its results can be put where they shall go.

    Raises
    ------
    OSError
        Naming what stands against it.
    """
    check_folder(output)
    for file in files:
        if (output / file.kept).is_dir():
            raise IsADirectoryError(
                errno.EISDIR, "expected a file to replace, found a folder", str(output / file.kept)
            )


@contextlib.contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """Give a temporary folder on the output's own file system, so that renames are atomic."""
    folder = Path(tempfile.mkdtemp(prefix=".build-", dir=output))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, files: list[Product], output: Path) -> None:
    """Move results into the output, each by one rename, in the given order."""
    for file in files:
        os.replace(folder / file.made, output / file.kept)


def keep_failure(folder: Path, output: Path, message: str) -> Path:
    """Keep a failed build's logs and reports in ``output/failed``; return that folder."""
    failed = output / _FAILED
    shutil.rmtree(failed, ignore_errors=True)
    failed.mkdir(parents=True)
    for name in (*LOGS, "nextpnr.json", "report.json"):
        if (folder / name).exists():
            os.replace(folder / name, failed / name)
    write_whole(failed / "error.txt", message + "\n")
    return failed


def forget_failure(output: Path) -> None:
    """Remove what an earlier failed build left."""
    shutil.rmtree(output / _FAILED, ignore_errors=True)


def plan_digest(plan: BuildPlan) -> str:
    """Return a digest of everything that the tools are given."""
    return plan.digest(size=32).hex()


def file_digest(path: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_digest(root: Path, patterns: Sequence[str]) -> str:
    """Return a digest of source files: their names relative to the root, and their bytes."""
    digest = hashlib.sha256()
    for path in sorted({p for pattern in patterns for p in root.glob(pattern)}):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()
