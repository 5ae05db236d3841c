"""Files are whole or as they were before, also on a full disk and when the writer is killed."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from models.writing import check_folder, check_output, write_whole


def test_text_and_bytes_replace_what_was_there(tmp_path):
    for data, wanted in (("one\u00b5\n", b"one\xc2\xb5\n"), (b"two", b"two")):
        write_whole(tmp_path / "f", data)
        assert (tmp_path / "f").read_bytes() == wanted
    assert os.listdir(tmp_path) == ["f"]


_WRITE = """
import resource, sys
from models.writing import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole("f", b"x" * 100_000)
except OSError as error:
    sys.exit(str(error))
"""


#: Without what would make a measurement of coverage write a file of its own.
_quiet = {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def test_a_file_that_cannot_be_written_to_its_end_leaves_the_one_before(tmp_path):
    (tmp_path / "f").write_text("before")
    done = subprocess.run(
        [sys.executable, "-c", _WRITE],
        cwd=tmp_path,
        env={**_quiet, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    assert done.stderr == f"[Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}: 'f'\n"
    assert (tmp_path / "f").read_text() == "before"
    assert os.listdir(tmp_path) == ["f"]


def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "target").write_text("before")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "to").symlink_to("../new")
    for link, place in (("link", "target"), ("folder/to", "new")):
        check_output(tmp_path / link)
        write_whole(tmp_path / link, "after")
        assert (tmp_path / link).is_symlink() and (tmp_path / place).read_text() == "after"
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "new", "target"]


def test_a_pipe_or_a_device_is_refused_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        for refused in (check_output, lambda path: write_whole(path, "x")):
            with pytest.raises(OSError, match=f"found a device or a pipe: .*{name}"):
                refused(tmp_path / name)
        assert (tmp_path / name).exists() and not (tmp_path / name).is_file()
    assert sorted(os.listdir(tmp_path)) == ["null", "pipe"]


_KILLED = """
import os, signal
import models.writing
models.writing.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
models.writing.write_whole("f", b"x" * 100_000)
"""


def test_a_writer_that_is_killed_leaves_the_file_before(tmp_path):
    (tmp_path / "f").write_text("before")
    done = subprocess.run(
        [sys.executable, "-c", _KILLED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "f").read_text() == "before"


def test_a_folder_that_is_not_there_is_named_by_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none/f'"):
        write_whole(tmp_path / "none" / "f", "")


def test_a_folder_is_made_and_left_empty(tmp_path):
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(NotADirectoryError, match="expected a folder, found a file: .*f'"):
        check_folder(tmp_path / "f")
    with pytest.raises(NotADirectoryError):
        check_folder(tmp_path / "f" / "g")


def test_a_folder_that_takes_no_files_is_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "something else")

    monkeypatch.setattr("models.writing.tempfile.mkstemp", refuse)
    with pytest.raises(OSError, match=f"no file can be made here: Read-only.*{tmp_path.name}'"):
        check_folder(tmp_path)


def test_the_place_of_a_file_is_tried_and_its_folder_made(tmp_path):
    output = tmp_path / "new" / "figures.json"
    check_output(output)
    assert list(tmp_path.iterdir()) == [output.parent] and not list(output.parent.iterdir())
    output.write_text("earlier")
    check_output(output)
    assert output.read_text() == "earlier"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    with pytest.raises(IsADirectoryError, match=f"expected a file, found a folder: '{tmp_path}'"):
        check_output(tmp_path)
