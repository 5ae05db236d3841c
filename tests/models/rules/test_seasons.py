"""The El Niño task and the rules that its training part gives."""

import re
import sys

import numpy as np
import pytest

from models.rules.formula import RuleError
from models.rules.seasons import rule_text, yearly_rules
from models.rules.training import RuleBook
from models.tasks import elnino
from models.tasks.data import TaskError
from tests.models.rules.cases import robustness_of_months


@pytest.fixture(scope="module")
def task():
    return elnino.load()


def test_parts_are_cut_in_time_order_and_share_no_target(task):
    parts = (task.train, task.validation, task.test)
    assert [len(part) for part in parts] == [445, 109, 121]
    series = np.concatenate([task.train.x[0, :, 0], task.train.y[:, 0, 0], task.train.y[-1, 1:, 0]])
    assert len(series) == elnino.TRAIN
    # The first forecast of a later part sees the last months of the part before.
    assert (task.validation.x[0, :, 0] == series[-elnino.PAST :]).all()
    assert not np.isin(task.validation.y[0, 0], series[-elnino.STEPS :]).all()
    assert (task.validation.y[-1, -elnino.STEPS :, 0] == task.test.x[0, -elnino.STEPS :, 0]).all()


def test_months_are_those_of_the_calendar(task):
    assert [int(part.month[0]) for part in (task.train, task.validation, task.test)] == [0, 0, 0]
    # March is the warmest month off Peru, September the coldest.
    mean = [task.train.y[task.train.month == month, 0].mean() for month in range(12)]
    assert (int(np.argmax(mean)), int(np.argmin(mean))) == (2, 8)


def test_the_normalisation_is_that_of_the_training_months(task):
    months = np.concatenate([task.train.x[0, :, 0], task.train.y[:, 0, 0], task.train.y[-1, 1:, 0]])
    prepared = (months - task.normalisation.mean) * task.normalisation.scale
    assert prepared.mean() == pytest.approx(0) and prepared.std() == pytest.approx(1 / 3)


def test_a_series_too_short_is_refused():
    with pytest.raises(TaskError, match="at least 36 months.*found a series of 30"):
        elnino.cut(np.zeros(30), 0, 30)


def test_without_statsmodels_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.datasets", None)
    with pytest.raises(TaskError, match=r"pip install 'addgate\[train\]'"):
        elnino.load()


def test_the_training_part_satisfies_its_rules(task):
    rules = yearly_rules(task.train)
    assert robustness_of_months(rules, task.train).min() >= 0


def test_rules_do_not_depend_on_the_other_parts(task):
    written = {rule_text(task.train, month) for month in range(12)}
    assert len(written) == 12
    assert "(always[0,0] ((sst >= 24.5) and (sst <= 28.3)))" in rule_text(
        task.train, 1
    )  # March is 1 later
    hottest = task.validation.y.max()  # 1998, beyond all of training
    numbers = [float(n) for text in written for n in re.findall(r"<= ([\d.]+)", text)]
    assert max(numbers) < hottest


def test_rules_name_seasons_and_a_crossing(task):
    february = rule_text(task.train, 1)
    assert "(eventually[0,9] (always[0,2] (sst >= 22.9)))" in february
    assert february.endswith("((sst >= 23.0) until[2,7] (sst <= 23.0))")
    assert "(sst <= 23.0) until[2,5] (sst >= 23.0)" in rule_text(task.train, 8)
    assert "until" not in rule_text(task.train, 5)  # June lay on either side


def test_every_month_can_be_taught_with_a_margin(task):
    assert all(len(teacher.clauses) for teacher in RuleBook(yearly_rules(task.train), 0.3).teachers)


def test_a_month_that_never_begins_a_stretch_is_refused(task):
    january = task.train.take(np.flatnonzero(task.train.month == 0))
    with pytest.raises(RuleError, match="begin in month 3, found none"):
        rule_text(january, 3)
