"""The bench of rules, in its quick form, and what it writes."""

import json

import numpy as np
import pytest

from bench.rules import cli, runs, tables
from bench.rules.picture import worst
from bench.rules.runs import Measures, climatology, measures, with_gaps
from models.rules.seasons import yearly_rules
from models.rules.text import parse
from models.rules.training import RuleBook
from models.tasks import elnino

MARKS = "before\n<!-- bench.rules -->\n<!-- end of bench.rules -->\n"


@pytest.fixture(scope="module")
def task():
    return elnino.load()


@pytest.fixture(scope="module")
def book(task):
    return RuleBook(yearly_rules(task.train), runs.MARGIN)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    output = tmp_path_factory.mktemp("rules") / "rules.json"
    assert cli.main(["--quick", "--output", str(output)]) == 0
    return output


def test_the_quick_form_writes_figures_of_every_network(quick):
    figures = json.loads(quick.read_text())
    assert figures["what"] == "measured" and len(figures["rules"]) == 12
    plans = [(run["cell"], run["pull"], run["seed"]) for run in figures["runs"]]
    assert plans == [(cell, pull, 0) for cell in runs.CELLS for pull in ("none", "teacher")]
    assert [run["agree"] for run in figures["runs"]] == [None, None, True, True, None, None]
    for run in figures["runs"]:
        assert run["projected"]["satisfied"] == run["gaps_projected"]["satisfied"] == 1.0
        # Margin, less what rounding takes.
        assert run["projected"]["robustness"] > runs.MARGIN - 1e-9
        assert 0 < run["test"]["mae"] ** 2 <= run["test"]["mse"]


def test_the_quick_form_draws_and_says_what_it_found(quick):
    assert quick.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    text = quick.with_suffix(".md").read_text()
    assert text.count("| additive, ternary | teacher | ") == 2
    assert "of which 100 % satisfy the rules" in text
    assert "bit for bit in 2 of 2 runs" in " ".join(text.split())


def test_the_rule_in_the_text_reads_as_a_rule(quick):
    rule = quick.with_suffix(".md").read_text().split("```")[1]
    assert parse(rule) == parse(json.loads(quick.read_text())["rules"][1])


def test_documents_are_refreshed(tmp_path, monkeypatch, task, book):
    (tmp_path / "accuracy.md").write_text(MARKS)
    found = {}

    def train_one(cell, pull, seed, *_):
        if (cell, pull) not in found:
            found[cell, pull] = real(cell, pull, seed, task, book, 1)
        return found[cell, pull]

    real = runs.train_one
    monkeypatch.setattr(cli, "train_one", train_one)
    options = ["--cells", "ternary", "--pulls", "none", "teacher", "--seeds", "0"]
    output = tmp_path / "out" / "rules.json"
    assert cli.main([*options, "--docs", str(tmp_path), "--output", str(output)]) == 0
    assert output.with_suffix(".md").read_text().strip() in (tmp_path / "accuracy.md").read_text()
    assert (tmp_path / "rules.png").exists()


def test_a_network_that_differs_from_its_integers_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs, "_agrees", lambda *_: False)
    options = ["--cells", "ternary", "--pulls", "none", "--seeds", "0", "--epochs", "1"]
    assert cli.main([*options, "--output", str(tmp_path / "rules.json")]) == 1
    assert "ternary none seed 0: training and integers differ" in capsys.readouterr().out
    assert not (tmp_path / "rules.png").exists()  # nothing to compare it with


def test_what_came_has_no_error_and_keeps_the_rules(task, book):
    found = measures(task.test.y, task.test, book)
    assert (found.satisfied, found.mse, found.mae) == (1.0, 0.0, 0.0)
    off = measures(task.test.y + 2.0, task.test, book)
    assert off.satisfied < 1 and off.mse == pytest.approx(4) and off.mae == pytest.approx(2)


def test_climatology_is_the_mean_of_each_calendar_month(task):
    found = climatology(task.train, task.test)
    assert found.shape == task.test.y.shape
    assert found[0, 3, 0] == found[3, 0, 0] == found[12, 3, 0]
    assert int(found[0].argmax()) == 2  # March


def test_gaps_are_the_same_every_time_and_leave_the_targets(task):
    part = with_gaps(task.test, -7.0)
    assert (part.x == with_gaps(task.test, -7.0).x).all() and part.y is task.test.y
    assert (part.x == -7.0).mean() == pytest.approx(runs.MISSING, abs=0.02)
    assert (part.x[part.x != -7.0] == task.test.x[part.x != -7.0]).all()


def test_the_text_says_how_many_forecasts_there_are_and_of_which_years(task):
    found = Measures(1.0, 0.3, 2.0, 0.7)
    made = [runs.Run("gru", "none", 0, None, 0, None, found, found, found, found)]
    for rows, said in (
        (121, "121 forecasts of 12 months each from 2000 to 2010. "),
        (110, "110 forecasts of 12 months each from 2000 to 2010. "),
        (109, "109 forecasts of 12 months each from 2000 to 2009. "),
        (1, "1 forecasts of 12 months each from 2000 to 2000. "),
    ):
        text = tables.markdown(made, {}, "sst >= 0.0", task.test.take(np.arange(rows)))
        assert said in " ".join(text.split())
    assert len(task.test) == 121 and "of the 24 past months" in " ".join(text.split())


def test_means_and_ranges_are_those_of_the_seeds(task):
    low, high = Measures(0.5, 0.1, 1.0, 0.5), Measures(1.0, 0.3, 2.0, 0.7)
    made = [
        runs.Run("gru", "none", seed, None, 0, None, found, found, found, found)
        for seed, found in enumerate((low, high))
    ]
    text = tables.markdown(made, {"what came": high}, "sst >= 0.0", task.test)
    assert "| GRU, float | without | 75.0 % (50.0 to 100.0) | 0.20 (0.10 to 0.30) | " in text
    assert "| 1.500 (1.000 to 2.000) | 0.600 (0.500 to 0.700) |" in text
    assert "| what came | | 100.0 % | 0.30 | 2.000 | 0.700 | | |" in text
    assert "integer golden model" not in text


def test_the_worst_forecast_is_drawn():
    assert worst(np.array([0.1, -2.0, -1.0])) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--quick", "--docs"], "--docs goes without --quick"),
        (["--docs", "--cells", "gru"], "--docs draws ternary, none and teacher"),
        (["--pulls", "hope"], "invalid choice: 'hope'"),
        (["--epochs", "0"], "expected a number of at least 1, not '0'"),
        (["--seeds", "-1"], "expected a seed from 0 to 2**64 - 1, not '-1'"),
    ],
)
def test_a_bad_option_is_refused(capsys, options, said):
    with pytest.raises(SystemExit) as stopped:
        cli.main(options)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "    python -m bench.rules --docs\n".strip() in capsys.readouterr().out
