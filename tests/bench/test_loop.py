"""The bench of the training loop: all ways compute the same, the table says what was measured."""

import json
import shutil

import pytest
import torch

from bench import loop
from bench.loop import WAYS, main, markdown, ways

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@needs_compiler
def test_the_ways_compute_the_same_states_and_gradients():
    made = ways(units=6, inputs=3, steps=9, batch=5)
    assert tuple(made) == WAYS
    found = []
    for name in ("eager", "hoisted", "sequence", "compiled"):
        states = made[name]()
        states.square().mean().backward()
        found.append(states.detach())
    for other in found[1:]:
        torch.testing.assert_close(found[0], other)
    assert made["nn.GRU"]().shape == found[0].shape


@needs_compiler
def test_it_writes_what_it_measured(tmp_path, capsys):
    output, threads = tmp_path / "loop.json", torch.get_num_threads()
    sizes = ["--units", "4", "--steps", "3", "--batch", "4", "--inputs", "2", "5"]
    (tmp_path / "performance.md").write_text("a\n<!-- bench.loop -->\n<!-- end of bench.loop -->\n")
    arguments = [*sizes, "--quick", "--output", str(output), "--docs", str(tmp_path)]
    assert main(arguments) == 0
    data = json.loads(output.read_text())
    assert [row["inputs"] for row in data["rows"]] == [2, 5] and data["threads"] == 2
    for row in data["rows"]:
        assert row["rounds"] == 5 and set(row["seconds"]) == set(WAYS)
        assert row["compiled_times_as_fast_as"]["compiled"] == 1
    table = capsys.readouterr().out
    assert table.strip() in (tmp_path / "performance.md").read_text()
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("ratio, verdict", [(5.0, "met, 5.00 at"), (4.99, "**missed**, 4.99 at")])
def test_the_verdict_is_of_the_worst(ratio, verdict):
    row = {
        "units": 64, "inputs": 8, "steps": 64, "batch": 64,
        "seconds": dict.fromkeys(WAYS, 0.01),
        "compiled_times_as_fast_as": {**dict.fromkeys(WAYS, 9.0), "eager": ratio},
    }  # fmt: skip
    better = {**row, "compiled_times_as_fast_as": dict.fromkeys(WAYS, 9.0)}
    assert verdict in markdown([better, row], 2).replace("\n", " ")


def test_without_a_compiler_it_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(loop, "ways", _missing)
    assert main(["--quick", "--output", str(tmp_path / "o.json")]) == 1
    assert "error: no compiler" in capsys.readouterr().err


def _missing(*_):
    raise loop.KernelError("no compiler")
