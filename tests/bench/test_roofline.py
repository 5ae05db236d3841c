"""Ceilings and engines: figures come from the files, and formulas give what they should."""

import json

import pytest

from bench.baseline import BASELINE
from bench.hardware import peers
from bench.hardware.rows import Built, NotBuilt
from bench.roofline import cli, measured
from bench.roofline.ceilings import ceilings, multiplier_ceiling
from bench.roofline.measured import read, reference
from bench.roofline.points import PACKED, TWO_BITS, as_built, planned
from hdl.boards import load_board

BOARD = load_board("icebreaker")
NAME = "addgate, 16 lanes, 2 events a cycle"


def built(who, name, data="rows", **changes):
    figures = {
        "logic_cells": 3000, "ebr": 28, "spram": 0, "dsp": 0, "shell_cells": 200,
        "clock_mhz": (40.0, 50.0, 60.0), "seeds": (1, 2, 3), "target_mhz": 60.0, "cycles": 200.0,
        "cycles_tag": "derived (of a test)", "operations": 1600.0,
        "peak": 32 if who == "ours" else None,
    }  # fmt: skip
    return Built(who=who, name=name, data=data, **{**figures, **changes})


RUN = [
    built("ours", NAME),
    built("ours", f"{NAME}, with link", shell_cells=0, logic_cells=4000, link=True),
    built("ours", NAME, "pixels", cycles=80.0, operations=320.0),
    NotBuilt("ours", "addgate, 24 lanes, 2 events a cycle", "rows", "no room"),
    built("gru", peers.GRU_NAMES["dsp"], cycles=2000.0, operations=14000.0),
    built("lstm", peers.LSTM_NAMES["DSP"], "pixels", cycles=900.0, operations=1800.0),
]


@pytest.fixture
def run(tmp_path):
    """A file as bench.hardware writes it."""
    path = tmp_path / "hardware.json"
    path.write_text(json.dumps({"hardware": [row.record() for row in RUN]}))
    return path


def test_a_run_becomes_figures_table_and_picture(run, tmp_path, capsys):
    output = tmp_path / "r.json"
    assert cli.main(["--measured", str(run), "--output", str(output)]) == 0
    figures = json.loads(output.read_text())
    assert figures["measured_inputs"] == str(run) and figures["clock_mhz"] == 50.0
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "r.md").read_text() == capsys.readouterr().out
    points = {(point["name"], point["kind"]): point for point in figures["points"]}
    assert points[NAME, "peak"]["a_second"] == 16 * 2 * 50e6
    assert points[f"{NAME}, digits by rows", "used"]["a_second"] == 1600 / 200 * 50e6
    assert points[peers.GRU_NAMES["dsp"], "used"]["share"] == pytest.approx(14000 / 2000 / 8)
    assert points[NAME, "peak"]["share"] == 1.0 and points[NAME, "peak"]["lowest"] == "SPRAM"
    assert all(point["tag"].startswith("derived") for point in figures["points"])
    assert all(tag.startswith(("derived", "measured", "clock")) for tag in figures["tags"].values())


def test_ceilings_are_the_boards(run):
    engines = read(run)
    found = ceilings(BOARD, reference(engines, run), engines, lane=45)
    a_cycle = [limit.operations(TWO_BITS) for limit in found]
    # 64 bits; (30 - 6 - 16) x 16 bits; 24 ports at two events and at one; lanes that cells allow:
    # the other 2800 - 720 and 4000 - 720 taken off 5280.
    assert a_cycle == [32, 64, 48, 24, 2 * (3200 // 45), 2 * (2000 // 45)]
    assert [limit.operations(PACKED) for limit in found[:3]] == [40, 80, 48]
    assert multiplier_ceiling(BOARD).a_cycle == 8


def test_ceilings_hold_for_those_who_meet_them(run):
    engines = read(run)
    limits = ceilings(BOARD, reference(engines, run), engines, lane=45)
    points = {point.name: point for point in planned(reference(engines, run), engines)}
    one = points["16 lanes, 1 event a cycle"]
    assert one.lowest(limits, multiplier_ceiling(BOARD)).operations(TWO_BITS) == 24
    packed = points["20 lanes, 2 events, five trits a byte"]
    assert packed.share(packed.lowest(limits, multiplier_ceiling(BOARD))) == 1.0


def test_a_peak_that_two_kinds_of_digits_share_is_one_point(run):
    kinds = [(point.name, point.kind) for point in as_built(read(run))]
    assert kinds.count((NAME, "peak")) == 1


def test_the_baseline_gives_the_same_kind_of_figures():
    engines = {(engine.name, engine.data): engine for engine in read(BASELINE)}
    held = json.loads(BASELINE.read_text())["hardware"]
    own = engines[NAME, "rows"]
    assert own.clock_mhz == held[f"{NAME}, rows"]["clock_mhz"]
    assert (own.lanes, own.events, own.shell_known) == (16, 2, False)
    assert own.operations == measured.additions("rows") > 0
    gru = engines[peers.GRU_NAMES["dsp"], "rows"]
    assert gru.operations == 3 * 64 * (8 + 64) + 10 * 64 / 8


def test_the_last_run_goes_before_the_baseline(tmp_path, monkeypatch):
    last = tmp_path / "hardware.json"
    monkeypatch.setattr(measured, "LAST_RUN", last)
    assert measured.where() == BASELINE
    last.write_text("{}")
    assert measured.where() == last


def test_documents_are_refreshed(run, tmp_path):
    marks = "<!-- bench.roofline -->\n<!-- end of bench.roofline -->\n"
    (tmp_path / "performance.md").write_text(marks)
    options = ["--measured", str(run), "--output", str(tmp_path / "r.json")]
    assert cli.main([*options, "--docs", str(tmp_path)]) == 0
    assert (tmp_path / "r.md").read_text().strip() in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "roofline.png").read_bytes() == (tmp_path / "r.png").read_bytes()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "KeyError('hardware')"),
        ('{"hardware": [{"name": "x"}]}', "KeyError('data')"),
        ('{"hardware": 3}', "TypeError"),
        ('{"hardware": {}}', "found none"),
        ('{"hardware": []}', "found none"),
    ],
)
def test_a_file_without_figures_is_refused_in_a_line(tmp_path, capsys, text, found):
    path, output = tmp_path / "h.json", tmp_path / "r.json"
    path.write_text(text)
    assert cli.main(["--measured", str(path), "--output", str(output)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: expected ") and found in said
    assert said.count("\n") == 1 and "python -m bench.hardware" in said
    assert not output.exists()


def test_a_file_that_is_gone_is_named(tmp_path, capsys):
    path = tmp_path / "gone.json"
    assert cli.main(["--measured", str(path), "--output", str(tmp_path / "r.json")]) == 1
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cells-a-lane", "0"], "expected a number of at least 1, not '0'"),
        (["--output", "r.png"], "--output names the JSON"),
    ],
)
def test_a_bad_option_is_refused(capsys, options, said):
    with pytest.raises(SystemExit) as stopped:
        cli.main(options)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
