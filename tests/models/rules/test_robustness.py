"""Robustness against rtamt, against plain truth, and its gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from models.rules.formula import RuleError
from models.rules.robustness import robustness, satisfied
from models.rules.text import parse
from tests.models.rules.cases import NAMES, STEPS, holds, rules, traces

# Its parser's runtime needs `typing.io`, which Python 3.13 no longer has.
rtamt = pytest.importorskip("rtamt", exc_type=ImportError)

SETTINGS = settings(max_examples=400, deadline=None)


def second_opinion(rule, batch):
    """Robustness by rtamt, which takes one trace at a time."""
    monitor = rtamt.StlDiscreteTimeOfflineSpecification()
    for name in NAMES:
        monitor.declare_var(name, "float")
    monitor.spec = str(rule)
    monitor.parse()
    steps = list(range(batch.shape[1]))
    return [
        monitor.evaluate({"time": steps, **dict(zip(NAMES, trace.T.tolist(), strict=True))})[0][1]
        for trace in batch
    ]


def ours(rule, batch):
    return robustness(rule, torch.from_numpy(batch), NAMES)


@SETTINGS
@given(rules(), traces(8))
def test_robustness_is_rtamts(rule, batch):
    # Quarters times halves are exact in float64, so the two are equal, not only near.
    assert ours(rule, batch).tolist() == second_opinion(rule, batch)


@SETTINGS
@given(rules(), traces(8))
def test_its_sign_is_the_truth(rule, batch):
    found = ours(rule, batch).tolist()
    truth = [holds(rule, trace) for trace in batch]
    assert all(value >= 0 if true else value <= 0 for value, true in zip(found, truth, strict=True))


@SETTINGS
@given(rules(), traces(2))
def test_no_smaller_change_alters_the_truth(rule, batch):
    first, second = batch
    # A change of each number by at most d changes a predicate by at most 6 d (|c| sums to 6).
    value = float(ours(rule, first[None]))
    nearby = first + (second - first) / 6 * min(1.0, 0.99 * abs(value) / 6)
    if value and np.abs(nearby - first).max() * 6 < abs(value):
        assert holds(rule, nearby) == (value > 0)


@settings(max_examples=200, deadline=None)
@given(rules(), traces(1))
def test_the_gradient_is_that_of_what_is_computed(rule, batch):
    # Off the grid on which the values of two predicates meet: there a minimum has no gradient.
    apart = np.random.default_rng(0).uniform(0.01, 0.2, batch.shape)
    x = torch.from_numpy(batch + apart).requires_grad_()
    value = ours_tensor(rule, x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    step = 1e-6
    number = int(slope.abs().argmax())
    moved = x.detach().clone().view(-1)
    moved[number] += step
    change = float(ours_tensor(rule, moved.view(x.shape)) - value.detach()) / step
    assert slope.abs().sum() > 0
    assert change == pytest.approx(float(slope.view(-1)[number]), abs=1e-4)


def ours_tensor(rule, x):
    return robustness(rule, x, NAMES)


def test_gradcheck_of_every_word():
    torch.manual_seed(0)
    x = torch.rand(3, STEPS, 2, dtype=torch.float64, requires_grad=True)
    rule = parse(
        "(always[0,3] (x + -2*y >= 0.1)) and ((x >= 0.3) until[1,4] (not (y >= 0.7))) and "
        "(eventually[2,5] ((x >= 0.4) implies ((y >= 0.2) or (x <= 0.5))))"
    )
    assert torch.autograd.gradcheck(lambda t: ours_tensor(rule, t), (x,))


def test_steps_that_decide_equally_share_the_gradient():
    x = torch.zeros(1, 4, 1, requires_grad=True)
    robustness(parse("always[0,3] (x >= 0)"), x, ("x",)).backward()
    assert x.grad.flatten().tolist() == [0.25] * 4


def test_a_robustness_of_zero_is_satisfaction():
    x = torch.tensor([[[1.0]], [[0.5]]])
    assert satisfied(parse("x >= 1"), x, ("x",)).tolist() == [True, False]


def test_an_until_leaves_out_the_step_at_which_it_ends():
    x = torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]])  # x fails at the step where y comes true
    rule = parse("(x >= 0) until[0,1] (y >= 0)")
    assert float(robustness(rule, x, NAMES)) == 1.0


def test_a_later_window_leaves_no_gap_in_an_until():
    x = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]]])  # x fails at once
    rule = parse("(x >= 0) until[2,2] (y >= 0)")
    assert float(robustness(rule, x, NAMES)) == -1.0


@pytest.mark.parametrize(
    ("text", "horizon"),
    [
        ("x >= 0", 0),
        ("always[2,5] (x >= 0)", 5),
        ("always[2,5] eventually[0,3] (x >= 0)", 8),
        ("(always[0,4] (x >= 0)) until[0,3] (y >= 0)", 6),
        ("(always[0,4] (x >= 0)) until[0,0] (y >= 0)", 0),
        ("(x >= 0) until[1,3] (always[0,4] (y >= 0))", 7),
    ],
)
def test_a_window_beyond_the_end_of_the_trace_is_refused(text, horizon):
    rule = parse(text)
    assert rule.horizon == horizon
    robustness(rule, torch.zeros(1, horizon + 1, 2), NAMES)
    if horizon:
        expected = f"looks {horizon} steps ahead.*at least {horizon + 1} steps, not {horizon}$"
        with pytest.raises(RuleError, match=expected):
            robustness(rule, torch.zeros(1, horizon, 2), NAMES)


def test_traces_that_do_not_fit_are_refused():
    rule = parse("z >= 0")
    with pytest.raises(RuleError, match="only the variables x, y, found 'z'"):
        robustness(rule, torch.zeros(1, 1, 2), NAMES)
    with pytest.raises(RuleError, match="must have 1 variables, not 2"):
        robustness(rule, torch.zeros(1, 1, 2), ("z",))
    with pytest.raises(RuleError, match=r"shape \[N, T, variables\], not \[1, 2\]"):
        robustness(rule, torch.zeros(1, 2), ("z",))
