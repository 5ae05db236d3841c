"""Training and evaluation from the command line, in short forms (long ones: bench.training)."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models import evaluate as evaluation
from models import recipes
from models import train as training
from models.file import load
from models.random_networks import random_network
from models.tasks import digits, named
from models.tasks.data import Part, TaskError
from models.training import batches, measure

torch.set_num_threads(1)
ZOO = str(Path(training.__file__).parent / "zoo" / "digits.safetensors")


def test_digits_train_from_the_command_line(tmp_path, capsys):
    output = tmp_path / "new" / "d.safetensors"
    arguments = ["digits", "--epochs", "6", "--units", "32", "--learning-rate", "0.01"]
    assert training.main([*arguments, "--seed", "3", "--output", str(output)]) == 0
    shown = capsys.readouterr()
    assert "bit for bit" in shown.out and "6/6" in shown.err  # the progress bar
    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["test"]["integer"] == metrics["test"]["qat"] > 0.65
    assert metrics["test"]["before_export"] == metrics["test"]["integer"]
    assert metrics["test"]["sequences"] == 450 and metrics["seed"] == 3
    assert len(metrics["history"]["loss"]) == 6
    (parities,) = metrics["parities"]["layers"]
    assert parities["apart"]["after"] < 0.1 and metrics["parities"]["steps"] == 1144 * 8
    assert parities["cost"]["after"] < parities["cost"]["before"]
    assert "parities " in shown.out and "(as they come " in shown.out
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in output.parent.iterdir()) == [
        "d.metrics.json",
        "d.png",
        "d.safetensors",
    ]
    network = load(output)
    assert network.reordered
    assert (network.spec.name, network.spec.task, network.spec.units) == ("digits", "digits", (32,))
    assert network.spec.labels == tuple("0123456789")

    assert evaluation.main([str(output), "digits", "--json", str(tmp_path / "e.json")]) == 0
    assert "agree              yes, bit for bit" in capsys.readouterr().out
    assert json.loads((tmp_path / "e.json").read_text())["integer"] == metrics["test"]["integer"]


@pytest.mark.parametrize("more", [[], ["--keep", "last", "--train-on", "all"]])
def test_the_same_seed_trains_the_same_bytes(tmp_path, more):
    files = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for file, seed in zip(files, "001", strict=True):
        options = ["--epochs", "1", "--units", "8", "--seed", seed, "--output", str(file)]
        assert training.main(["digits", *options, *more]) == 0
    a, b, c = (file.read_bytes() for file in files)
    assert a == b != c


def pictures(part):
    """Each picture with its label, as bytes."""
    return {x.tobytes() + y.tobytes() for x, y in zip(part.x, np.asarray(part.y), strict=True)}


def test_train_on_all_uses_every_digit_but_the_test_ones(tmp_path, capsys, monkeypatch):
    trained, measured = [], []

    def watched_batches(part, *arguments):
        trained.append(part)
        return batches(part, *arguments)

    def watched_measure(module, part, *arguments, **options):
        measured.append(part)
        return measure(module, part, *arguments, **options)

    monkeypatch.setattr(recipes, "batches", watched_batches)
    monkeypatch.setattr("models.training.measure", watched_measure)
    output = tmp_path / "d.safetensors"
    options = ["--epochs", "2", "--units", "8", "--keep", "last", "--output", str(output)]
    assert training.main(["digits", *options, "--train-on", "all"]) == 0
    assert not measured  # nothing is validated in training
    assert "validation" not in capsys.readouterr().err

    task = digits.load()
    assert [len(part) for part in trained] == [1347, 1347]
    seen = pictures(trained[0])
    assert pictures(task.train) | pictures(task.validation) == seen
    assert not pictures(task.test) & seen

    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["sequences"] == {"train": 1347, "validation": 0, "test": 450}
    assert metrics["validation"] is None
    assert metrics["history"]["validation"] == metrics["history"]["validation_loss"] == []
    assert len(metrics["history"]["loss"]) == 2 and metrics["best_epoch"] == 1
    assert metrics["iterations_per_epoch"] == 22 and metrics["test"]["sequences"] == 450
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    other = tmp_path / "t.safetensors"
    assert training.main(["digits", *options[:-1], str(other)]) == 0
    assert other.read_bytes() != output.read_bytes()
    assert json.loads(other.with_suffix(".metrics.json").read_text())["validation"] > 0


def test_train_on_all_values_needs_no_validation(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "v.npz", x=rng.normal(size=(40, 3, 2)), y=rng.normal(size=40))
    output = tmp_path / "v.safetensors"
    data = ["--data", str(tmp_path / "v.npz"), "--output", str(output), "--units", "4"]
    assert training.main([*data, "--epochs", "2", "--keep", "last", "--train-on", "all"]) == 0
    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["sequences"] == {"train": 34, "validation": 0, "test": 6}
    assert metrics["validation"] is None


@pytest.mark.parametrize("mode", ["last", "sum", "every"])
def test_own_classes_train_in_every_mode(tmp_path, capsys, mode):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 150)
    x = rng.normal(size=(150, 7, 4)) * 20 + 100
    x[..., 0] += 60 * (y[:, None] - 1)
    lengths = rng.integers(2, 8, 150)
    np.savez(tmp_path / "mine.npz", x=x, y=y, lengths=lengths)
    output = tmp_path / "mine.safetensors"
    options = ["--units", "12", "10", "--hb", "6", "--theta", "1", "3", "--epochs", "12"]
    data = ["--data", str(tmp_path / "mine.npz"), "--output", str(output), "--mode", mode]
    assert training.main([*data, *options, "--batch", "8", "--learning-rate", "0.01"]) == 0
    network = load(output)
    assert network.spec.readout.mode == mode
    assert [layer.theta for layer in network.spec.layers] == [1, 3]
    assert 90 < network.normalisation.mean[1] < 110
    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["test"]["integer"] > 0.8 and metrics["test"]["agree"]
    capsys.readouterr()
    assert evaluation.main([str(output), str(tmp_path / "mine.npz"), "--whole"]) == 0
    assert "sequences          150" in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["last", "sum"])
def test_own_values_train(tmp_path, mode):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5, 2))
    np.savez(tmp_path / "v.npz", x=x, y=x[..., 0].mean(axis=1) + 3.0)
    output = tmp_path / "v.safetensors"
    data = ["--data", str(tmp_path / "v.npz"), "--output", str(output), "--mode", mode]
    assert training.main([*data, "--epochs", "25", "--units", "16", "--batch", "16"]) == 0
    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["test"]["measure"] == "mse" and metrics["test"]["agree"]
    assert metrics["test"]["integer"] < 0.08  # the targets' variance is 0.2


def test_adding_trains_on_fresh_sequences(tmp_path):
    output = tmp_path / "a.safetensors"
    options = ["--length", "10", "--epochs", "3", "--iterations", "20", "--units", "16"]
    assert training.main(["adding", *options, "--output", str(output)]) == 0
    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["test"]["sequences"] == 1000 and metrics["test"]["agree"]
    assert evaluation.main([str(output), "adding", "--length", "15"]) == 0


def test_planes_go_into_the_file(tmp_path):
    output = tmp_path / "p.safetensors"
    options = ["--length", "10", "--epochs", "1", "--iterations", "10", "--units", "6", "5"]
    planes = ["--input-planes", "2", "--recurrent-planes", "3", "--readout-planes", "4"]
    assert training.main(["adding", *options, *planes, "--output", str(output)]) == 0
    spec = load(output).spec
    found = [(layer.input_planes, layer.recurrent_planes) for layer in spec.layers]
    assert found == [(2, 3), (3, 3)] and spec.readout.planes == 4
    assert json.loads(output.with_suffix(".metrics.json").read_text())["test"]["agree"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either a task"),
        (["digits", "--iterations", "3"], "--iterations is not for digits"),
        (["adding", "--shift", "0.5"], "digits only"),
        (["digit-strings", "--shift", "0.5"], "digits only"),
        (["text", "--train-on", "all", "--keep", "last"], "--train-on is not for text"),
        (["letters"], "invalid choice: 'letters'"),
        (["digits", "--units", "0"], "at least 1"),
        (["digits", "--theta", "0.5"], "invalid int value"),
        (["digits", "--sparsity", "--hold", "1"], "leave them out"),
        (["digits", "--sparsity", "--theta", "1"], "leave them out"),
        (["digits", "--train-on", "all"], "nothing to choose the best epoch by: give --keep last"),
        (["digits", "--train-on", "all", "--keep", "best"], "give --keep last"),
        (["digits", "--train-on", "test"], "invalid choice: 'test'"),
        (["adding", "--train-on", "all", "--keep", "last"], "--train-on is not for adding"),
        (["digits", "--learning-rate", "nan"], "must be positive"),
        (["digits", "--hb", "8"], "invalid choice"),
    ],
)
def test_wrong_options_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        training.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "none.npz"], "error: none.npz: cannot be read"),
        (["digits", "--units", "258"], "at most 257 sources"),
        (["digits", "--units", "4", "4", "4", "4", "4"], "1 to 4 layers"),
        (["digits", "--theta", "255"], "theta must be from 0 to 254 (2M at hb = 7), not 255"),
        (["digits", "--theta", "-1"], "theta must be from 0 to 254 (2M at hb = 7), not -1"),
        (["digits", "--theta", "15", "--hb", "3"], "0 to 14 (2M at hb = 3), not 15"),
        (["digits", "--theta", "1", "2"], "once, or for each of 1 layers, not 2 times"),
        (["digits", "--hold", "-1"], "hold must be a finite weight of at least 0, not -1"),
        (["adding", "--sparsity"], "must have a class"),
        (["adding", "--length", "1"], "length of at least 2"),
        (["digits", "--output", "d.bin"], "must end in .safetensors"),
    ],
)
def test_wrong_values_end_with_an_error_before_training(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert training.main(arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err and "1/" not in shown.err


def test_help_has_an_example_of_each_way_to_train(capsys):
    with pytest.raises(SystemExit):
        training.main(["--help"])
    said = capsys.readouterr().out
    assert (
        "  python -m models.train digits --hold 2 --theta 16 --keep last --train-on all\n" in said
    )
    assert "nothing is left to validate, so this needs --keep last" in " ".join(said.split())


def test_a_folder_that_cannot_be_written_is_refused_before_training(capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(training, "train", lambda *_, **__: pytest.fail("too late"))
    assert training.main(["digits", "--output", str(tmp_path / "file" / "d.safetensors")]) == 2
    assert "expected a folder, found a file" in capsys.readouterr().err


def test_a_disk_that_fills_up_leaves_the_earlier_files(capsys, tmp_path, monkeypatch):
    arguments = ["digits", "--epochs", "1", "--units", "8"]
    arguments += ["--output", str(tmp_path / "d.safetensors")]
    assert training.main(arguments) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("models.writing.os.fsync", full)
    assert training.main([*arguments, "--seed", "1"]) == 2
    said = capsys.readouterr().err
    assert f"No space left on device: '{tmp_path / 'd.safetensors'}'" in said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_float_targets_out_of_reach_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "v.npz", x=np.random.rand(50, 3, 2), y=np.linspace(0, 90, 50))
    arguments = ["--data", str(tmp_path / "v.npz"), "--output", str(tmp_path / "v.safetensors")]
    assert training.main(arguments) == 2
    assert "divide y by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("network", "part", "message"),
    [
        ({"inputs": 3}, Part(np.zeros((2, 4, 5)), np.zeros(2, int)), "3 features, not 5"),
        ({}, Part(np.zeros((2, 4, 4)), np.zeros(2)), "must hold integers"),
        ({"target": "value"}, Part(np.zeros((2, 4, 4)), np.zeros(2, int)), "must hold floats"),
        ({}, Part(np.zeros((2, 4, 4)), np.array([0, 3])), "3 classes, so y must be below"),
    ],
)
def test_data_of_another_network_are_refused(network, part, message):
    with pytest.raises(TaskError, match=message):
        evaluation.evaluate(random_network(0, **network), part)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.safetensors", "digits"], "cannot be read"),
        ([ZOO, "adding"], "8 features, not 2"),
        ([ZOO, "letters"], f"{named.LISTED} or an .npz"),
    ],
)
def test_evaluate_refuses(arguments, message, capsys):
    assert evaluation.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("module", ["models.train", "models.evaluate"])
def test_without_pytorch_the_command_says_how_to_get_it(module):
    code = (
        "import runpy, sys; sys.modules['torch'] = None; "
        f"runpy.run_module('{module}', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: PyTorch is not installed")
    assert "pip install 'addgate[train]'" in done.stderr


def test_evaluate_notices_a_disagreement(monkeypatch, capsys):
    """A quantized module that computes otherwise ends with exit status 1."""
    true = evaluation.from_network

    def false(network):
        module = true(network)
        with torch.no_grad():
            module.readout.bias[0] += 2.0**-12
        return module

    monkeypatch.setattr(evaluation, "from_network", false)
    assert evaluation.main([ZOO, "digits"]) == 1
    assert "NO: " in capsys.readouterr().out


def test_digits_by_pixels_train_and_are_evaluated(tmp_path, capsys):
    output = tmp_path / "p.safetensors"
    assert training.main(["digits-pixels", "--epochs", "1", "--output", str(output)]) == 0
    network = load(output)
    assert (network.spec.inputs, network.spec.units, network.spec.outputs) == (1, (20,), 10)
    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["task"] == "digits-pixels" and metrics["test"]["sequences"] == 450
    assert evaluation.main([str(output), "digits-pixels"]) == 0
    assert "bit for bit" in capsys.readouterr().out
