"""The bench of the link: its figures are exact, repeatable, and held against the goals."""

import json

import pytest

from bench import link
from bench.link import Loading, RoundTrip, Streaming, bound, hidden_for, markdown, request_bytes
from hdl.toolchain import ToolError
from host.errors import SimulatorError
from models.image import compile_image

STREAMS = [
    Streaming(8, False, 20, 1440.0, 0.889, 0.889),
    Streaming(20, True, 20, 1344.0, 0.952, 0.952),
]
LOADS = [Loading(72, 4136, 0.017, 0.0138), Loading(232, 33000, 0.14, 0.11)]
TRIPS = [RoundTrip(64, False, 129.6e-6, 326), RoundTrip(64, True, 273.2e-6, 326)]


def test_streaming_leaves_no_pause_on_the_line(lockstep_board):
    found = link.stream(lockstep_board, 20, False, 400)
    assert found.frame_steps == 20
    assert found.share == pytest.approx(found.bound, rel=0.001)
    assert found.share >= link.LEAST_SHARE
    assert link.stream(lockstep_board, 20, False, 400) == found


def test_a_load_takes_little_more_than_its_bytes_on_the_line(lockstep_board):
    found = link.load(lockstep_board, hidden_for(2000))
    assert 2000 <= found.bytes < 3000
    assert found.bound < found.seconds < 1.4 * found.bound + 0.002


def test_a_step_is_answered_with_its_label_within_the_goal(lockstep_board):
    label, logits = (link.round_trip(lockstep_board, 64, logits) for logits in link.ANSWERS)
    assert label.seconds <= link.MOST_ROUND_TRIP
    # The line alone: ten scores of four bytes.
    assert logits.seconds - label.seconds >= 40 * lockstep_board.seconds_per_byte


def test_frames_bound_the_share_of_inputs():
    assert request_bytes(1 + 8 * 8) == 72
    assert bound(8, 20) == 64 / 72
    assert bound(40, 20) == 320 / (2 * 168)
    assert bound(24, 20) == 192 / (168 + 40)


def test_a_network_is_large_enough_for_the_bytes_asked_for():
    hidden = hidden_for(4096)
    sizes = [
        len(compile_image(link.network_of(h), link.LANES).to_bytes()) for h in (hidden - 4, hidden)
    ]
    assert sizes[0] < 4096 <= sizes[1]


def test_tables_say_what_is_met_and_why_not():
    text = markdown(STREAMS, LOADS, TRIPS)
    assert "| 8 | label | 8 | 1440 | 88.9% | 88.9% | **missed** |" in text
    assert "| 20 | 10 logits | 20 | 1344 | 95.2% | 95.2% | met |" in text
    assert "| 72 | 4,136 | 17.0 | 13.8 |  |" in text
    assert "| 232 | 33,000 | 140.0 | 110.0 | met |" in text
    assert "| 64 | label | 129.6 | 6.8 | met |" in text
    assert "With T = 8 no host can reach the goal: a frame has 8 bytes" in " ".join(text.split())
    assert "no host" not in markdown(STREAMS[1:], LOADS, TRIPS)


def test_figures_and_document_are_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(link, "measure", lambda quick: (STREAMS, LOADS, TRIPS))
    document = tmp_path / "performance.md"
    document.write_text("<!-- bench.link -->\nold\n<!-- end of bench.link -->\n")
    output = tmp_path / "link.json"
    assert link.main(["--output", str(output), "--docs", str(tmp_path)]) == 0
    figures = json.loads(output.read_text())
    assert figures["streaming"][0]["cycles_per_step"] == 1440.0
    assert "| 64 | label | 129.6 |" in document.read_text()
    assert "| 64 | label | 129.6 |" in capsys.readouterr().out


def test_quick_figures_do_not_go_into_the_document(tmp_path, capsys):
    with pytest.raises(SystemExit):
        link.main(["--quick", "--docs", str(tmp_path)])
    assert "--docs goes without --quick" in capsys.readouterr().err


def test_a_board_that_cannot_be_built_is_said_in_a_line(monkeypatch, tmp_path, capsys):
    def absent(*arguments, **options):
        raise SimulatorError("needs g++")

    monkeypatch.setattr(link, "LockstepBoard", absent)
    with pytest.raises(ToolError):
        link.measure(True)
    assert link.main(["--quick", "--output", str(tmp_path / "a.json")]) == 1
    assert capsys.readouterr().err == "error: needs g++\n"
