"""Files that are whole or as they were before: written beside their place, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

__all__ = ["check_folder", "check_output", "replace_between", "write_whole"]


def write_whole(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file so that a full disk or a kill leaves the one before, or none.

    Parameters
    ----------
    path : path in a folder that is there
        What a link points to is written, and the link stays.
    data : bytes, or str to be written as UTF-8

    Raises
    ------
    OSError
        Naming `path`, when it cannot be written; nothing is left beside it then.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    _check_regular(Path(path))
    raw = data.encode() if isinstance(data, str) else data
    try:
        # In the same folder: only within a file system does a rename take the whole at once.
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())  # some file systems notice only now that they are full
            os.chmod(temporary, 0o644)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def replace_between(text: str, begin: str, end: str, part: str) -> str:
    """Return a document with what stands between two marks replaced.

    Raises
    ------
    ValueError
        If the document does not hold the two marks once each, in that order.
    """
    found = text.count(begin), text.count(end)
    if found != (1, 1) or text.index(begin) > text.index(end):
        raise ValueError(
            f"expected {begin!r} and after it {end!r}, once each, found {found[0]} and {found[1]}"
            + (", the end first" if found == (1, 1) else "")
        )
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n\n{part.strip()}\n\n{end}{after}"


def check_folder(folder: Path) -> None:
    """Make a folder for results and see that a file can be made in it, before work begins.

    Raises
    ------
    OSError
        Naming the folder, and what stands against it.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "expected a folder, found a file", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".writable-")
    except OSError as error:
        raise OSError(
            error.errno, f"no file can be made here: {error.strerror}", str(folder)
        ) from (error)
    os.close(handle)
    os.unlink(name)


def check_output(path: Path) -> None:
    """See that a file can be written, its folder made if need be, before work begins.

    Raises
    ------
    OSError
        Naming the folder or the file, and what stands against it.
    """
    check_folder(path.parent)
    _check_regular(path)


def _check_regular(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "expected a file, found a folder", str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "expected a file, found a device or a pipe", str(path))
