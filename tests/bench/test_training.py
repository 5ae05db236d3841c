"""`bench.training` and `bench.fraction_bits`: what is run, what is refused, and what is written."""

import json

import pytest

from bench import fraction_bits, training


@pytest.fixture
def runs(monkeypatch):
    """The seeds of the trainings asked for, which give good figures at once."""
    asked = {"digits": [], "adding": [], "sparse": 0}

    def digits_run(seed):
        asked["digits"].append(seed)
        return {"seed": seed, "integer": 0.98, "seconds": 9.0, "agree": True}

    def adding_run(seed, quantized):
        asked["adding"].append((seed, quantized))
        return {"seed": seed, "kind": "ternary", "mse": 0.001, "agree": True}

    def sparse_run():
        asked["sparse"] += 1
        return {"integer": 0.96, "seconds": 9.0, "agree": True, "as_shipped": True}

    monkeypatch.setattr(training, "digits_run", digits_run)
    monkeypatch.setattr(training, "adding_run", adding_run)
    monkeypatch.setattr(training, "sparse_run", sparse_run)
    return asked


@pytest.mark.parametrize(
    ("arguments", "digits", "adding", "sparse"),
    [
        ([], [0, 1, 2], 6, 1),
        (["--quick"], [0], 0, 1),
        (["--quick", "--seeds", "3", "4"], [0], 0, 1),
        (["--only", "digits", "--seeds", "7"], [7], 0, 0),
        (["--only", "adding", "--seeds", "0", "7"], [], 4, 0),
    ],
)
def test_what_is_trained(runs, tmp_path, arguments, digits, adding, sparse):
    output = tmp_path / "new" / "training.json"
    assert training.main([*arguments, "--output", str(output)]) == 0
    assert (runs["digits"], len(runs["adding"]), runs["sparse"]) == (digits, adding, sparse)
    written = json.loads(output.read_text())
    assert written["what"] == "measured" and written["missed"] == []


def test_a_missed_bar_is_said(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "ACCURACY", 0.99)
    output = tmp_path / "training.json"
    assert training.main(["--quick", "--output", str(output)]) == 1
    assert "missed: digits: mean accuracy 0.9800 is below 0.99" in capsys.readouterr().out
    assert json.loads(output.read_text())["missed"]


def test_a_sparse_network_that_differs_from_its_integers_is_missed(
    runs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(training, "sparse_run", lambda: {"agree": False})
    assert training.main(["--quick", "--output", str(tmp_path / "t.json")]) == 1
    assert "missed: digits, sparse: QAT and integers differ" in capsys.readouterr().out


def test_the_sparse_network_is_trained_by_its_command(monkeypatch, capsys):
    short = f"{training.SPARSE_COMMAND} --epochs 1"
    monkeypatch.setattr(training, "SPARSE_COMMAND", short)
    found = training.sparse_run()
    assert (found["arguments"], found["agree"], found["as_shipped"]) == (short, True, False)
    assert capsys.readouterr().out.endswith("as shipped: False\n")


def test_a_sparse_training_that_fails_ends_in_a_line(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr(training, "digits_run", lambda seed: {"integer": 1.0})
    monkeypatch.setattr(training, "SPARSE_COMMAND", "digits --theta 999")
    assert training.main(["--quick", "--output", str(tmp_path / "t.json")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: models.train digits --theta 999: error: theta must be from 0")


def test_the_documents_name_the_commands_that_made_the_shipped_networks():
    about = (training.ZOO / "README.md").read_text(encoding="utf-8")
    for network, command in (
        (training.SPARSE, training.SPARSE_COMMAND),
        (training.DENSE, "digits"),
    ):
        place = f"models/zoo/{network.name}"
        assert f"    python -m models.train {command} --output {place}\n" in about


def test_a_training_that_fails_ends_in_a_line(runs, tmp_path, monkeypatch, capsys):
    def fail(seed):
        raise FloatingPointError("the loss became nan in epoch 3")

    monkeypatch.setattr(training, "digits_run", fail)
    assert training.main(["--output", str(tmp_path / "training.json")]) == 1
    assert capsys.readouterr().err == "error: the loss became nan in epoch 3\n"


@pytest.fixture
def trained(monkeypatch):
    """The trainings asked for, by task, F and seed."""
    asked = []

    def train_with(task, name, bits, seed):
        asked.append((name, bits, seed))
        return 0.5, 0.25

    monkeypatch.setattr(fraction_bits, "train_with", train_with)
    return asked


@pytest.mark.parametrize(
    ("arguments", "digits", "adding"),
    [
        ([], 15, 6),
        (["--quick"], 3, 0),
        (["--quick", "--adding-seeds", "1", "--fraction-bits", "5"], 1, 0),
        (["--fraction-bits", "7", "--adding-seeds"], 5, 0),
        (["--fraction-bits", "7", "--adding-seeds", "3"], 5, 1),
    ],
)
def test_what_is_compared(trained, tmp_path, arguments, digits, adding):
    output = tmp_path / "new" / "fraction_bits.json"
    options = [*arguments, "--length", "4", "--output", str(output)]
    assert fraction_bits.main(options) == 0
    names = [name for name, _, _ in trained]
    assert (names.count("digits"), names.count("adding")) == (digits, adding)
    written = json.loads(output.read_text())
    assert written["what"] == "measured" and len(written["runs"]) == digits + adding


def test_a_length_that_no_problem_has_is_said_before_training(trained, tmp_path, capsys):
    options = ["--length", "1", "--output", str(tmp_path / "fraction_bits.json")]
    assert fraction_bits.main(options) == 1
    assert "error: the adding problem needs a length of at least 2" in capsys.readouterr().err
    assert not trained


@pytest.mark.parametrize("bench", [training, fraction_bits])
def test_a_folder_that_cannot_be_written_is_noticed_before_training(
    runs, trained, tmp_path, capsys, bench
):
    (tmp_path / "file").write_text("")
    assert bench.main(["--output", str(tmp_path / "file" / "figures.json")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and str(tmp_path / "file") in said
    assert not trained and runs == {"digits": [], "adding": [], "sparse": 0}


@pytest.mark.parametrize(
    ("bench", "arguments", "message"),
    [
        (training, ["--seeds", "-1"], "expected a seed from 0 to 2**64 - 1, not '-1'"),
        (training, ["--seeds", "one"], "expected a seed from 0 to 2**64 - 1, not 'one'"),
        (training, ["--quick", "--only", "adding"], "not allowed with"),
        (fraction_bits, ["--adding-seeds", "-1"], "expected a seed"),
        (fraction_bits, ["--fraction-bits", "0"], "at least 1, not '0'"),
        (fraction_bits, ["--length", "-5"], "at least 1, not '-5'"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, bench, arguments, message):
    with pytest.raises(SystemExit) as ended:
        bench.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bench", "example", "quick"),
    [
        (training, "python -m bench.training --only digits --seeds 3 4\n", "no adding problem"),
        (fraction_bits, "python -m bench.fraction_bits --fraction-bits 5 7", "no mean over folds"),
    ],
)
def test_help_has_examples_and_says_what_quick_leaves_out(capsys, bench, example, quick):
    with pytest.raises(SystemExit):
        bench.main(["--help"])
    said = capsys.readouterr().out
    assert f"    {example}" in said and quick in " ".join(said.split())
