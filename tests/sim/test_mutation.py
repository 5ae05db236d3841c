"""The faults fit the sources, and the tool tells a noticed fault from one that is not."""

import json
from dataclasses import replace

import pytest

from sim.mutation import __main__ as mutation
from sim.mutation.faults import FAULTS, Fault

ADDER = Fault("lane does not add", "hdl/core/lane.py", "self.value + both", "self.value")
COMMENT = Fault(
    "a word in a docstring", "hdl/core/lane.py", "One accumulator and two events a cycle.", "One."
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_fits_the_sources(fault):
    text = (mutation.ROOT / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1
    assert fault.new != fault.old


def test_names_are_unique():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_a_fault_that_does_not_fit_is_an_error_that_names_it(tmp_path):
    (tmp_path / "hdl/core").mkdir(parents=True)
    (tmp_path / ADDER.file).write_text("nothing of the kind", encoding="utf-8")
    with pytest.raises(ValueError, match="lane does not add.*found it 0 times"):
        mutation.apply(ADDER, tmp_path)


def test_a_fault_is_noticed_and_a_harmless_change_is_not(tmp_path, monkeypatch):
    quick = "tests/hdl/core/test_order_rules.py::test_unchanged_engine_keeps_the_rules"
    monkeypatch.setattr(mutation, "tests_for", lambda file: [quick])
    mutation.copy_tree(tmp_path)
    noticed = mutation.try_fault(ADDER, tmp_path)
    assert noticed.noticed_by == quick
    harmless = mutation.try_fault(COMMENT, tmp_path)
    assert harmless.noticed_by == ""
    assert (tmp_path / ADDER.file).read_text() == (mutation.ROOT / ADDER.file).read_text()

    known = replace(harmless, fault=replace(COMMENT, equivalent="it is a comment"))
    assert [outcome.right for outcome in (noticed, harmless, known)] == [True, False, True]
    text = mutation.table([noticed, harmless, known])
    assert "3 faults: 1 noticed, 1 known to change nothing, 1 open." in text
    assert "**nothing**" in text
    assert "no test can: it is a comment" in text


def test_record_is_kept_for_the_same_sources_only(tmp_path, monkeypatch):
    outcome = mutation.Outcome(ADDER, "a test", 1.5)
    path = tmp_path / "mutation.json"
    mutation.Record(path, keep=False).add(outcome)
    assert mutation.Record(path, keep=True).find(ADDER) == outcome
    assert mutation.Record(path, keep=False).find(ADDER) is None
    monkeypatch.setattr(mutation, "source_digest", lambda root, patterns: "others")
    assert mutation.Record(path, keep=True).find(ADDER) is None


def test_a_run_that_finds_no_test_is_no_notice(tmp_path):
    mutation.copy_tree(tmp_path)
    with pytest.raises(RuntimeError, match="test_nowhere.py ended with status 4"):
        mutation.run_tests(["tests/test_nowhere.py"], tmp_path)


def test_words_that_name_no_fault_are_refused():
    with pytest.raises(SystemExit, match="no fault has 'nonsense'"):
        mutation.main(["--only", "nonsense", "--list"])


@pytest.fixture
def idle(tmp_path, monkeypatch):
    """A place for the results; no test of the repository may run."""
    monkeypatch.setenv("ADDGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mutation, "run_tests", lambda *_: pytest.fail("too late"))
    return tmp_path / "cache" / "sim" / "mutation.json"


def sources():
    patterns = [f"{name}/**/*.py" for name in mutation._COPIED]
    return mutation.source_digest(mutation.ROOT, patterns)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "JSONDecodeError"),
        ('{"sources": "a", "resu', "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"sources": "a"}', "KeyError('results')"),
        ('{"sources": "a", "results": []}', "AttributeError"),
        ('{"sources": "a", "results": {"a fault": ["a test"]}}', "not enough values"),
        ('{"sources": "a", "results": {"a fault": ["a test", "long"]}}', "to float: 'long'"),
        ('{"sources": "a", "results": {"a fault": [null, 1.5]}}', "None as the test"),
    ],
)
def test_a_spoilt_record_is_said_and_kept(idle, capsys, text, found):
    idle.parent.mkdir(parents=True)
    idle.write_text(text)
    assert mutation.main(["--continue", "--only", "walker"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {idle}: expected the results of an earlier run, found ")
    assert found in said and "delete the file, or run without --continue" in said
    assert idle.read_text() == text


def test_a_spoilt_record_does_not_matter_to_a_new_run(tmp_path):
    path = tmp_path / "mutation.json"
    path.write_text("{")
    outcome = mutation.Outcome(ADDER, "a test", 1.5)
    mutation.Record(path, keep=False).add(outcome)
    assert json.loads(path.read_text())["results"] == {ADDER.name: ["a test", 1.5]}


@pytest.mark.parametrize("kind", ["a folder", "in a file"])
def test_an_output_that_cannot_be_written_is_noticed_before_the_work(idle, tmp_path, capsys, kind):
    output = tmp_path / "mutants.md"
    if kind == "a folder":
        output.mkdir()
    else:
        output.write_text("")
        output = output / "table.md"
    assert mutation.main(["--only", "walker", "--output", str(output)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and str(tmp_path / "mutants.md") in said


def test_a_cache_that_cannot_be_written_is_noticed_before_the_work(
    idle, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ADDGATE_CACHE", str(tmp_path / "file"))
    assert mutation.main(["--only", "walker"]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_whole_run_is_taken_over_and_its_table_written(idle, tmp_path, monkeypatch, capsys):
    chosen = mutation._chosen(["walker"])
    results = {f.name: ["" if f.equivalent else "a test", 1.5] for f in chosen}
    idle.parent.mkdir(parents=True)
    idle.write_text(json.dumps({"sources": sources(), "results": results}))
    # Without a fault nothing is left to run, and no fault is tried again.
    monkeypatch.setattr(mutation, "run_tests", lambda tests, root: "")
    monkeypatch.setattr(mutation, "try_fault", lambda *_: pytest.fail("tried again"))
    output = tmp_path / "new" / "mutants.md"
    assert mutation.main(["--continue", "--only", "walker", "--output", str(output)]) == 0
    assert f"{len(chosen)} of {len(chosen)} as they should be" in capsys.readouterr().out
    assert output.read_text().startswith("# Faults in the gateware")
