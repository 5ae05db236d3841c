"""The nearest satisfying trace: it satisfies, it is nearest, and what satisfies stays."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings

from models.rules.clauses import MAX_CLAUSES
from models.rules.formula import RuleError
from models.rules.robustness import robustness
from models.rules.teacher import Teacher
from models.rules.text import parse
from tests.models.rules.cases import NAMES, STEPS, holds, rules, traces


def value_of(rule, batch, names=NAMES):
    return robustness(rule, torch.from_numpy(batch), names).numpy()


def teacher_of(rule, steps=STEPS, names=NAMES, margin=0.0):
    try:
        return Teacher(rule, steps, names, margin)
    except RuleError:  # contradictory, or too many clauses
        assume(False)


@settings(max_examples=150, deadline=None)
@given(rules(depth=2), traces(6))
def test_a_projected_trace_satisfies_the_rule_with_the_margin(rule, batch):
    found = teacher_of(rule, margin=0.5).nearest(batch)
    assert value_of(rule, found).min() >= 0.5 - 1e-7


@settings(max_examples=150, deadline=None)
@given(rules(depth=2, mixed=False), traces(6))
def test_where_variables_are_not_mixed_no_rounding_breaks_the_rule(rule, batch):
    found = teacher_of(rule).nearest(batch / 3.0)
    assert value_of(rule, found).min() >= 0.0


@settings(max_examples=150, deadline=None)
@given(rules(depth=2), traces(6))
def test_a_satisfying_trace_is_not_moved(rule, batch):
    found = teacher_of(rule, margin=0.25).nearest(batch)
    stays = value_of(rule, batch) >= 0.25
    assert (found[stays] == batch[stays]).all()
    assert not (found[~stays] == batch[~stays]).all(axis=(1, 2)).any()


# All traces of 4 steps over a grid of quarters would be too many; halves within [-1.5, 1.5] do.
GRID = np.arange(-3, 4) / 2
SMALL = np.array(list(itertools.product(GRID, repeat=4)))[:, :, None]


@settings(max_examples=100, deadline=None)
@given(rules(depth=2, mixed=False, longest=1), traces(1, 4, 1))
def test_no_trace_of_a_grid_is_nearer(rule, batch):
    assume(rule.variables == ("x",) and rule.horizon < 4)
    teacher = teacher_of(rule, 4, ("x",))
    length = ((teacher.nearest(batch) - batch) ** 2).sum()
    satisfying = SMALL[value_of(rule, SMALL, ("x",)) >= 0]
    assert (((satisfying - batch) ** 2).sum(axis=(1, 2)) >= length - 1e-9).all()


PLANE = np.stack(np.meshgrid(*[np.arange(-24, 25) / 8] * 2), axis=-1).reshape(-1, 1, 2)


@settings(max_examples=150, deadline=None)
@given(rules(depth=2, longest=0), traces(1, 1))
def test_no_point_of_a_plane_is_nearer_where_variables_mix(rule, batch):
    teacher = teacher_of(rule, 1)
    length = ((teacher.nearest(batch) - batch) ** 2).sum()
    satisfying = PLANE[value_of(rule, PLANE) >= 0]
    assert (((satisfying - batch) ** 2).sum(axis=(1, 2)) >= length - 1e-7).all()


@settings(max_examples=100, deadline=None)
@given(rules(depth=2, mixed=False, longest=1))
def test_a_rule_is_refused_only_if_nothing_satisfies_it(rule):
    assume(rule.variables == ("x",) and rule.horizon < 4)
    wide = 4 * SMALL
    try:
        Teacher(rule, 4, ("x",))
    except RuleError:
        assert not any(holds(rule, [(v,) for v in trace[:, 0]]) for trace in wide[::7])


@pytest.mark.parametrize(
    ("text", "trace", "nearest"),
    [
        ("always[0,2] (x <= 1)", [0, 2, 3], [0, 1, 1]),
        ("eventually[0,2] (x >= 2)", [0, 1.5, 1], [0, 2, 1]),
        ("eventually[0,1] (always[0,1] (x >= 2))", [0, 1.5, 1], [0, 2, 2]),
        ("(x <= 1) until[1,2] (x >= 1)", [2, 2, 0], [1, 2, 0]),
        ("(x <= 1) until[2,2] (x >= 1)", [2, 2, 0], [1, 1, 1]),
        ("not ((x <= 1) until[0,2] (x >= 3))", [0, 0, 3.5], [0, 0, 3]),
        ("(x >= 2) implies (always[1,2] (x >= 1))", [2.1, 1, 0], [2, 1, 0]),
    ],
)
def test_by_hand(text, trace, nearest):
    batch = np.array(trace, dtype=np.float64)[None, :, None]
    found = Teacher(parse(text), 3, ("x",)).nearest(batch)
    assert found[0, :, 0].tolist() == nearest


def test_a_mixed_predicate_moves_both_variables():
    found = Teacher(parse("always[0,1] (x + y >= 2)"), 2, NAMES).nearest(np.zeros((1, 2, 2)))
    np.testing.assert_allclose(found, 1.0, atol=1e-12)


def test_a_bound_in_the_way_of_a_mixed_predicate():
    rule = parse("(x + y >= 2) and (x <= 0.5)")
    found = Teacher(rule, 1, NAMES).nearest(np.zeros((1, 1, 2)))
    np.testing.assert_allclose(found[0, 0], [0.5, 1.5], atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "(x >= 2) and (x <= 1)",
        "always[0,2] ((x >= 2) and (eventually[0,1] (x <= 1)))",
        "(x + y >= 2) and (x + y <= 1)",
        "(x + y >= 2) and (x <= 0) and (y <= 0)",
    ],
)
def test_a_rule_that_nothing_satisfies_is_refused(text):
    with pytest.raises(RuleError, match="expected a rule that some trace satisfies with margin 0"):
        Teacher(parse(text), 4, NAMES)


def test_a_margin_may_make_a_rule_impossible():
    rule = parse("(x >= 0) and (x <= 1)")
    assert Teacher(rule, 1, ("x",), 0.5).nearest(np.zeros((1, 1, 1))) == 0.5
    with pytest.raises(RuleError, match="satisfies with margin 0.6"):
        Teacher(rule, 1, ("x",), 0.6)


def test_a_rule_of_too_many_clauses_is_refused():
    # One of two variables at each of 14 steps: 2**14 clauses, none within another.
    rule = parse("always[0,13] ((x >= 1) or (y >= 1))")
    with pytest.raises(RuleError, match=f"at most {MAX_CLAUSES} clauses"):
        Teacher(rule, 14, NAMES)


def test_clauses_within_others_are_left_out():
    teacher = Teacher(parse("(x >= 1) or ((x >= 2) and (x <= 3)) or (x >= 1)"), 1, ("x",))
    assert len(teacher.clauses) == 1


def test_what_does_not_fit_is_refused():
    rule = parse("always[0,2] (x >= 1)")
    with pytest.raises(RuleError, match="at least 3 steps, not 2"):
        Teacher(rule, 2, ("x",))
    with pytest.raises(RuleError, match="margin must be a finite number of at least 0, not -1"):
        Teacher(rule, 3, ("x",), -1.0)
    teacher = Teacher(rule, 3, ("x",))
    with pytest.raises(RuleError, match=r"shape \[N, 3, 1\], not \[1, 2, 1\]"):
        teacher.nearest(np.zeros((1, 2, 1)))
    with pytest.raises(RuleError, match="must be finite"):
        teacher.nearest(np.full((1, 3, 1), np.nan))
    assert teacher.nearest(np.zeros((0, 3, 1))).shape == (0, 3, 1)


def test_many_traces_are_taken_in_pieces(monkeypatch):
    monkeypatch.setattr("models.rules.teacher._NUMBERS_AT_ONCE", 7)
    found = Teacher(parse("eventually[0,2] (x >= 1)"), 3, ("x",)).nearest(np.zeros((5, 3, 1)))
    assert (found.sum(axis=(1, 2)) == 1).all()
