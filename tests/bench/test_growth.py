"""Cycles against sizes and events: the points are the cycle model's, the splits add up."""

import json

import numpy as np
import pytest

from bench.growth import cli, sweeps
from bench.growth.network import emitted, inputs_with_events, network_with_events
from bench.growth.point import Cost, Point, cost, draw, gru_cycles
from bench.growth.sweeps import layer_points, measure, play
from bench.gru.model import Sizes
from host.device import Device

LANES = 16


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What --quick writes."""
    folder = tmp_path_factory.mktemp("growth")
    assert cli.main(["--quick", "--output", str(folder / "growth.json")]) == 0
    return folder


def test_quick_writes_figures_tables_and_pictures(quick):
    names = {"growth.json", "growth.md", "growth-units.png", "growth-events.png"}
    assert {path.name for path in quick.iterdir()} == names | {"growth-layers.png"}
    for path in quick.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    figures = json.loads((quick / "growth.json").read_text())
    rows = figures["units"] + figures["events"] + figures["layers"]
    assert {row["hidden"] for row in figures["units"]} == set(cli.QUICK_HIDDEN)
    assert {row["layers"] for row in figures["layers"]} == {1, 2, 3, 4}
    untagged = {"hidden", "inputs", "rate", "layers", "moving"}
    for row in rows:
        assert set(row) == untagged | set(figures["tags"]) - {"rtl"}
        assert row["cycles"] == pytest.approx(row["adding"] + row["reading"] + row["rest"])
        assert row["least"] <= row["cycles"] <= row["most"]
        assert min(row["adding"], row["reading"], row["rest"]) >= 0
    assert all(tag.startswith(("derived", "simulated")) for tag in figures["tags"].values())


def test_figures_are_those_of_the_emulator(quick):
    """Another way to the same number: sequences of four steps less such of three."""
    figures = json.loads((quick / "growth.json").read_text())
    rows = [*figures["units"], *figures["layers"]]
    for row in rows:
        point = Point(*(row[name] for name in ("hidden", "inputs", "rate", "layers", "moving")))
        taken = []
        for number in range(figures["draws"]):
            events = draw(point, figures["seed"], number)
            network = network_with_events(events.inputs, events.units)
            with Device.open("emulator", network=network, lanes=figures["lanes"]) as device:
                three, four = (
                    device.run(inputs_with_events(events.inputs, steps)).cycles for steps in (3, 4)
                )
            taken.append(four - three)
        assert (row["cycles"], row["least"], row["most"]) == (
            np.mean(taken), min(taken), max(taken),
        )  # fmt: skip


def test_a_network_emits_the_events_that_were_drawn():
    point = Point(hidden=12, inputs=5, rate=0.3, layers=3, moving=2)
    events = draw(point, 1, 0)
    assert sum(events.inputs) == 2 and [sum(layer) for layer in events.units] == [4, 4, 0]
    network = network_with_events(events.inputs, events.units)
    x = inputs_with_events(events.inputs, 4)
    assert (np.diff(x.astype(int), axis=0, prepend=0) != 0).tolist() == [list(events.inputs)] * 4
    assert emitted(network, x) == [[list(layer) for layer in events.units]] * 4


def test_draws_differ_and_do_not_depend_on_the_layers_above():
    two, three = Point(16, 4, 0.5, 2, 1), Point(16, 4, 0.5, 3, 1)
    assert draw(two, 0, 0) != draw(two, 0, 1) and draw(two, 0, 0) != draw(two, 1, 0)
    assert draw(two, 0, 0).units == draw(three, 0, 0).units[:2]


def test_what_the_lanes_do_when_everything_changes():
    # 64 units: 8 words of U and one of R; 16 inputs: 8 words of W; half of each a walk.
    found = cost(Point(64, 16, 1.0), draw(Point(64, 16, 1.0), 0, 0), LANES)
    assert (found.adding, found.reading) == (32 * 9 + 8 * 8, 64)


def test_events_of_one_parity_are_walked_one_by_one():
    point = Point(8, 1, 1.0)
    events = draw(point, 0, 0)
    even = type(events)((False,), (tuple(unit % 2 == 0 for unit in range(8)),))
    # One word of U and one of R.
    assert cost(point, even, LANES).adding == 4 * 2


@pytest.mark.parametrize(("moving", "passes"), [(3, 3), (1, 2), (0, 0)])
def test_a_pass_is_skipped_where_nothing_came(moving, passes):
    point = Point(16, 4, 0.5 if moving else 0.0, 3, moving)
    assert cost(point, draw(point, 0, 0), LANES).reading == 16 * passes


def test_layers_are_stacked_in_three_ways():
    found = [(point.layers, point.moving) for point in layer_points(64, 16, 0.2, 3)]
    assert found == [(1, 1), (1, 0), (2, 2), (2, 1), (2, 0), (3, 3), (3, 1), (3, 0)]


def test_the_dense_reference_is_that_of_the_gru():
    for hidden in (16, 64, 128):
        products = Sizes(inputs=16, hidden=hidden, outputs=10).products(due=False)
        assert gru_cycles(Point(hidden, 16, 1.0)) == products / 8
    # A layer more: H inputs instead of I.
    assert gru_cycles(Point(64, 16, 1.0, 2, 2)) == 3 * 64 * (16 + 64 + 64 + 64) / 8


def test_three_points_are_played(tmp_path, monkeypatch, capsys):
    played = []
    monkeypatch.setattr(cli, "play", lambda row, lanes: played.append(row) or row.costs[0].cycles)
    output = tmp_path / "g.json"
    assert cli.main(["--quick", "--check-rtl", "--output", str(output)]) == 0
    assert len(played) == 3 and played[-1].point == Point(64, 16, 0.2, 4, 1)
    assert capsys.readouterr().out.count("equal to the cycle model") == 3
    figures = json.loads(output.read_text())
    assert [row["cycles"] for row in figures["rtl"]] == [row.costs[0].cycles for row in played]


def test_other_cycles_in_rtl_are_an_error(monkeypatch):
    row = measure(Point(8, 2, 0.5), LANES, 1, 0)
    lengths = []

    def simulate(network, parameters, x, case):
        lengths.append(x.shape[1])
        return [100 + row.costs[0].cycles * x.shape[1]]

    monkeypatch.setattr(sweeps, "simulate", simulate)
    assert play(row, LANES) == row.costs[0].cycles and lengths == [3, 4]
    other = sweeps.Row(row.point, row.events, (Cost(1, 0, 0),))
    with pytest.raises(ValueError, match=rf"the RTL takes {row.costs[0].cycles} .* model says 1"):
        play(other, LANES)


def test_documents_are_refreshed(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "FINE", (0.0, 50.0))
    (tmp_path / "performance.md").write_text(
        "<!-- bench.growth -->\n<!-- end of bench.growth -->\n"
    )
    options = ["--hidden", "16", "32", "--draws", "1", "--output", str(tmp_path / "g.json")]
    assert cli.main([*options, "--docs", str(tmp_path)]) == 0
    text = (tmp_path / "performance.md").read_text()
    assert (tmp_path / "g.md").read_text().strip() in text
    assert (tmp_path / "growth-layers.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rates", "0"], "expected a percentage above 0 and up to 100, not '0'"),
        (["--rates", "101"], "expected a percentage above 0 and up to 100, not '101'"),
        (["--rates", "many"], "not 'many'"),
        (["--hidden", "0"], "expected a number of at least 1, not '0'"),
        (["--draws", "none"], "expected a number of at least 1, not 'none'"),
        (["--quick", "--docs"], "--docs goes without --quick"),
    ],
)
def test_a_bad_option_is_refused(capsys, options, said):
    with pytest.raises(SystemExit) as stopped:
        cli.main(options)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hidden", "300"], "at most 257 sources fit the 16-bit sums, not 300"),
        (["--inputs", "600"], "600"),
    ],
)
def test_a_network_that_does_not_fit_is_said_in_a_line(tmp_path, capsys, options, said):
    output = tmp_path / "g.json"
    assert cli.main([*options, "--draws", "1", "--output", str(output)]) == 1
    found = capsys.readouterr().err
    assert found.startswith("error: ") and said in found and found.count("\n") == 1
    assert not output.exists()
