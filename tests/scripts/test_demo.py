"""The demonstration's table and its verdict; the emulator stands in for the simulated board."""

import dataclasses
import sys

import pytest

from host.device import Device
from scripts import demo

REPORT = {
    "bitstream": "icebreaker.bin",
    "lanes": 16,
    "weights": "bram",
    "logic_cells": 1800,
    "ebr": 30,
    "spram": 0,
    "dsp": 0,
    "available": {"logic_cells": 5280, "ebr": 30, "spram": 4, "dsp": 8},
    "multiplier_cells_before_mapping": 0,
    "multiplier_cells_after_mapping": 0,
    "clock_mhz": 55.5,
    "target_mhz": 48.0,
}


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Neither synthesis nor Verilator."""
    opened = Device.open

    def open_emulator(where, **options):
        return opened("emulator", **options)

    monkeypatch.setattr(demo, "build", lambda *_: REPORT)
    monkeypatch.setattr(Device, "open", staticmethod(open_emulator))
    monkeypatch.setattr(sys, "argv", ["demo", "--output", str(tmp_path), "--simulated", "50"])
    return monkeypatch


def test_table_tells_everything_and_status_is_0(quick, capsys):
    assert demo.main() == 0
    out = capsys.readouterr().out
    for text in (
        "icebreaker.bin",
        "1800 of 5280",
        "55.5 MHz reached, 48 MHz wanted",
        "0 before technology mapping, 0 after",
        "yes: 4500 of 4500 logits of 450 digits",
        "yes: 500 of 500 logits of 50 digits",
        "cycles per step",
        "us mean",
        "test digits)",
    ):
        assert text in out, text


def test_one_wrong_logit_is_an_error(quick, capsys):
    class OffByOne(demo.GoldenModel):
        def run(self, x):
            result = super().run(x)
            scores = result.scores.copy()
            scores[17, 3] += 1
            return dataclasses.replace(result, scores=scores)

    quick.setattr(demo, "GoldenModel", OffByOne)  # the demonstration's, not the emulator's
    assert demo.main() == 1
    captured = capsys.readouterr()
    assert "NO: 4499 of 4500 logits of 450 digits" in captured.out
    assert "disagree" in captured.err


def test_fewer_than_20_simulated_digits_are_refused(quick, capsys):
    quick.setattr(sys, "argv", ["demo", "--simulated", "19"])
    with pytest.raises(SystemExit):
        demo.main()
    assert "at least 20, not 19" in capsys.readouterr().err
