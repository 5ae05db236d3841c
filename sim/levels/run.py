"""Run the levels one after the other and compare each with the QAT module."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from hdl.boards import BoardError
from hdl.build import BuildError
from hdl.toolchain import ToolError
from models.network import Network
from sim.harness.build import BoardBuildError, find_verilator
from sim.levels.artefacts import Artefacts
from sim.levels.designs import DESIGNS, Design
from sim.levels.hardware import Board, HardwareError, hardware_traces, write_waves
from sim.levels.report import DIFFERENT, FAILED, SKIPPED, Row
from sim.levels.sequences import Sequences
from sim.levels.software import golden_traces, qat_traces
from sim.levels.traces import LevelError, Trace, Unavailable

LEVELS = ("qat", "golden", *DESIGNS)

#: Called with a level's name, how many traces there will be, and the traces; passes them on.
Progress = Callable[[str, int, Iterable[Trace]], Iterator[Trace]]


@dataclass
class Run:
    """Everything that the levels share.

    Attributes
    ----------
    network : Network
    sequences : Sequences
        As many as the level that takes most.
    counts : dict
        Sequences by level.
    build : callable
        Gives the build; called once, before the first hardware level.
    every_state : bool
        Read the hardware's state after every step, not after the last alone.
    waves : Path or None
        Where a mismatch's waveform goes.
    progress : Progress
    say : callable
        Takes lines for the person who waits.
    """

    network: Network
    sequences: Sequences
    counts: dict[str, int]
    build: Callable[[], Artefacts]
    every_state: bool
    waves: Path | None
    progress: Progress
    say: Callable[[str], None]
    artefacts: Artefacts | None = None
    designs: list[Design] = field(default_factory=list)
    _reference: list[Trace] = field(default_factory=list)
    _unbuilt: Exception | None = None

    def rows(self) -> list[Row]:
        """Run all levels that `counts` names, and the QAT module before them.

        Raises
        ------
        LevelError
            If the QAT module cannot be run; there is nothing to compare with then.
        """
        rows = [self._qat()]
        for level in LEVELS[1:]:
            if level in self.counts:
                rows.append(self._golden() if level == "golden" else self._hardware(level))
        return rows

    def _qat(self) -> Row:
        row = Row("qat", "")
        count = max(self.counts.values())
        x, lengths = self.sequences.x[:count], self.sequences.lengths[:count]
        with _timed(row):
            traces = self.progress("qat", count, qat_traces(self.network, x, lengths))
            self._reference = list(traces)
        row.simulator = f"PyTorch {version('torch').split('+')[0]}"
        for number, trace in enumerate(self._reference):
            row.tally.add("qat", self.network.spec.units, number, trace, trace)
        return row

    def _golden(self) -> Row:
        row = Row("golden", f"NumPy {version('numpy')}")
        count = self.counts["golden"]
        x, lengths = self.sequences.x[:count], self.sequences.lengths[:count]
        with _timed(row):
            self._compare(row, count, golden_traces(self.network, x, lengths))
        return row

    def _hardware(self, level: str) -> Row:
        row = Row(level, "")
        try:
            row.simulator = f"Verilator {_verilator()}"
            build = self._built()
            design = DESIGNS[level](build)
            self.designs.append(design)
            self._simulate(row, design, build)
        except (Unavailable, ToolError) as error:
            row.status, row.note = SKIPPED, str(error)
        except (LevelError, BoardError, BuildError, BoardBuildError, HardwareError) as error:
            row.status, row.note = FAILED, str(error)
        return row

    def _built(self) -> Artefacts:
        if self._unbuilt is not None:
            raise self._unbuilt
        if self.artefacts is None:
            try:
                self.artefacts = self.build()
            except (LevelError, BoardError, BuildError, ToolError) as error:
                self._unbuilt = error
                raise
        return self.artefacts

    def _simulate(self, row: Row, design: Design, build: Artefacts) -> None:
        count = self.counts[row.level]
        x, lengths = self.sequences.x[:count], self.sequences.lengths[:count]
        board = Board(design, build, self.network)
        try:
            with board, _timed(row):
                traces = hardware_traces(board, x, lengths, self.every_state)
                self._compare(row, count, traces)
        finally:
            row.cycles, row.cycles_per_second = board.cycles, board.cycles_per_second
        first = row.tally.first
        if first is not None and self.waves is not None:
            self.say(f"writing the waveform of step {first.step} to {self.waves} ...")
            part = x[first.sequence][: lengths[first.sequence]]
            again = write_waves(design, build, self.network, part, first, self.waves)
            seen = "the mismatch is in it" if again else "on a fresh board the step went right"
            step = f"sequence {first.sequence}, step {first.step}"
            row.note = f"waveform of {step}, in {self.waves} ({seen})"
            self.waves = None  # of the first level alone

    def _compare(self, row: Row, count: int, traces: Iterator[Trace]) -> None:
        units = self.network.spec.units
        for number, trace in enumerate(self.progress(row.level, count, traces)):
            row.tally.add(row.level, units, number, self._reference[number], trace)
            if row.tally.mismatches:
                row.status = DIFFERENT


def _verilator() -> str:
    try:
        return find_verilator().version
    except BoardBuildError as error:
        raise Unavailable(str(error)) from error


@contextmanager
def _timed(row: Row) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        row.seconds = round(time.monotonic() - start, 2)


def exit_status(rows: Sequence[Row], required: Iterable[str]) -> int:
    """Return 1 if any level differs or gives no answer, 3 if a required one was not run, or 0.

    One hardware level is required, if any was to be run.
    """
    if any(row.status in (DIFFERENT, FAILED) for row in rows):
        return 1
    needed = set(required)
    hardware = [row for row in rows if row.level in DESIGNS]
    if hardware and all(row.status == SKIPPED for row in hardware):
        return 3
    return 3 if any(row.status == SKIPPED and row.level in needed for row in rows) else 0
