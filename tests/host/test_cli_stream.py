"""`stream`: an answer for every step, in step with a pipe, and errors that name the line."""

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from host.cli import main
from host.device import Device
from models.file import save
from models.golden import GoldenModel
from models.random_networks import random_network
from tests.host.helpers import device_for

ROOT = Path(__file__).parent.parent.parent
#: What a process writes into a pipe is buffered, unless it says otherwise.
BUFFERED = os.environ | {"PYTHONUNBUFFERED": ""}
NETWORK = random_network(1, inputs=3, units=(6,))
INTEGERS = np.random.default_rng(0).integers(-127, 128, (40, 3))
FLOATS = np.random.default_rng(1).normal(0, 1, (40, 3))


@pytest.fixture
def file(tmp_path):
    save(NETWORK, tmp_path / "n.safetensors")
    return str(tmp_path / "n.safetensors")


def csv(rows):
    return "".join(",".join(map(str, row)) + "\n" for row in np.asarray(rows).tolist())


@pytest.fixture
def data(tmp_path):
    """A function that writes a data file, and returns its path."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, np.ndarray):
            np.save(path, content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def answer(capsys):
    """A function that runs `stream` and returns status, lines of answers, and messages."""

    def run(*arguments):
        status = main(["stream", *arguments])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    return run


def expected(x, network=NETWORK, every=None):
    """Labels and scores after each step, from the golden model one step at a time."""
    x = x if x.dtype.kind == "i" else network.normalisation.quantize(x, network.spec.hb)
    model = GoldenModel(network)
    state = model.initial_state(1)
    out = []
    for index, row in enumerate(x.astype(np.int8)):
        if every and index % every == 0:
            state = model.initial_state(1)
        logits, state = model.step(row[None], state)
        scores = state.scores[0] if network.spec.readout.mode == "sum" else logits[0]
        out.append((int(np.argmax(scores)), *map(int, scores)))
    return out


def answers(lines):
    """The labels and logits in CSV lines, whose header, numbers and cycles are checked."""
    head, *rows = ([*line.split(",")] for line in lines)
    assert head == ["step", "label", "cycles", "logit_0", "logit_1", "logit_2"]
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert all(int(row[2]) > 0 for row in rows)
    return [(int(row[1]), *map(int, row[3:])) for row in rows]


@pytest.mark.parametrize("x", [INTEGERS, FLOATS], ids=["integers", "floats"])
@pytest.mark.parametrize("form", ["csv", "npy"])
def test_every_step_is_answered_as_the_golden_model_does(file, data, answer, form, x):
    path = data(f"x.{form}", csv(x) if form == "csv" else x)
    status, lines, _ = answer(file, path)
    assert status == 0 and answers(lines) == expected(x)


def test_raw_bytes_are_integers(file, data, answer):
    path = data("x.bin", INTEGERS.astype(np.int8).tobytes())
    status, lines, _ = answer(file, path)
    assert status == 0 and answers(lines) == expected(INTEGERS)


def test_the_format_may_be_said(file, data, answer):
    path = data("x.csv", INTEGERS.astype(np.int8).tobytes())
    assert answers(answer(file, path, "--format", "raw")[1]) == expected(INTEGERS)


def test_the_format_must_be_known(file, data, answer):
    status, lines, message = answer(file, data("x.dat", ""))
    assert status == 2 and not lines and "expected a suffix that says the format" in message
    assert "found .dat" in message


@pytest.mark.parametrize("every", [7, 40])
@pytest.mark.parametrize("ahead", ["1", "32"])
def test_a_new_sequence_begins_every_n_steps(file, data, answer, every, ahead):
    path = data("x.csv", csv(INTEGERS))
    status, lines, _ = answer(file, path, "--reset-every", str(every), "--ahead", ahead)
    assert status == 0 and answers(lines) == expected(INTEGERS, every=every)
    assert every == 40 or answers(lines) != expected(INTEGERS)


def test_the_sequence_is_a_new_one_on_a_device_in_use(file, data, answer, kind, monkeypatch):
    device = device_for(kind, NETWORK)
    device.load(NETWORK)
    for row in FLOATS:
        device.step(row)
    monkeypatch.setattr(Device, "open", staticmethod(lambda where, **options: device))
    status, lines, _ = answer(file, data("x.csv", csv(INTEGERS)))
    assert status == 0 and answers(lines) == expected(INTEGERS)


def test_json_has_an_object_a_line(file, data, answer):
    status, lines, _ = answer(file, data("x.npy", INTEGERS), "--json")
    found = [json.loads(line) for line in lines]
    assert [(f["label"], *f["logits"]) for f in found] == expected(INTEGERS)
    assert found[4].keys() == {"step", "label", "cycles", "logits"} and found[4]["step"] == 5


def test_labels_alone(file, data, answer):
    path = data("x.npy", INTEGERS)
    _, lines, _ = answer(file, path, "--labels")
    assert lines[0] == "step,label,cycles"
    assert [int(line.split(",")[1]) for line in lines[1:]] == [e[0] for e in expected(INTEGERS)]
    assert json.loads(answer(file, path, "--labels", "--json")[1][0]).keys() == {
        "step",
        "label",
        "cycles",
    }


def test_a_network_of_values_gives_them(tmp_path, data, answer):
    network = random_network(2, inputs=3, units=(6,), outputs=2, target="value")
    save(network, tmp_path / "v.safetensors")
    arguments = [str(tmp_path / "v.safetensors"), data("x.npy", FLOATS)]
    _, lines, _ = answer(*arguments)
    assert lines[0] == "step,label,cycles,logit_0,logit_1,value_0,value_1"
    with Device.open("emulator", network=network) as device:
        wanted = device.step(FLOATS[0]).value
    assert [float(field) for field in lines[1].split(",")[5:]] == wanted.tolist()
    assert json.loads(answer(*arguments, "--json")[1][0])["values"] == wanted.tolist()
    status, lines, message = answer(*arguments, "--labels")
    assert status == 2 and not lines and "gives values, not labels" in message


@pytest.mark.parametrize(
    "bad, message",
    [
        ("1,2", "line 6: expected 3 numbers with commas between, found 2: '1,2'"),
        ("1,2,3,4", "line 6: expected 3 numbers with commas between, found 4: '1,2,3,4'"),
        ("1,two,3", "line 6: expected an integer from -127 to 127"),
        ("1,0.5,3", "a float there would be 0.0, not 0), found '0.5'"),
        ("1,128,3", "line 6: integer inputs must lie in [-127, 127], but x[1] is 128"),
        ("1,99999999999999999999,3", "line 6: expected an integer from -127 to 127"),
    ],
)
@pytest.mark.parametrize("ahead", ["1", "32"])
def test_a_bad_line_is_refused_after_the_answers_before_it(file, data, answer, ahead, bad, message):
    path = data("x.csv", csv(INTEGERS[:5]) + bad + "\n" + csv(INTEGERS[6:]))
    status, lines, found = answer(file, path, "--ahead", ahead)
    assert status == 2 and answers(lines) == expected(INTEGERS[:5])
    assert found.startswith("error: line 6: ") and message in found


@pytest.mark.parametrize(
    "bad, message",
    [
        ("0.5,x,1", "line 2: expected a number, found 'x'"),
        ("0.5,nan,1", "line 2: "),
        ("0.5,inf,1", "line 2: "),
    ],
)
def test_a_bad_float_is_refused(file, data, answer, bad, message):
    status, lines, found = answer(file, data("x.csv", csv(FLOATS[:1]) + bad + "\n"))
    assert status == 2 and len(lines) == 2 and message in found


def test_an_integer_among_floats_is_a_float(file, data, answer):
    path = data("x.csv", "0.5,0.5,0.5\n1,0,1\n")
    x = np.array([[0.5, 0.5, 0.5], [1, 0, 1]])
    assert answers(answer(file, path)[1]) == expected(x)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("x.raw", bytes(8), "error: step 3: expected 3 bytes, found 2 and the end"),
        ("x.raw", bytes([0, 0, 0, 0, 128, 0]), "error: step 2: integer inputs must lie in"),
        ("x.npy", b"no array", "error: expected an NPY file of numbers"),
        ("x.npy", b"", "error: expected an NPY file of numbers"),
        ("x.npy", np.zeros((4, 2)), "error: expected an array of shape [T, 3], found (4, 2)"),
        ("x.npy", np.zeros(3), "error: expected an array of shape [T, 3], found (3,)"),
        ("x.npy", np.array([["a", "b", "c"]]), "error: row 1: a step must be real numbers"),
        ("x.npy", np.full((1, 3), 128), "error: row 1: integer inputs must lie in"),
    ],
)
def test_bad_arrays_and_bytes_are_refused(file, data, answer, name, content, message):
    status, _, found = answer(file, data(name, content))
    assert status == 2 and found.startswith(message)


def test_an_archive_of_arrays_is_refused(file, tmp_path, answer):
    with open(tmp_path / "x.npy", "wb") as stream:
        np.savez(stream, x=INTEGERS)
    status, _, found = answer(file, str(tmp_path / "x.npy"))
    assert status == 2 and "found an archive of arrays" in found


def test_a_sum_ends_before_it_overflows_with_all_answers(tmp_path, data, answer):
    network = random_network(1, inputs=3, units=(6,), mode="sum")
    most = 9
    network = replace(network, spec=replace(network.spec, max_steps=most))
    save(network, tmp_path / "s.safetensors")
    arguments = [str(tmp_path / "s.safetensors"), data("x.npy", np.zeros((most + 1, 3), np.int8))]
    status, lines, found = answer(*arguments)
    assert status == 2 and len(lines) == 1 + most
    assert f"row {most + 1}: a sequence may have at most {most} steps" in found
    status, lines, found = answer(*arguments, "--reset-every", str(most + 1))
    assert status == 2 and not lines and f"--reset-every must be at most {most}" in found
    status, lines, _ = answer(*arguments, "--reset-every", str(most))
    assert status == 0 and len(lines) == 2 + most


def test_sums_are_those_so_far(tmp_path, data, answer):
    network = random_network(1, inputs=3, units=(6,), mode="sum")
    save(network, tmp_path / "s.safetensors")
    x = INTEGERS[: network.spec.max_steps]
    _, lines, _ = answer(str(tmp_path / "s.safetensors"), data("x.npy", x))
    assert answers(lines) == expected(x, network)


@pytest.mark.parametrize("option", ["--ahead", "--reset-every"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1000000001"])
def test_counts_must_be_positive(file, capsys, option, value):
    with pytest.raises(SystemExit) as ended:
        main(["stream", file, f"{option}={value}"])
    assert ended.value.code == 2
    assert f"expected an integer from 1 to 1000000000, found '{value}'" in capsys.readouterr().err


def test_a_byte_order_mark_and_blank_lines_are_passed_over(file, data, answer):
    marked = b"\xef\xbb\xbf\r\n" + csv(INTEGERS[:3]).replace("\n", "\r\n\r\n").encode()
    status, lines, _ = answer(file, data("x.csv", marked))
    assert status == 0 and answers(lines) == expected(INTEGERS[:3])
    status, lines, found = answer(file, data("x.csv", marked + b"1,2.5,3\n"))
    assert status == 2 and answers(lines) == expected(INTEGERS[:3])
    assert found.startswith("error: line 8: ") and "because line 2 has integers only" in found


@pytest.mark.parametrize("field", ["1_2", "\u0661", "1_2.0"])
def test_what_only_python_takes_for_a_number_is_refused(file, data, answer, field):
    status, lines, found = answer(file, data("x.csv", csv(INTEGERS[:1]) + f"{field},0,0\n"))
    assert status == 2 and len(lines) == 2 and "line 2: expected an integer" in found
    status, _, found = answer(file, data("x.csv", f"{field},0,0\n"))
    assert status == 2 and "line 1: expected a number" in found


@pytest.mark.parametrize(
    "shape", ["(9999999999999999,)", "(99999999999999999999999,)", "(1,", "(True,)", "(-3, 3)"]
)
def test_a_spoilt_npy_is_refused_whatever_numpy_raises(file, data, answer, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    status, _, found = answer(file, data("x.npy", raw))
    assert status == 2 and found.startswith("error: expected an ")


def test_no_steps_give_the_header_alone(file, data, answer):
    assert answer(file, data("x.csv", "")) == (0, ["step,label,cycles,logit_0,logit_1,logit_2"], "")


def test_absent_data_is_named(file, answer):
    status, lines, found = answer(file, "absent.csv")
    assert status == 2 and not lines and "absent.csv" in found


class Interrupted(io.BytesIO):
    """Standard input on which Ctrl-C comes where its bytes end."""

    def readline(self, *arguments):
        return self._or_interrupt(super().readline(*arguments))

    def __next__(self):
        return self._or_interrupt(super().readline())

    @staticmethod
    def _or_interrupt(data):
        if not data:
            raise KeyboardInterrupt
        return data


def test_ctrl_c_keeps_the_answers_so_far(file, answer, monkeypatch):
    stdin = SimpleNamespace(buffer=Interrupted(csv(INTEGERS[:4]).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    status, lines, message = answer(file)
    assert status == 130 and answers(lines) == expected(INTEGERS[:4])
    assert message == "interrupted\n"


@pytest.fixture
def start(file):
    """A function that starts `stream` in a process of its own, between pipes."""
    started = []

    def run(*options, before=""):
        # A process that a shell started in the background would ignore the interrupt.
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"{before}\n"
            "from host.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code, "stream", file, *options],
                cwd=ROOT,
                env=BUFFERED,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[0]

    yield run
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def process(start):
    return start()


def test_each_line_of_a_live_pipe_is_answered_at_once(process):
    lines = [process.stdout.readline()]
    for row in INTEGERS[:5]:
        process.stdin.write(csv([row]))
        process.stdin.flush()
        lines.append(process.stdout.readline())  # waits for ever if the answer waits for more
    assert answers(line.rstrip() for line in lines) == expected(INTEGERS[:5])
    process.stdin.close()
    assert process.wait() == 0 and process.stdout.read() == ""


def test_in_a_pipe_answers_come_as_soon_as_there_are_any(start):
    """With steps taken ahead as well."""
    process = start("--ahead=4")
    process.stdin.write(csv(INTEGERS[:12]))
    process.stdin.flush()
    lines = [process.stdout.readline().rstrip() for _ in range(1 + 12 - 3)]
    assert answers(lines) == expected(INTEGERS[:9])


def test_an_interrupt_while_waiting_for_a_line_is_exit_status_130(process):
    process.stdin.write(csv(INTEGERS[:1]))
    process.stdin.flush()
    head, first = process.stdout.readline(), process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == 130 and process.stderr.read() == "interrupted\n"
    assert answers([head.rstrip(), first.rstrip()]) == expected(INTEGERS[:1])


def test_a_reader_that_has_enough_ends_it_quietly(process):
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(csv(INTEGERS))
    process.stdin.close()
    assert process.wait() == 0 and process.stderr.read() == ""


def test_an_interrupt_counts_where_the_reader_is_gone_as_well(start, data):
    """The answers to a file are kept until there are many, so that this shows at the end only."""
    process = start(
        data("x.csv", ""),
        "--json",
        before="from contextlib import nullcontext\n"
        "from host.cli import stream\n"
        "def lines():\n"
        "    yield from sys.stdin.buffer\n"
        "    raise KeyboardInterrupt\n"
        "stream._open_data = lambda name: nullcontext(lines())",
    )
    process.stdout.close()
    process.stdin.write(csv(INTEGERS[:5]))
    process.stdin.close()
    assert process.wait() == 130 and process.stderr.read() == "interrupted\n"


def test_answers_stand_before_the_message(file, data):
    """In one place, as on a terminal, although only answers from a file are buffered."""
    done = subprocess.run(
        [sys.executable, "-m", "host", "stream", file, data("x.csv", csv(INTEGERS[:2]) + "bad\n")],
        cwd=ROOT,
        env=BUFFERED,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 2
    starts = [line.replace(":", ",").split(",")[0] for line in done.stdout.splitlines()]
    assert starts == ["step", "1", "2", "error"]
