"""The faults fit the sources, and the tool tells a noticed fault from one that is not."""

from dataclasses import replace

import pytest

from sim.mutation import __main__ as mutation
from sim.mutation.faults import FAULTS, Fault

ADDER = Fault("lane does not add", "hdl/core/lane.py", "self.value + term", "self.value")
COMMENT = Fault("a word in a docstring", "hdl/core/lane.py", "One accumulator a cycle.", "One.")


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
