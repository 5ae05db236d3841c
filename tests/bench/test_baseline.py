"""Baselines of benches: read, kept apart by section, and what counts as worse."""

import json
import re

import pytest

from bench import baseline
from bench.baseline import Bounds

HELD = {"one": {"logic_cells": 1000, "clock_mhz": 50.0, "cycles": 300.0, "seeds": [1]}}
TEN = Bounds(logic_cells=0.10, clock=0.10, cycles=0.10)


def changed(**figures):
    return {"one": {**HELD["one"], **figures}}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (changed(), None),
        (changed(logic_cells=1100, clock_mhz=45.0, cycles=330.0), None),
        (changed(logic_cells=1, clock_mhz=500.0, cycles=1.0), None),
        (changed(logic_cells=1101), "one: 1101 logic cells; .* 1000 and 10% more allow 1100"),
        (changed(clock_mhz=44.9), "one: 44.90 MHz; .* 50.00 MHz less 10% ask for 45.00 MHz"),
        (changed(cycles=330.1), "one: 330.1 cycles a step; .* 300.0 and 10% more allow 330.0"),
        ({"two": HELD["one"]}, "two: the baseline has no figures for it"),
    ],
)
def test_a_drift_beyond_the_bounds_is_said(found, message):
    worse = baseline.drift(found, HELD, TEN)
    if message is None:
        assert worse == []
    else:
        (line,) = worse
        assert re.search(message, line)


def test_every_figure_that_is_worse_is_said():
    found = changed(logic_cells=2000, clock_mhz=1.0, cycles=999.0)
    assert len(baseline.drift(found, HELD, TEN)) == 3


def test_cycles_need_a_baseline_but_a_bench_need_not_count_them():
    bare = {"one": {"logic_cells": 1000, "clock_mhz": 50.0}}
    assert baseline.drift(bare, bare, TEN) == []
    assert baseline.drift(HELD, bare, TEN) == ["one: the baseline has no cycles for it"]


def test_what_was_not_measured_is_not_judged():
    assert baseline.drift({}, HELD, TEN) == []


def test_sections_are_updated_alone(tmp_path):
    path = tmp_path / "baseline.json"
    baseline.update(path, "engine", {"yosys": "1"}, HELD)
    baseline.update(path, "hardware", {"yosys": "2"}, changed(logic_cells=7))
    assert baseline.read(path, "engine") == HELD
    assert baseline.read(path, "hardware") == changed(logic_cells=7)
    record = json.loads(path.read_text())
    assert record["tools"] == {"engine": {"yosys": "1"}, "hardware": {"yosys": "2"}}
    with pytest.raises(ValueError, match="KeyError.'third'"):
        baseline.read(path, "third")


def test_what_is_no_baseline_is_not_written_over(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="expected a baseline to update"):
        baseline.update(path, "engine", {}, HELD)
    assert path.read_text() == "[1, 2]"
