"""Cycles of a sweep's networks, in a short form."""

import json

import torch

from bench import sparsity
from models import train as training
from models.sparsity import Setting

torch.set_num_threads(1)


def test_a_sweep_is_run_on_the_emulator(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "GRID", (Setting(0.0, 0), Setting(4.0, 40)))
    network = tmp_path / "d.safetensors"
    monkeypatch.setattr(training, "FOLDS", 2)
    options = ["--epochs", "2", "--units", "8", "--output", str(network)]
    assert training.main(["digits", "--sparsity", *options]) == 0
    capsys.readouterr()
    output = tmp_path / "s.json"
    assert sparsity.main([str(network), "--output", str(output)]) == 0
    assert "test digits" in capsys.readouterr().out
    found = json.loads(output.read_text())
    dense, sparse = (trial["emulator"] for trial in found["trials"])
    assert sparse["cycles_mean"] < dense["cycles_mean"] <= dense["cycles_worst"]
    for trial in found["trials"]:
        assert trial["emulator"]["accuracy"] == trial["folds"][0]["integer"]
        assert trial["emulator"]["exact"]


def test_without_a_sweep_it_says_how_to_make_one(tmp_path, capsys):
    assert sparsity.main([str(tmp_path / "d.safetensors")]) == 2
    assert "python -m models.train digits --sparsity" in capsys.readouterr().err
