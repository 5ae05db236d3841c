"""The accuracy bench: its file of studies, what it trains, its tables, how it stops and goes on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

from bench.accuracy import cli
from bench.accuracy.run import Choice, build, result, train
from bench.accuracy.studies import CELLS, read
from bench.accuracy.study import TIE, stored, study
from bench.accuracy.tables import markdown, picture
from models.qat import QuantizedNetwork
from models.tasks import digits
from models.training import History

torch.set_num_threads(1)
CHOICE = Choice(0.01, 0.01, 2.0, 1.0)


@pytest.fixture(scope="module")
def data():
    return digits.load()


def tiny(**changes):
    """Studies of digits that take a second each."""
    studies = read()
    task = replace(studies.tasks["digits"], units=(6,), steps=12, checks=3, tuning=0.5, trials=None)
    return replace(studies, trials=2, seeds=(0, 1), tasks={"digits": replace(task, **changes)})


def test_every_cell_has_as_many_trials_and_batches():
    studies = read()
    for task in studies.tasks.values():
        assert 0 < task.tuning <= 1 and task.steps % task.checks == 0
        assert set(task.cells) <= set(studies.own)
        assert {"additive", "gru", "lstm"} <= set(task.cells) or task.task
    assert len(studies.seeds) >= 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tasks: {letters: {units: [4], mode: last, steps: 1, tuning: 1, checks: 1}}",
         "no task 'letters'"),
        ("tasks: {digits: {units: [4], mode: last, steps: 1, tuning: 1, checks: 1, cells: [rnn]}}",
         "no cell 'rnn'"),
        ("tasks: {digits: {sizes: [4]}}", "unknown key 'sizes'"),
        ("tasks: {digits: {units: [4]}}", "lacks the key 'mode'"),
        ("", "lacks the key 'tasks'"),
        ("tasks: {digits: {units: 64, mode: last, steps: 1, tuning: 1, checks: 1}}",
         "units must be a list of integers of at least 1, not 64"),
        ("tasks: {digits: {units: [4], mode: lost, steps: 1, tuning: 1, checks: 1}}", "mode must"),
        ("tasks: {digits: {units: [4], mode: last, steps: -3, tuning: 1, checks: 1}}",
         "of at least 1"),
        ("tasks: {digits: {units: [4], mode: last, steps: 3, tuning: 7, checks: 1}}",
         "tuning must"),
        ("tasks: {}\nlearning_rate: [1, 0.1]", "two numbers in order"),
        ("tasks: 3", "must be mappings"),
        ("tasks: [", "expected"),
    ],
)  # fmt: skip
def test_a_wrong_file_of_studies_is_named(tmp_path, change, message):
    path = tmp_path / "s.yaml"
    from bench.accuracy.studies import STUDIES

    text = STUDIES.read_text(encoding="utf-8")
    path.write_text(text[: text.index("tasks:")] + change)
    with pytest.raises(ValueError, match="s.yaml") as raised:
        read(path)
    assert message in str(raised.value)


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_starts_as_its_choice_says(cell, data):
    task = tiny().tasks["digits"]
    torch.manual_seed(0)
    one = build(cell, data, task, CHOICE)
    torch.manual_seed(0)
    other = build(cell, data, task, replace(CHOICE, input_scale=1.0, own=0.5))
    scaled = [
        (a, b)
        for (name, a), (_, b) in zip(
            one.rnn.named_parameters(), other.rnn.named_parameters(), strict=True
        )
        if "weight_ih" in name
    ]
    assert scaled
    for a, b in scaled:
        assert torch.allclose(a, 2 * b)
    if cell in ("gru", "lstm"):  # rows r, z, n, and i, f, g, o: the second are what holds
        one_bias, other_bias = (dict(n.rnn.named_parameters()) for n in (one, other))
        (name,) = [key for key in one_bias if "bias_ih" in key]
        moved = one_bias[name] - other_bias[name]
        assert torch.allclose(moved[6:12], torch.tensor(0.5)) and not moved[:6].any()
        assert not moved[12:].any()
    # The constant of its own: a parameter, or how it computes.
    x = torch.from_numpy(data.test.x[:4])
    unscaled = build(cell, data, task, CHOICE)
    unscaled.load_state_dict(one.state_dict())
    if "threshold" not in cell and "hitnet" not in cell:
        own = [
            name
            for (name, a), (_, b) in zip(
                one.rnn.named_parameters(), other.rnn.named_parameters(), strict=True
            )
            if "weight" not in name and not torch.equal(a, b)
        ]
        assert own, cell
    assert torch.equal(one.eval()(x).logits, unscaled.eval()(x).logits)


@pytest.mark.parametrize("cell", CELLS)
def test_all_cells_have_the_tasks_dropout(cell, data):
    task = replace(tiny().tasks["digits"], dropout=0.25)
    assert build(cell, data, task, CHOICE).dropout == 0.25


def test_a_run_takes_its_share_of_batches(data, monkeypatch):
    taken = []
    studies = tiny()
    task = studies.tasks["digits"]

    def counting(part, size, *arguments):
        for _ in range(3):
            taken.append(size)
            yield part.take(np.arange(size))

    monkeypatch.setattr("bench.accuracy.run.batches", counting)
    _, history, seconds = train("gru", data, task, studies, CHOICE, 0)
    assert len(taken) == 12 and len(history.loss) == 3 and seconds > 0
    taken.clear()
    _, history, _ = train("gru", data, task, studies, CHOICE, 0, share=0.34)
    assert len(taken) == 4 and len(history.loss) == 1


@pytest.mark.parametrize("warm_up", [0.0, 0.34])
def test_a_warm_up_is_part_of_the_budget(data, warm_up):
    told = []
    studies = tiny(warm_up=warm_up)
    module, history, _ = train(
        "additive", data, studies.tasks["digits"], studies, CHOICE, 0,
        report=lambda number, _: told.append(number),
    )  # fmt: skip
    assert isinstance(module, QuantizedNetwork) and len(told) == 3
    assert len(history.loss) == (2 if warm_up else 3)
    whole, _, _ = train("additive-float", data, studies.tasks["digits"], studies, CHOICE, 0)
    assert not isinstance(whole, QuantizedNetwork)


def test_the_event_rate_is_that_of_the_test_part(data):
    studies = tiny()
    module, history, _ = train("egru", data, studies.tasks["digits"], studies, CHOICE, 0)
    found = result("egru", data, module, history, 1.0)
    with torch.no_grad():
        given = module(torch.from_numpy(data.test.x)).states[0]
    assert found["active"] == pytest.approx(float((given != 0).double().mean()))
    assert found["measure"] == "accuracy" and 0 <= found["test"] <= 1


def test_a_study_chooses_by_validation_alone(data):
    """With another test part everything but the test figures is the same."""
    studies = tiny()
    other = replace(data, test=data.train.take(np.arange(50)))
    one, two = (study("digits", "additive", d, studies, lambda *_: None) for d in (data, other))
    best = max(one["trials"], key=lambda trial: trial["validation"] - TIE * trial["loss"])
    assert {key: best[key] for key in one["chosen"]} == one["chosen"]
    assert one["chosen"] == two["chosen"]
    assert [r["validation"] for r in one["runs"]] == [None, None]  # trained on it
    assert two["runs"][0]["integer"]["sequences"] == 50
    assert all(run["agree"] and run["integer"]["sequences"] == 450 for run in one["runs"])
    assert [run["seed"] for run in one["runs"]] == [0, 1]
    assert one["runs"][0]["integer"] != one["runs"][1]["integer"]  # other weights
    first = {key: round(one["trials"][0][key], 6) for key in one["chosen"]}
    assert first == {
        "learning_rate": 0.004472, "weight_decay": 0.017321, "input_scale": 2.0, "own": 0.4
    }  # fmt: skip
    assert len(one["trials"]) == 2 and optuna.logging.get_verbosity() == optuna.logging.WARNING


@pytest.mark.parametrize("retrain", [True, False])
def test_runs_train_on_the_validation_part_if_the_task_says_so(data, monkeypatch, retrain):
    seen = []

    def watching(part, size, *arguments):
        seen.append(len(part))
        yield part.take(np.arange(size))

    monkeypatch.setattr("bench.accuracy.run.batches", watching)
    found = study("digits", "gru", data, tiny(retrain=retrain), lambda *_: None)
    assert set(seen[:12]) == {1144}  # two trials of six batches
    assert set(seen[12:]) == {1347 if retrain else 1144} and len(seen) == 12 + 24
    assert (found["runs"][0]["validation"] is None) == retrain


@pytest.mark.parametrize(("name", "sign"), [("accuracy", 1), ("error rate", -1)])
def test_of_equal_trials_the_one_with_the_lower_loss_is_chosen(data, monkeypatch, name, sign):
    losses = iter([0.9, 0.2])

    def trained(*_, **__):
        loss = next(losses, 0.5)
        return None, History([loss], [loss], [0.75], 0), 1.0

    monkeypatch.setattr("bench.accuracy.study.train", trained)
    monkeypatch.setattr("bench.accuracy.study.result", lambda *_: {"test": 0.5})
    monkeypatch.setattr("bench.accuracy.study.measure_name", lambda *_: name)
    found = study("digits", "gru", data, tiny(), lambda *_: None)
    assert found["chosen"] == {key: found["trials"][1][key] for key in found["chosen"]}


def found_study(cell="gru", tests=(0.9, 0.95, 0.925), **more):
    runs = [
        {"seed": s, "validation": 0.9, "test": t, "parameters": 10, "seconds": 2.0, **more}
        for s, t in enumerate(tests)
    ]
    chosen = {"learning_rate": 0.01, "weight_decay": 0.1, "input_scale": 1.5, "own": 0.25}
    return {
        "task": "digits", "cell": cell, "units": [64], "measure": "accuracy", "runs": runs,
        "trials": [{**chosen, "validation": 0.9}] * 4, "chosen": chosen,
        "settings": {"steps": 7, "retrain": True},
    }  # fmt: skip


def test_tables_show_mean_and_spread():
    text = markdown([found_study(), found_study("additive", active=0.25, agree=True)])
    lines = text.splitlines()
    assert "**92.50 ± 2.50 %**" in text and "90.00, 95.00, 92.50" in text
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert rows[0].startswith("| additive") and "| 25 % | yes |" in rows[0]
    assert rows[1].startswith("| gru") and "0.01, 0.1, 1.5, 0.25" in rows[1]
    assert "| NO |" in markdown([found_study("additive", agree=False)])
    assert picture([found_study()]).startswith(b"\x89PNG")


def test_speakers_left_out_have_a_table_of_their_own():
    study = found_study()
    study["left_out"] = [
        {"speaker": name, "seed": 0, "test": value} for name, value in (("ann", 0.5), ("bob", 0.9))
    ]
    text = markdown([study])
    assert "| cell | ann | bob | mean |\n|---|---|---|---|" in text
    assert "| gru | 50.0 | 90.0 | **70.0** |" in text


def test_a_network_is_trained_for_each_speaker_left_out(data):
    asked = []

    def without(speaker):
        asked.append(speaker)
        return replace(data, test=data.test.take(np.arange(7)))

    studies = tiny(left_out=("ann", "bob"), seeds=(4,))
    found = study("digits", "gru", data, studies, lambda *_: None, without)
    assert asked == [run["speaker"] for run in found["left_out"]] == ["ann", "bob"]
    assert [run["seed"] for run in found["runs"]] == [4]
    assert all(
        run["test"] * 7 == pytest.approx(round(run["test"] * 7)) for run in found["left_out"]
    )


def test_the_command_trains_what_is_missing_and_makes_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "read", lambda path=None: tiny(cells=("additive", "gru")))
    output, docs = tmp_path / "acc", tmp_path / "docs"
    docs.mkdir()
    page = "# A\n<!-- bench.accuracy -->\nold\n<!-- end of bench.accuracy -->\nend\n"
    (docs / "accuracy.md").write_text(page)
    arguments = ["--tasks", "digits", "--output", str(output)]
    assert cli.main([*arguments, "--cells", "gru"]) == 0
    first = (output / "digits.gru.json").read_text()
    assert cli.main([*arguments, "--docs", str(docs)]) == 0
    assert (output / "digits.gru.json").read_text() == first  # not trained again
    names = [study["cell"] for study in stored(output)]
    assert names == ["additive", "gru"]
    shown = capsys.readouterr().out
    written = (docs / "accuracy.md").read_text()
    assert "### digits" in shown and "| additive | 6 |" in written and "old" not in written
    assert written.endswith("end\n") and (docs / "accuracy.png").exists()
    assert cli.main(["--tables", "--output", str(output)]) == 0
    assert "| gru | 6 |" in capsys.readouterr().out


def test_networks_that_are_not_exact_are_an_error(tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps(found_study("additive", agree=False)))
    assert cli.main(["--tables", "--output", str(tmp_path)]) == 1
    assert "NOT EXACT: digits, additive" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "holds no studies"), ("{}", "holds no study"), ("[", "no study")],
)
def test_a_folder_without_studies_is_refused(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    assert cli.main(["--tables", "--output", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_a_study_that_was_made_otherwise_is_trained_again(tmp_path, capsys, monkeypatch):
    output = tmp_path / "acc"
    arguments = ["--tasks", "digits", "--cells", "gru", "--output", str(output)]
    monkeypatch.setattr(cli, "read", lambda path=None: tiny(cells=("gru",), steps=6))
    assert cli.main(arguments) == 0
    monkeypatch.setattr(cli, "read", lambda path=None: tiny(cells=("gru",)))
    assert cli.main(["--tables", "--output", str(output)]) == 0
    assert "NOT AS IN" in capsys.readouterr().out
    assert cli.main(arguments) == 0
    assert "NOT AS IN" not in capsys.readouterr().out
    assert stored(output)[0]["settings"]["steps"] == 12


def test_quick_has_a_folder_of_its_own(monkeypatch):
    assert cli._parse(["--quick"]).output != cli._parse([]).output


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"left_out": ("eve",)}, ["--tasks", "digits"], "left out of spoken digits only"),
        ({}, ["--tasks", "letters"], "has no study 'letters'; it has digits"),
        ({"task": "digit-strings", "retrain": True}, ["--tasks", "digits"], "drawn fresh"),
    ],
)
def test_what_cannot_be_is_known_before_training(
    tmp_path, capsys, monkeypatch, changes, arguments, message
):
    monkeypatch.setattr(cli, "read", lambda path=None: tiny(**changes))
    monkeypatch.setattr(cli, "study", None)  # not reached
    assert cli.main([*arguments, "--output", str(tmp_path / "acc")]) == 1
    assert message in capsys.readouterr().err


def test_quick_goes_alone(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--quick", "--docs"])
    assert "--quick is a form of its own" in capsys.readouterr().err


def test_the_document_shows_the_stored_studies():
    root = Path(cli.__file__).parents[2]
    found = stored(root / "bench" / "accuracy" / "results")
    text = (root / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert markdown(found) in text
    assert all(cli._is_asked(one, read()) for one in found)
