"""Cycles of a sweep's networks, in a short form, and sweeps that are not whole."""

import json
import shutil

import pytest
import torch

from bench import sparsity
from models import train as training
from models.sparsity import Setting

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A small sweep's folder, with its network d.safetensors."""
    folder = tmp_path_factory.mktemp("swept")
    network = folder / "d.safetensors"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "GRID", (Setting(0.0, 0), Setting(4.0, 40)))
        monkeypatch.setattr(training, "FOLDS", 2)
        options = ["--epochs", "2", "--units", "8", "--output", str(network)]
        assert training.main(["digits", "--sparsity", *options]) == 0
    return folder


@pytest.fixture
def own(swept, tmp_path):
    """A copy of the sweep, to be spoilt; its network."""
    shutil.copytree(swept, tmp_path / "own")
    return tmp_path / "own" / "d.safetensors"


def test_a_sweep_is_run_on_the_emulator(swept, tmp_path, capsys):
    output = tmp_path / "s.json"
    assert sparsity.main([str(swept / "d.safetensors"), "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "450 test digits" in shown
    assert "Events: measured" in shown and "simulated on the emulator" in shown
    found = json.loads(output.read_text())
    dense, sparse = (trial["emulator"] for trial in found["trials"])
    assert sparse["cycles_mean"] < dense["cycles_mean"] <= dense["cycles_worst"]
    for trial in found["trials"]:
        assert trial["emulator"]["accuracy"] == trial["folds"][0]["integer"]
        assert trial["emulator"]["exact"]
    swept_figures = json.loads((swept / "d.sparsity" / "sparsity.json").read_text())
    assert found["chosen"] == swept_figures["chosen"]
    assert found["what"]["emulator"].startswith("simulated")


def test_quick_runs_the_chosen_setting_over_a_few_digits(own, tmp_path, capsys):
    path = own.with_suffix(".sparsity") / "sparsity.json"
    sweep = json.loads(path.read_text())
    sweep["chosen"] = 1
    path.write_text(json.dumps(sweep))
    output = tmp_path / "s.json"
    assert sparsity.main([str(own), "--quick", "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert [trial["hold"] for trial in found["trials"]] == [4.0] and found["chosen"] == 0
    assert found["test"]["sequences"] == found["trials"][0]["emulator"]["sequences"] == 50
    assert "50 test digits" in capsys.readouterr().out


def test_without_a_sweep_it_says_how_to_make_one(tmp_path, capsys):
    output = ["--output", str(tmp_path / "s.json")]
    assert sparsity.main([str(tmp_path / "d.safetensors"), *output]) == 1
    said = capsys.readouterr().err
    assert str(tmp_path / "d.sparsity" / "sparsity.json") in said and "found no file" in said
    assert "python -m models.train digits --sparsity" in said


def spoil(change):
    def spoilt(text):
        sweep = json.loads(text)
        change(sweep)
        return json.dumps(sweep)

    return spoilt


@pytest.mark.parametrize(
    ("spoilt", "found"),
    [
        (lambda text: text[: len(text) // 2], "found "),
        (lambda text: "[]", "TypeError"),
        (lambda text: '{"trials": []}', "KeyError('chosen')"),
        (spoil(lambda sweep: sweep.pop("trials")), "KeyError('trials')"),
        (spoil(lambda sweep: sweep.update(trials=[], chosen=0)), "setting 0 of 0"),
        (spoil(lambda sweep: sweep.update(chosen=2)), "setting 2 of 2 as the chosen one"),
        (spoil(lambda sweep: sweep["trials"][1].pop("hold")), "KeyError('hold')"),
        (spoil(lambda sweep: sweep["trials"][1].update(network=3)), "TypeError"),
        (spoil(lambda sweep: sweep["trials"][1]["folds"].clear()), "IndexError"),
        (spoil(lambda sweep: sweep["trials"][1]["folds"].pop()), "different numbers of folds"),
        (spoil(lambda sweep: sweep["trials"][0]["folds"][0].pop("events")), "KeyError('events')"),
    ],
)
def test_figures_of_no_whole_sweep_are_refused_in_a_line(own, capsys, spoilt, found, monkeypatch):
    monkeypatch.setattr(sparsity, "emulate", lambda *_: pytest.fail("too late"))
    path = own.with_suffix(".sparsity") / "sparsity.json"
    path.write_text(spoilt(path.read_text()))
    assert sparsity.main([str(own), "--output", str(own.parent / "s.json")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: expected the figures of a whole sweep, found ")
    assert found in said and said.count("\n") == 1
    assert "python -m models.train digits --sparsity" in said


@pytest.mark.parametrize("name", ["d.safetensors", "d.sparsity/hold-4-theta-40.safetensors"])
def test_a_network_that_is_gone_is_named_before_anything_runs(own, capsys, name, monkeypatch):
    monkeypatch.setattr(sparsity, "emulate", lambda *_: pytest.fail("too late"))
    (own.parent / name).unlink()
    assert sparsity.main([str(own), "--output", str(own.parent / "s.json")]) == 1
    said = capsys.readouterr().err
    assert f"{own.parent / name}: expected a network of the sweep, found no file" in said


def test_a_network_for_other_sequences_is_named(own, capsys, tmp_path):
    adding = own.parent / "adding.safetensors"
    options = ["--epochs", "1", "--iterations", "1", "--length", "4", "--output", str(adding)]
    assert training.main(["adding", *options]) == 0
    adding.replace(own)
    capsys.readouterr()
    assert sparsity.main([str(own), "--quick", "--output", str(tmp_path / "s.json")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {own}: ") and said.count("\n") == 1
