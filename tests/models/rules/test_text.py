"""Rules as text: what is read, what is written, what is refused."""

import pytest
from hypothesis import given, settings

from models.rules.formula import (
    Always,
    And,
    Eventually,
    Implies,
    Not,
    Or,
    Predicate,
    RuleError,
    Until,
)
from models.rules.text import MOST_NESTED, parse
from tests.models.rules.cases import rules

X, Y = Predicate((("x", 1.0),), 1.0), Predicate((("y", -1.0),), -2.0)


@settings(max_examples=300, deadline=None)
@given(rules())
def test_a_written_rule_reads_as_itself(rule):
    assert parse(str(rule)) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("x >= 1", X),
        ("y <= 2", Y),
        ("(x >= 1) and (y <= 2)", And((X, Y))),
        ("x >= 1 and y <= 2 and x >= 1", And((X, Y, X))),
        ("x >= 1 or (y <= 2)", Or((X, Y))),
        ("x >= 1 implies y <= 2", Implies(X, Y)),
        ("not (x >= 1)", Not(X)),
        ("always[0,3] (x >= 1)", Always(0, 3, X)),
        ("always [ 1 , 3 ] eventually[0,2] (x >= 1)", Always(1, 3, Eventually(0, 2, X))),
        ("x >= 1 until[2,4] y <= 2", Until(2, 4, X, Y)),
        ("always[0,0] not (x >= 1) and y <= 2", And((Always(0, 0, Not(X)), Y))),
    ],
)
def test_words(text, rule):
    assert parse(text) == rule


@pytest.mark.parametrize(
    ("text", "terms", "bound"),
    [
        ("2*x + -0.5*y >= 1.5e-1", {"x": 2.0, "y": -0.5}, 0.15),
        ("2*x - 0.5*y >= 1", {"x": 2.0, "y": -0.5}, 1.0),
        ("-x >= -1", {"x": -1.0}, -1.0),
        ("x >= y", {"x": 1.0, "y": -1.0}, 0.0),
        ("x + 1 <= y - 2", {"x": -1.0, "y": 1.0}, 3.0),
        ("3 >= x", {"x": -1.0}, -3.0),
        ("y + x + x >= 0", {"x": 2.0, "y": 1.0}, 0.0),
        ("x - x + y >= .5", {"y": 1.0}, 0.5),
    ],
)
def test_predicates_are_brought_to_one_form(text, terms, bound):
    assert parse(text) == Predicate(tuple(sorted(terms.items())), bound)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a number or a name, found the end at character 1"),
        ("x", "expected '>=' or '<=', found the end at character 2"),
        ("x > 1", "robustness does not tell them from '>' and '<'"),
        ("x >= 1 and y >= 1 or x >= 2", "parentheses where different words meet, found 'or'"),
        ("x >= 1 implies y >= 1 implies x >= 2", "where different words meet, found 'implies'"),
        ("always (x >= 1)", r"expected a window such as \[0,11\], found '\('"),
        ("always[0,1] x >= 1", r"expected '\(' behind 'always', found 'x' at character 13"),
        ("not x >= 1", r"expected '\(' behind 'not', found 'x'"),
        ("always[3,2] (x >= 1)", r"0 <= a <= b, not \[3,2\]"),
        ("always[-1,2] (x >= 1)", "expected a number of time steps, found '-'"),
        ("always[0.5,2] (x >= 1)", "expected a number of time steps, found '0.5'"),
        ("always[0;2] (x >= 1)", "expected ',', found ';' at character 9"),
        ("(x >= 1", r"expected '\)', found the end"),
        ("x >= 1)", r"found '\)' at character 7"),
        ("x * 2 >= 1", r"expected '>=' or '<=', found '\*'"),
        ("2*3 >= x", "expected a name, found '3'"),
        ("and >= 1", "expected a name, found 'and'"),
        ("1 >= 2", "a predicate needs names"),
        ("x - x >= 2", "a predicate needs names"),
        ("x >= 1e999", "finite numbers"),
        ("0*x >= 1", "a predicate needs names"),
    ],
)
def test_what_is_no_rule_is_refused(text, message):
    with pytest.raises(RuleError, match=message):
        parse(text)


@pytest.mark.parametrize("begin", ["(", "not ", "not (", "always[0,1] ", "(x >= 1 and "])
def test_rules_nested_too_deep_are_refused(begin):
    for count in (MOST_NESTED + 1, 100_000):
        with pytest.raises(RuleError, match=r"at most 100 deep .*, found .* one deeper") as error:
            parse(begin * count)
        assert len(str(error.value)) < 200
    with pytest.raises(RuleError, match="found the end"):
        parse(begin * MOST_NESTED)


@pytest.mark.parametrize(
    ("begin", "end"),
    [("(", ")"), ("not (", ")"), ("always[0,1] (", ")"), ("(y >= 1 until[0,1] ", ")")],
)
def test_rules_nested_as_deep_as_allowed_are_rules(begin, end):
    count = MOST_NESTED - 1
    rule = parse(begin * count + "(x >= 1)" + end * count)
    assert parse(str(rule)) == rule and rule.horizon <= MOST_NESTED


def test_a_rule_that_could_not_be_read_back_is_refused():
    """`and` puts its operands in parentheses, so that this is written twice as deep."""
    count = 60
    text = "not (" * count + "x >= 1" + ") and y >= 1" * count
    with pytest.raises(RuleError, match="at most 100 deep .*, found 120 when fully in parentheses"):
        parse(text)
    rule = parse(text.replace("and y >= 1", "", 30))
    assert parse(str(rule)) == rule


def test_words_of_two_need_two():
    with pytest.raises(RuleError, match="'and' needs at least two rules, not 1"):
        And((X,))
