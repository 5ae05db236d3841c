"""The cells that `bench.cpu` times are the ones it names, and its figures are kept."""

import errno
import json
import sys

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


def test_quick_is_one_size_without_a_compiler(capsys):
    options = cpu._parse(["--quick", "--modes", "compiled"])
    assert (options.hidden, options.modes, options.rounds) == ((64,), ("eager",), 5)
    with pytest.raises(SystemExit):
        cpu.main(["--help"])
    said = capsys.readouterr().out
    assert "H = 64 and five rounds only" in said
    assert "    python -m bench.cpu --modes eager --hidden 64 128\n" in said  # the lines are kept


def test_a_missing_compiler_is_named_before_anything_is_timed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cpu, "measure", lambda *_: pytest.fail("too late"))
    monkeypatch.setenv("PATH", str(tmp_path))
    output = ["--output", str(tmp_path / "cpu.json")]
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert cpu.main(output) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: no C++ compiler") and said.count("\n") == 1
    assert "looked for 'no-such-compiler'" in said
    assert "sudo apt-get install g++" in said and "`--modes eager` needs none" in said
    monkeypatch.delenv("CXX")
    assert cpu.main(output) == 1
    default = "clang++" if sys.platform == "darwin" else "g++"
    assert f"looked for {default!r}" in capsys.readouterr().err


@pytest.mark.parametrize("mode", cpu.MODES)
def test_what_pytorch_refuses_is_said_in_a_line(tmp_path, monkeypatch, capsys, mode):
    def fail(*_):
        raise RuntimeError("can't allocate memory:\n  you tried " + "very " * 200)

    monkeypatch.setattr(cpu, "timer", fail)
    monkeypatch.setattr(cpu, "check_compiler", lambda: None)
    arguments = ["--modes", mode, "--hidden", "4", "--output", str(tmp_path / "cpu.json")]
    assert cpu.main(arguments) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"error: PyTorch failed at {mode}, H = 4, batch 1: RuntimeError: can't allocate" in said
    assert ("`--modes eager` needs no compiler" in said) == (mode == "compiled")
    assert len(said) < 500
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_leaves_the_earlier_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cpu, "LEAST_SECONDS", 1e-4)
    output = tmp_path / "cpu.json"
    picture = tmp_path / "cpu.png"
    picture.write_bytes(b"earlier")
    written = cpu.write

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write(path, figures):
        written(path, figures)
        monkeypatch.setattr("models.writing.os.fsync", full)

    monkeypatch.setattr(cpu, "write", write)
    arguments = ["--modes", "eager", "--hidden", "4", "--batch", "1", "--rounds", "1"]
    assert cpu.main([*arguments, "--output", str(output)]) == 1
    assert f"No space left on device: '{picture}'" in capsys.readouterr().err
    assert picture.read_bytes() == b"earlier"
    assert json.loads(output.read_text())["what"] == "measured"


def test_a_picture_is_no_place_for_the_figures(capsys):
    with pytest.raises(SystemExit):
        cpu.main(["--output", "cpu.png"])
    assert "--output names the JSON" in capsys.readouterr().err
