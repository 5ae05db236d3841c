"""`python -m sim.mutation`: apply small faults to the gateware and see which test notices each.

Each fault of `sim/mutation/faults.py`, which joins two tables, goes, alone, into a copy of the
repository, and the tests that look at its file run there until one fails. A fault that no test
notices is a hole in the tests, unless the table says why it is none. The result is
`docs/mutants.md`.

    python -m sim.mutation                       # all faults, two at a time; about an hour
    python -m sim.mutation --continue            # with the results that a stopped run has left
    python -m sim.mutation --only walker gate    # those with these words in their name or file
    python -m sim.mutation --list
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from hdl.flow import source_digest
from models.writing import check_output, write_whole
from sim.mutation.faults import FAULTS, Fault
from sim.runner import cache_folder

ROOT = Path(__file__).resolve().parent.parent.parent

#: What a copy needs. Everything else of the repository is not looked at by these tests.
_COPIED = ("bench", "constraints", "docs", "examples", "hdl", "host", "models", "scripts", "sim",
           "tests", "pyproject.toml", "README.md")  # fmt: skip

#: Tests by the fault's file, the quickest first. Tests that themselves change the sources' text
#: are left out: they would fail because they do not find it.
_CORE = (
    "tests/hdl/core/test_order_rules.py::test_unchanged_engine_keeps_the_rules",
    "tests/hdl/core/test_metamorphic.py",
    "tests/hdl/core/test_engine.py",
    "sim/test_blocks.py",
    "sim/test_gate.py",
    "sim/test_engine_formats.py",
    "sim/test_engine.py",
    "sim/test_engine_state.py",
    "sim/test_system.py",
)
_LINK = (
    "tests/hdl/link",
    "sim/test_link.py",
    "sim/test_link_uart.py",
    "sim/test_system.py",
    "sim/test_flash.py",
    "tests/host/test_board.py",
)
_FIRST = {
    "unpack": "tests/hdl/core/test_unpack.py",
    "one_event_walker": "tests/hdl/core/test_one_event_walker.py",
    "readout": "tests/hdl/core/test_readout.py",
    "tally": "tests/hdl/core/test_tally.py",
    "uart": "tests/hdl/link/test_uart.py",
    "cobs": "tests/hdl/link/test_cobs.py",
    "receiver": "tests/hdl/link/test_receiver.py",
    "transmitter": "tests/hdl/link/test_transmitter.py",
    "commands": "tests/hdl/link/test_commands.py",
    "control": "tests/hdl/link/test_commands.py",
    "registers": "tests/hdl/link/test_commands.py",
    "fields": "tests/hdl/link/test_commands.py",
    "flash": "tests/hdl/link/test_flash.py",
    "link": "tests/hdl/link/test_flash.py",
}

#: Seconds after which a test run counts as hung, and the fault as noticed.
_PATIENCE = 1200

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: the test that noticed it, or "" if none did; and the seconds."""

    fault: Fault
    noticed_by: str
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it is as it should be: noticed, or known to change nothing."""
        return bool(self.noticed_by) != bool(self.fault.equivalent)


def tests_for(file: str) -> list[str]:
    """Return the tests to run for a fault in `file`, in order."""
    first = _FIRST.get(Path(file).stem)
    rest = _LINK if file.startswith("hdl/link/") else _CORE
    return [*([first] if first else []), *rest]


def apply(fault: Fault, root: Path) -> str:
    """Put a fault into the tree below `root`; return the text that was there.

    Raises
    ------
    ValueError
        If the text to replace does not occur exactly once: the table is out of date.
    """
    path = root / fault.file
    text = path.read_text(encoding="utf-8")
    if (count := text.count(fault.old)) != 1:
        raise ValueError(
            f"fault {fault.name!r}: expected this text once in {fault.file}, found it {count} "
            f"times: {fault.old!r}"
        )
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    return text


def copy_tree(to: Path) -> None:
    """Copy what the tests need."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=ignore)
        else:
            shutil.copy2(source, to / name)


def run_tests(tests: Sequence[str], root: Path) -> str:
    """Run tests in the tree below `root` until one fails; return its name, or "".

    Raises
    ------
    RuntimeError
        If pytest itself was stopped or found nothing to run: that says nothing about a fault.
    """
    environment = dict(os.environ, PYTHONPATH=str(root), PYTHONDONTWRITEBYTECODE="1")
    environment.setdefault("ADDGATE_CACHE", str(cache_folder().parent))
    for test in tests:
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider",
            "--tb=no", "-p", "sim.mutation.first_failure", test,
        ]  # fmt: skip
        if test.startswith("sim/"):
            command += ["--sim", "verilator"]
        try:
            done = subprocess.run(
                command, cwd=root, env=environment, capture_output=True, text=True,
                timeout=_PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"{test} (no end)"
        if done.returncode == 1:
            found = _FAILED.search(done.stdout)
            return found.group(1) if found else test
        if done.returncode == 2 and _FAILED.search(done.stdout):
            # The fault breaks an import.
            return f"{test} (cannot be collected)"
        if done.returncode:
            raise RuntimeError(
                f"pytest {test} ended with status {done.returncode}, expected 0 or 1: "
                f"{(done.stdout + done.stderr).strip()[-300:]}"
            )
    return ""


class _Trees:
    """Copies of the repository, one for each worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._local = threading.local()
        self._lock = threading.Lock()
        self._count = 0

    def mine(self) -> Path:
        """Return this worker's copy."""
        tree: Path | None = getattr(self._local, "tree", None)
        if tree is None:
            with self._lock:
                self._count += 1
                tree = self._folder / f"tree{self._count}"
            copy_tree(tree)
            self._local.tree = tree
        return tree


def try_fault(fault: Fault, root: Path) -> Outcome:
    """Apply a fault below `root`, run its tests, and take it back."""
    begin = time.monotonic()
    text = apply(fault, root)
    try:
        noticed_by = run_tests(tests_for(fault.file), root)
    finally:
        (root / fault.file).write_text(text, encoding="utf-8")
    return Outcome(fault, noticed_by, time.monotonic() - begin)


def _read_record(path: Path) -> tuple[str, dict[str, tuple[str, float]]]:
    """Return a record's digest of the sources, and its results by fault: test, seconds."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        sources, results = kept["sources"], {}
        for name, (noticed_by, seconds) in kept["results"].items():
            if not isinstance(noticed_by, str):
                raise ValueError(f"{noticed_by!r} as the test that noticed {name!r}")
            results[name] = (noticed_by, float(seconds))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected the results of an earlier run, found {error!r}; delete the file, or "
            "run without --continue (all faults are tried again then)"
        ) from error
    return sources, results


class Record:
    """Results of earlier runs on the same sources, kept as they come.

    Parameters
    ----------
    path : Path
        A JSON file; it need not be there.
    keep : bool
        Whether what it holds is taken over, if it was made of the same sources.

    Raises
    ------
    ValueError
        If it is to be taken over, and is no record.
    """

    def __init__(self, path: Path, keep: bool) -> None:
        self._path = path
        self._sources = source_digest(ROOT, [f"{name}/**/*.py" for name in _COPIED])
        self._lock = threading.Lock()
        self._results: dict[str, tuple[str, float]] = {}
        if keep and path.exists():
            sources, results = _read_record(path)
            if sources == self._sources:
                self._results = results

    def find(self, fault: Fault) -> Outcome | None:
        """Return a fault's outcome, if it is known."""
        found = self._results.get(fault.name)
        return Outcome(fault, *found) if found else None

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        with self._lock:
            self._results[outcome.fault.name] = (outcome.noticed_by, outcome.seconds)
            text = json.dumps({"sources": self._sources, "results": self._results}, indent=1)
            write_whole(self._path, text)


def _in_own_tree(fault: Fault, trees: _Trees, record: Record) -> Outcome:
    outcome = record.find(fault)
    if outcome is None:
        outcome = try_fault(fault, trees.mine())
        record.add(outcome)
    return outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the result as Markdown."""
    noticed = sum(bool(outcome.noticed_by) for outcome in outcomes)
    lines = [
        "# Faults in the gateware, and the test that notices each",
        "",
        "Made by `python -m sim.mutation` (see [verification.md](verification.md)); the faults",
        "are in `sim/mutation/faults.py`. Each was applied alone; the test named is the first of",
        "those looking at its file that failed.",
        "",
        f"{len(outcomes)} faults: {noticed} noticed, "
        f"{sum(o.right and not o.noticed_by for o in outcomes)} known to change nothing, "
        f"{sum(not o.right for o in outcomes)} open.",
        "",
        "| fault | file | noticed by |",
        "|---|---|---|",
    ]
    for outcome in outcomes:
        result = outcome.noticed_by.replace("|", "\\|") or (
            f"no test can: {outcome.fault.equivalent}"
            if outcome.fault.equivalent
            else "**nothing**"
        )
        if outcome.noticed_by:
            result = f"`{result}`"
            if outcome.fault.equivalent:
                result += f" **though**: {outcome.fault.equivalent}"
        lines.append(f"| {outcome.fault.name} | `{outcome.fault.file}` | {result} |")
    return "\n".join(lines) + "\n"


def _chosen(words: Sequence[str]) -> list[Fault]:
    if not words:
        return list(FAULTS)
    chosen = [f for f in FAULTS if any(word in f.name or word in f.file for word in words)]
    if not chosen:
        sys.exit(f"no fault has {' or '.join(map(repr, words))} in its name or file; see --list")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 if a fault is open, 2 on an error."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="faults with WORD")
    parser.add_argument(
        "--continue", dest="proceed", action="store_true",
        help="keep the results of an earlier run on the same sources",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="at a time (2)")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument(
        "--output", type=Path, metavar="FILE",
        help="the table (docs/mutants.md; with --only, no file)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    faults = _chosen(options.only)
    if options.list:
        for fault in faults:
            print(f"{fault.file:28} {fault.name}")
        return 0
    if options.jobs < 1:
        parser.error(f"--jobs must be at least 1, not {options.jobs}")

    output = options.output or (None if options.only else ROOT / "docs" / "mutants.md")
    path = cache_folder() / "mutation.json"
    try:
        # Not after the hour of work.
        check_output(path)
        if output is not None:
            check_output(output)
        record = Record(path, options.proceed)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="addgate-mutation-") as folder:
        trees = _Trees(Path(folder))
        open_faults = [fault for fault in faults if record.find(fault) is None]
        tests = list(dict.fromkeys(test for f in open_faults for test in tests_for(f.file)))
        print("without a fault ...", flush=True)
        if failed := run_tests(tests, trees.mine()):
            print(f"{failed} fails without any fault, so nothing can be learnt", file=sys.stderr)
            return 2
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            running = [pool.submit(_in_own_tree, fault, trees, record) for fault in faults]
            with tqdm(total=len(faults), unit="fault") as bar:
                for done in concurrent.futures.as_completed(running):
                    outcome = done.result()
                    bar.update()
                    if not outcome.right:
                        bar.write(f"OPEN  {outcome.fault.file}: {outcome.fault.name}")
        outcomes = [future.result() for future in running]

    text = table(outcomes)
    if output is None:
        print(text)
    else:
        write_whole(output, text)
        print(f"{output}: {sum(o.right for o in outcomes)} of {len(outcomes)} as they should be")
    return 0 if all(outcome.right for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
