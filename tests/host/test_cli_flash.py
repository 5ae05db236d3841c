"""`flash`: what a standalone board's flash holds, and the programs that write it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from host.cli import main
from host.errors import ProgrammerError
from host.flash import network_frames
from host.programmer import program
from models.file import save
from models.image import compile_image
from models.random_networks import random_network
from models.word_format import WordFormat
from tests.host.helpers import fake_device

ROOT = Path(__file__).parent.parent.parent
NETWORK = random_network(1, inputs=3, units=(6,))
OFFSET = 0x400
BITSTREAM = bytes(range(256)) * 2
FLASH = {
    "resource": "spi_flash_1x",
    "network_offset": OFFSET,
    "alarm": "led_r",
    "openfpgaloader": "some_board",
}


@pytest.fixture
def file(tmp_path):
    save(NETWORK, tmp_path / "n.safetensors")
    return str(tmp_path / "n.safetensors")


@pytest.fixture
def build(tmp_path):
    """A function that writes a build, and returns its folder."""

    def write(store=None, content=BITSTREAM, **changes):
        report = {
            "board": "icebreaker",
            "lanes": 16,
            "events": 2,
            "store": {"words": 512, "packed": False, "network": None, "preloaded": False},
            "flash": FLASH,
            "bitstream": "icebreaker.bin",
            "bitstream_sha256": hashlib.sha256(content).hexdigest(),
            "status": "ok",
        }
        report["store"].update(store or {})
        report.update(changes)
        folder = tmp_path / "build"
        folder.mkdir(exist_ok=True)
        (folder / "icebreaker.bin").write_bytes(content)
        (folder / "report.json").write_text(json.dumps(report))
        return str(folder)

    return write


PRELOADED = {"network": "random-1", "preloaded": True}


def flash(network=NETWORK, lanes=16, word_format=None):
    image = compile_image(network, lanes, word_format or WordFormat())
    return BITSTREAM + b"\xff" * (OFFSET - len(BITSTREAM)) + network_frames(image)


@pytest.fixture
def programmers(tmp_path, monkeypatch):
    """A function that puts programmers on PATH, and nothing else.

    They record their arguments, copy the file that is the last of them, and do what they are told.
    """
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    arguments, written = tmp_path / "arguments", tmp_path / "written"

    def put(*names, then=""):
        for name in names:
            program = folder / name
            program.write_text(
                f"#!{sys.executable}\n"
                "import json, os, shutil, signal, sys\n"
                f"json.dump([{name!r}, *sys.argv[1:]], open({str(arguments)!r}, 'w'))\n"
                f"shutil.copy(sys.argv[-1], {str(written)!r})\n"
                f"{then}\n"
            )
            program.chmod(0o755)

    put.arguments = lambda: json.loads(arguments.read_text())
    put.written = written.read_bytes
    put.ran = arguments.exists
    return put


@pytest.mark.parametrize("lanes, events, packed", [(16, 2, False), (20, 2, True), (16, 1, False)])
def test_the_file_is_bitstream_and_network(file, build, tmp_path, capsys, lanes, events, packed):
    folder = build(lanes=lanes, events=events, store={"packed": packed})
    output = tmp_path / "new" / "flash.bin"
    assert main(["flash", file, "--build", folder, "--output", str(output)]) == 0
    wanted = flash(lanes=lanes, word_format=WordFormat(events, packed))
    assert output.read_bytes() == wanted
    assert capsys.readouterr().out == (
        "board    icebreaker\n"
        "network  random-1, at 0x400\n"
        f"size     {len(wanted)} bytes\n"
        f"written  {output}\n"
    )


def test_a_device_that_reads_the_file_has_the_network(file, build, tmp_path):
    output = tmp_path / "flash.bin"
    assert main(["flash", file, "--build", build(), "--output", str(output)]) == 0
    *frames, end = output.read_bytes()[OFFSET:]
    device = fake_device(NETWORK)
    for byte in frames:
        device.feed(bytes([byte]))
        device.take(1)
    assert device.network is NETWORK and device.link_errors == 0 and end == 0xFF


def test_openfpgaloader_gets_the_boards_name(file, build, programmers, capsys):
    programmers("iceprog", "openFPGALoader")
    assert main(["flash", file, "--build", build()]) == 0
    name, *options, path = programmers.arguments()
    assert [name, *options] == ["openFPGALoader", "-b", "some_board", "-f"]
    assert programmers.written() == flash() and not os.path.exists(path)
    assert "written  to the flash, by openFPGALoader\n" in capsys.readouterr().out


@pytest.mark.parametrize("there, choice", [(["iceprog"], []), (None, ["--programmer", "iceprog"])])
def test_iceprog_gets_the_file_alone(file, build, programmers, there, choice):
    programmers(*(there or ["iceprog", "openFPGALoader"]))
    assert main(["flash", file, "--build", build(), *choice]) == 0
    name, *rest = programmers.arguments()
    assert name == "iceprog" and len(rest) == 1 and programmers.written() == flash()


def test_json_says_what_was_written(file, build, programmers, capsys):
    programmers("iceprog", then="print('cdone: high')")
    assert main(["flash", file, "--build", build(), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "board": "icebreaker",
        "network": "random-1",
        "network_offset": OFFSET,
        "bytes": len(flash()),
        "written": "to the flash, by iceprog",
    }
    assert captured.err == "cdone: high\n"


def test_a_preloaded_bitstream_is_written_alone(file, build, programmers, capsys):
    programmers("iceprog")
    folder = build(store=PRELOADED)
    for named in ([], [file]):
        assert main(["flash", *named, "--build", folder]) == 0
        assert programmers.written() == BITSTREAM
        assert "network  random-1, in the bitstream\n" in capsys.readouterr().out


def test_another_network_than_the_preloaded_one_is_refused(file, build, programmers, capsys):
    programmers("iceprog")
    folder = build(store=PRELOADED | {"network": "digits"})
    assert main(["flash", file, "--build", folder]) == 2
    message = capsys.readouterr().err
    assert "expected 'digits', or none to be named, found 'random-1'" in message
    assert not programmers.ran()


def test_an_empty_engine_needs_a_network(build, capsys):
    assert main(["flash", "--build", build()]) == 2
    assert "starts empty: expected a network file, found none" in capsys.readouterr().err


def test_a_network_that_does_not_fit_is_refused(file, build, programmers, capsys):
    programmers("iceprog")
    assert main(["flash", file, "--build", build(store={"words": 20})]) == 3
    assert "words of weight store (there are 20)" in capsys.readouterr().err
    assert not programmers.ran()


def test_a_bitstream_must_end_before_the_network(file, build, tmp_path, capsys):
    folder = build(content=bytes(OFFSET + 1))
    assert main(["flash", file, "--build", folder, "--output", str(tmp_path / "o")]) == 2
    assert f"the bitstream has {OFFSET + 1} bytes" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"status": "failed"}, "expected a build with status 'ok', found 'failed'"),
        ({"flash": None}, "expected what the board's flash is, found none"),
        ({"flash": FLASH | {"network_offset": "0"}}, "flash.network_offset as int, found '0'"),
        ({"lanes": None}, "expected lanes as int, found None"),
        ({"store": {"packed": 0}}, "expected store.packed as bool, found 0"),
        ({"store": {"preloaded": True}}, "expected store.network as str, found None"),
        ({"bitstream": "absent.bin"}, "absent.bin: cannot be read: No such file"),
        ({"bitstream_sha256": "00"}, "expected the bitstream of report.json, SHA-256 00, found "),
        ({"events": 3}, "'events' must be 1 or 2 a cycle, not 3"),
    ],
)
def test_a_report_that_says_something_else_is_refused(file, build, capsys, changes, message):
    assert main(["flash", file, "--build", build(**changes)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text, found", [("{", "in JSON"), ("[]", "expected status as str")])
def test_a_report_must_be_one(file, build, tmp_path, capsys, text, found):
    folder = build()
    (tmp_path / "build" / "report.json").write_text(text)
    assert main(["flash", file, "--build", folder]) == 2
    assert found in capsys.readouterr().err


def test_an_absent_build_is_named_with_how_to_make_one(file, tmp_path, capsys):
    assert main(["flash", file, "--build", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'none' / 'report.json'}: cannot be read: No such file or directory "
        "(python -m hdl.build makes a build)\n"
    )


def test_no_programmer_is_said_with_how_to_get_one(file, build, programmers, capsys):
    assert main(["flash", file, "--build", build()]) == 3
    message = capsys.readouterr().err
    assert "expected openFPGALoader or iceprog on PATH, found none" in message
    assert "apt-get install openfpgaloader or apt-get install fpga-icestorm" in message
    assert "--output FILE" in message


def test_the_programmer_asked_for_must_be_there(file, build, programmers, capsys):
    programmers("iceprog")
    assert main(["flash", file, "--build", build(), "--programmer", "openFPGALoader"]) == 3
    assert "expected openFPGALoader on PATH, found none" in capsys.readouterr().err
    assert not programmers.ran()


def test_a_programmer_that_fails_is_quoted(file, build, programmers, capsys):
    programmers("iceprog", then="print(*range(9), 'no board', sep='\\n'); sys.exit(7)")
    assert main(["flash", file, "--build", build()]) == 3
    captured = capsys.readouterr()
    assert not captured.out and captured.err.endswith(
        "error: iceprog ended with status 7; the flash may be half-written. Its last words:\n"
        "  5\n  6\n  7\n  8\n  no board\n"
    )


def test_a_silent_failure_is_a_failure(file, build, programmers, capsys):
    programmers("iceprog", then="os.kill(os.getpid(), signal.SIGKILL)")
    assert main(["flash", file, "--build", build()]) == 3
    assert "ended with status -9" in capsys.readouterr().err


def interrupt(text):
    raise KeyboardInterrupt


def test_ctrl_c_says_that_the_flash_may_be_half_written(
    file, build, programmers, capsys, monkeypatch
):
    programmers("iceprog", then="print('erasing', flush=True); signal.pause()")
    monkeypatch.setattr("host.cli.flash._show", interrupt)
    assert main(["flash", file, "--build", build()]) == 130
    assert "interrupted: the flash may be half-written" in capsys.readouterr().err


@pytest.mark.parametrize("errors", ["closed", "full"])
@pytest.mark.parametrize("buffered", ["", "1"])
def test_the_flash_is_whole_though_nobody_reads_what_is_said(
    file, build, programmers, tmp_path, errors, buffered
):
    words = "for n in range(9): print('writing', n, flush=True); time.sleep(0.01)"
    whole = tmp_path / "whole"
    programmers("iceprog", then=f"import time\n{words}\nopen({str(whole)!r}, 'w')")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") if errors == "closed" else open("/dev/full", "w") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "host", "flash", file, "--build", build(), "--json"],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": buffered},
            stdout=subprocess.PIPE,
            stderr=stream,
        )
    assert done.returncode == 0 and json.loads(done.stdout)["written"]
    assert whole.exists(), "the programmer was not ended before it was done"


def test_an_interrupted_programmer_is_ended(tmp_path):
    code = f"""
import os, signal, sys
def ended(*_):
    open({str(tmp_path / "ended")!r}, "w").close()
    os._exit(1)
signal.signal(signal.SIGTERM, ended)
print("erasing", flush=True)
signal.pause()
"""
    with pytest.raises(KeyboardInterrupt):
        program([sys.executable, "-c", code], interrupt)
    assert (tmp_path / "ended").exists()


def test_output_comes_as_it_is_written():
    code = "print('a\\rb', end='', flush=True); import sys; sys.stderr.write('c'); sys.exit(0)"
    shown = []
    program([sys.executable, "-c", code], shown.append)
    assert "".join(shown) == "a\rbc"


def test_a_program_that_fails_silently_says_so():
    with pytest.raises(ProgrammerError, match="status 3; .* Its last words: nothing"):
        program([sys.executable, "-c", "raise SystemExit(3)"], print)


def test_file_and_programmer_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["flash", "--output", "x", "--programmer", "iceprog"])
    assert ended.value.code == 2 and "not allowed with" in capsys.readouterr().err
