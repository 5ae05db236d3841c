"""The GRU benches' command lines."""

import json

import pytest

from bench.gru import build, digits
from hdl.toolchain import Toolchain, ToolError


@pytest.fixture
def builds(monkeypatch):
    """Builds that take no time; returns the seeds that were asked for, by variant."""
    asked = {}

    def measure(name, seeds, tools):
        asked[name] = list(seeds)
        return {
            **{"variant": name, "logic_cells": 900, "ebr": 10, "spram": 4, "dsp": 8},
            **{"clock_mhz": [60.0] * len(seeds)},
            **{"cycles": {"step": 1800, "step_with_readout": 1900}},
            **{"us": {"step": 30.0, "step_with_readout": 31.67}},
        }

    monkeypatch.setattr(build, "find_toolchain", lambda: Toolchain("yowasp", {}))
    monkeypatch.setattr(build, "measure_shell", lambda tools: 92)
    monkeypatch.setattr(build, "measure", measure)
    return asked


def test_a_build_writes_json_and_prints_the_table(builds, tmp_path, capsys):
    output = tmp_path / "new" / "gru.json"
    assert build.main(["--output", str(output)]) == 0
    assert builds == {"dsp": [1, 2, 3], "logic": [1, 2, 3]}
    assert "| dsp | 900 | 10 | 4 | 8 | 60.0, 60.0, 60.0 |" in capsys.readouterr().out
    record = json.loads(output.read_text())
    assert record["shell_logic_cells"] == 92 and len(record["gru"]) == 2


def test_the_quick_build_has_one_seed(builds, tmp_path):
    assert build.main(["--quick", "--output", str(tmp_path / "gru.json")]) == 0
    assert builds == {"dsp": [1], "logic": [1]}


def test_a_missing_tool_is_a_line_and_writes_nothing(builds, monkeypatch, tmp_path, capsys):
    def missing():
        raise ToolError("yosys was not found", tool="yosys")

    monkeypatch.setattr(build, "find_toolchain", missing)
    output = tmp_path / "gru.json"
    assert build.main(["--output", str(output)]) == 1
    assert capsys.readouterr().err == "error: yosys was not found\n"
    assert not output.exists()


def test_quick_digits_are_one_seed_and_two_epochs(monkeypatch, tmp_path, capsys):
    asked = []

    def train(seed, epochs):
        asked.append((seed, epochs))
        return digits.Result(network=None, float_accuracy=0.5, integer_accuracy=0.25)

    monkeypatch.setattr(digits, "train", train)
    output = ["--output", str(tmp_path / "digits.json")]
    assert digits.main(["--quick", *output]) == 0
    assert asked == [(0, 2)]
    assert digits.main(["--seeds", "2", *output]) == 0
    assert asked[1:] == [(0, digits.EPOCHS), (1, digits.EPOCHS)]
    assert "mean: float 50.00 %, integer 25.00 %" in capsys.readouterr().out


@pytest.mark.parametrize("main", [build.main, digits.main])
def test_seeds_that_make_no_sense_are_refused_and_help_has_examples(main, capsys):
    with pytest.raises(SystemExit):
        main(["--seeds", "0"])
    assert "at least 1, not '0'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "examples:\n  python -m bench.gru." in capsys.readouterr().out
