"""The cells that `bench.cpu` times are the ones it names, and its figures are kept."""

import json

import pytest
import torch

from bench import cpu
from models.gate import gate


def test_additive_is_the_gate_of_the_models():
    x, state, weights = cpu.make("additive", 12, 5, 3)
    w, u, b = weights
    expected = gate(x @ w.T + b + state[0] @ u.T, state[0])
    assert torch.allclose(cpu.additive(x, state, weights)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name, cell", [("GRU", torch.nn.GRUCell), ("LSTM", torch.nn.LSTMCell)])
def test_others_are_those_of_torch(name, cell):
    x, state, weights = cpu.make(name, 12, 5, 3)
    theirs = cell(5, 12)
    with torch.no_grad():
        for mine, parameter in zip(weights, ("weight_ih", "weight_hh", "bias_ih"), strict=True):
            getattr(theirs, parameter).copy_(mine)
        theirs.bias_hh.zero_()
        expected = theirs(x, state if name == "LSTM" else state[0])
    expected = expected if name == "LSTM" else (expected,)
    for mine, other in zip(cpu.CELLS[name][0](x, state, weights), expected, strict=True):
        assert torch.allclose(mine, other, atol=1e-6)


def test_figures_picture_and_table_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cpu, "LEAST_SECONDS", 1e-4)
    output = tmp_path / "new" / "cpu.json"
    arguments = ["--modes", "eager", "--hidden", "4", "8", "--batch", "1", "--rounds", "3"]
    assert cpu.main([*arguments, "--output", str(output)]) == 0
    rows = json.loads(output.read_text())["cpu"]
    assert [row["hidden"] for row in rows] == [4, 8]
    assert all(row["to_gru"]["GRU"]["median"] == 1 for row in rows)
    assert output.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    assert "| eager | 1 | 8 |" in capsys.readouterr().out


def test_sizes_below_one_are_refused(capsys):
    with pytest.raises(SystemExit):
        cpu.main(["--hidden", "0"])
    assert "at least 1, not '0'" in capsys.readouterr().err
