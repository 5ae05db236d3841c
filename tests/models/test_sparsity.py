"""The sweep of accuracy against events: its rule, and what the command writes."""

import json
from types import SimpleNamespace

import pytest
import torch

from models import sparsity, sweep
from models import train as training
from models.evaluate import evaluate
from models.file import load
from models.sparsity import Setting, Trial, choose, densest, table
from models.tasks import digits

torch.set_num_threads(1)


def trials(*rows):
    """Trials with these (right answers of 200, events by layer)."""
    return [
        Trial(
            Setting(float(number), 0),
            (SimpleNamespace(sequences=200, integer=right / 200, events=events, hold=0.5),),
        )
        for number, (right, events) in enumerate(rows)
    ]


def test_folds_count_by_their_sequences():
    big = SimpleNamespace(sequences=300, integer=1.0, events=(8.0, 2.0), hold=0.75)
    small = SimpleNamespace(sequences=100, integer=0.6, events=(4.0, 6.0), hold=0.25)
    trial = Trial(Setting(1.0, 0), (big, small))
    assert trial.accuracy == pytest.approx(0.9)
    assert trial.layer_events == pytest.approx((7.0, 3.0)) and trial.events == pytest.approx(10)
    assert trial.hold == pytest.approx(0.625)


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        (((198, (30.0,)), (197, (12.0,)), (196, (8.0,))), 1),  # half a point is one of 200
        (((198, (30.0,)), (199, (12.0,)), (190, (8.0,))), 1),
        (((198, (30.0,)), (190, (12.0,)), (191, (8.0,))), 0),  # nothing sparse is good enough
        (((190, (12.0,)), (195, (9.0,)), (196, (9.0,))), 2),  # of equals the more accurate
        (((196, (5.0, 1.0)), (196, (2.0, 3.0))), 1),  # events of all layers
        # Measured against the densest, not against the most accurate.
        (((196, (30.0,)), (200, (20.0,)), (195, (10.0,))), 2),
    ],
)
def test_the_sparsest_within_half_a_point_of_the_densest_is_chosen(rows, chosen):
    assert choose(trials(*rows)) == chosen


def test_the_densest_has_the_most_events_not_the_least_hold():
    rows = trials((190, (5.0,)), (196, (20.0, 1.0)), (196, (20.5,)))
    assert densest(rows) is rows[1]


def test_the_table_has_a_row_for_each_setting():
    lines = table(trials((198, (30.0, 2.0)), (197, (12.0, 1.0))), 1).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| 0 | 0 | 99.00 % | 30.0 + 2.0 | 50.0 % |  |"
    assert lines[3] == "| 1 | 0 | 98.50 % | 12.0 + 1.0 | 50.0 % | chosen |"


def test_the_grid_starts_with_the_usual_training_and_fits_the_digits_network():
    assert sparsity.GRID[0] == Setting(0.0, 0)
    assert len(set(sparsity.GRID)) == len(sparsity.GRID)
    assert all(0 <= setting.theta <= 2 * (2**7 - 1) for setting in sparsity.GRID)


def test_the_command_writes_networks_table_data_and_picture(tmp_path, capsys, monkeypatch):
    grid = (Setting(0.0, 0), Setting(4.0, 40))
    monkeypatch.setattr(training, "GRID", grid)
    seen = []

    def watched(network, part):
        seen.append(part)
        return evaluate(network, part)

    monkeypatch.setattr(sweep, "evaluate", watched)
    monkeypatch.setattr(training, "evaluate", watched)
    output = tmp_path / "d.safetensors"
    options = ["--epochs", "2", "--units", "10", "6", "--output", str(output)]
    assert training.main(["digits", "--sparsity", *options]) == 0
    shown = capsys.readouterr()
    assert "hold-4-theta-40" in shown.err and "14/14" in shown.err  # one progress bar for all
    # The test part is looked at once, for the network that validation chose.
    assert [len(part) for part in seen] == 6 * [449] + [450]

    folder = tmp_path / "d.sparsity"
    assert sorted(path.name for path in folder.iterdir()) == [
        "hold-0-theta-0.safetensors",
        "hold-4-theta-40.safetensors",
        "sparsity.json",
        "sparsity.md",
        "sparsity.png",
    ]
    assert (folder / "sparsity.png").read_bytes().startswith(b"\x89PNG")
    rows = (folder / "sparsity.md").read_text()
    assert rows in shown.out and rows.count("chosen") == 1
    found = json.loads((folder / "sparsity.json").read_text())
    dense, sparse = found["trials"]
    assert (sparse["hold"], sparse["theta"]) == (4.0, 40)
    assert all(fold["agree"] for trial in (dense, sparse) for fold in trial["folds"])
    assert len(sparse["events"]) == 2 and sum(sparse["events"]) < sum(dense["events"])

    chosen = found["trials"][found["chosen"]]
    metrics = json.loads(output.with_suffix(".metrics.json").read_text())
    assert metrics["model"]["theta"] == [chosen["theta"]]
    assert metrics["settings"]["hold"] == chosen["hold"]
    assert metrics["settings"]["keep"] == "last" and metrics["best_epoch"] == 1

    network = load(folder / "hold-4-theta-40.safetensors")
    assert [layer.theta for layer in network.spec.layers] == [40, 40]
    # Float arithmetic on the grid and the integers agree with a dead zone that was trained with.
    assert evaluate(network, digits.load().validation).agree


@pytest.mark.parametrize("part", ["train", "all"])
def test_what_a_sweep_keeps_is_the_same_training_alone(tmp_path, monkeypatch, part):
    monkeypatch.setattr(training, "GRID", (Setting(1.5, 8),))
    options = ["digits", "--epochs", "2", "--units", "6", "--train-on", part, "--output"]
    training.main([*options, str(tmp_path / "a.safetensors"), "--sparsity"])
    alone = ["--hold", "1.5", "--theta", "8", "--keep", "last"]
    training.main([*options, str(tmp_path / "b.safetensors"), *alone])
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_grid_that_the_network_cannot_have_is_refused_before_training(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(training, "GRID", (Setting(0.0, 0), Setting(0.0, 15)))
    output = str(tmp_path / "d.safetensors")
    assert training.main(["digits", "--sparsity", "--hb", "3", "--output", output]) == 2
    assert "0 to 14 (2M at hb = 3), not 15" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
