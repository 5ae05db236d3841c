"""The programs that write a board's flash over USB: openFPGALoader and iceprog."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from host.errors import ProgrammerError

#: The programmers, the preferred one first, and the Debian packages they are in.
_PACKAGES = {"openFPGALoader": "openfpgaloader", "iceprog": "fpga-icestorm"}
PROGRAMMERS = tuple(_PACKAGES)

#: Of a programmer's output: bytes to read at once, bytes to keep, and lines to show if it fails.
_PIECE, _KEPT, _LINES = 4096, 8192, 5


def find_programmer(wanted: str | None = None) -> str:
    """Return the wanted programmer, or the first of `PROGRAMMERS` that is there.

    Raises
    ------
    ProgrammerError
        If it is not on PATH, saying how to get it.
    """
    names = PROGRAMMERS if wanted is None else (wanted,)
    for name in names:
        if shutil.which(name) is not None:
            return name
    packages = " or ".join(f"apt-get install {_PACKAGES[name]}" for name in names)
    raise ProgrammerError(
        f"expected {' or '.join(names)} on PATH, found none; on Debian: {packages}. "
        "With --output FILE the flash's contents go to a file instead"
    )


def programmer_command(programmer: str, openfpgaloader: str, file: Path) -> list[str]:
    """Return the command line that writes a file to the flash from address 0.

    Parameters
    ----------
    programmer : str
        One of `PROGRAMMERS`.
    openfpgaloader : str
        The board's name for openFPGALoader.
    file : Path
    """
    if programmer == "openFPGALoader":
        return [programmer, "-b", openfpgaloader, "-f", str(file)]
    return [programmer, str(file)]


def program(command: list[str], show: Callable[[str], object]) -> None:
    """Run a programmer to its end; interrupted, it is ended as well.

    Parameters
    ----------
    command : list of str
    show : callable
        Takes its output, errors included, as it comes.

    Raises
    ------
    ProgrammerError
        With its exit status and last lines, if it fails.
    """
    kept = b""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        try:
            while piece := os.read(process.stdout.fileno(), _PIECE):
                kept = (kept + piece)[-_KEPT:]
                show(piece.decode(errors="replace"))
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        lines = [line for line in kept.decode(errors="replace").splitlines() if line.strip()]
        said = "".join(f"\n  {line}" for line in lines[-_LINES:]) or " nothing"
        raise ProgrammerError(
            f"{command[0]} ended with status {process.returncode}; the flash may be half-written. "
            f"Its last words:{said}"
        )
