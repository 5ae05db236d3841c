"""Training towards rules: what the loss asks for, and that it is learnt."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.family.named import build
from models.qat import prepare_qat
from models.rules.seasons import yearly_rules
from models.rules.text import parse
from models.rules.training import RuleBook, Settings, fit, forecast, loss_of, predict
from models.tasks import elnino
from tests.models.rules.cases import robustness_of_months

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def task():
    return elnino.load()


@pytest.fixture(scope="module")
def book(task):
    return RuleBook(yearly_rules(task.train), 0.3)


def network(task, cell="additive", units=16):
    torch.manual_seed(0)
    return build(cell, 1, units, elnino.STEPS, target="value", normalisation=task.normalisation)


def test_forecasts_are_in_degrees(task):
    module = network(task)
    with torch.no_grad():
        module.readout.weight.zero_()
    found = forecast(module, task.test, task)
    assert found.shape == task.test.y.shape
    np.testing.assert_allclose(found, task.normalisation.mean[0])


def test_each_trace_has_the_rule_of_its_month(task, book):
    part = task.validation
    found = book.robustness(torch.from_numpy(part.y), part.month).numpy()
    assert (found == robustness_of_months(book.rules, part)).all() and found.min() < 0
    moved = replace(part, y=book.nearest(part.y, part.month))
    assert robustness_of_months(book.rules, moved).min() >= 0.3 - 1e-9


def test_without_a_pull_the_loss_is_the_squared_error(task, book):
    part = task.train.take(np.arange(8))
    traces = torch.from_numpy(part.y) + 1.0
    scale = float(task.normalisation.scale[0])
    assert float(loss_of(traces, part, task, book, Settings())) == pytest.approx(scale**2)


@pytest.mark.parametrize("pull", ["teacher", "robustness"])
def test_a_pull_is_zero_only_where_the_rule_is_kept_with_the_margin(task, book, pull):
    part = task.train
    inside = replace(part, y=book.nearest(part.y, part.month))
    settings = Settings(pull=pull, weight=5.0)
    traces = torch.from_numpy(inside.y)
    assert float(loss_of(traces, inside, task, book, settings)) == pytest.approx(0, abs=1e-18)
    outside = traces + 8.0
    plain = loss_of(outside, inside, task, book, Settings())
    assert loss_of(outside, inside, task, book, settings) > plain


def test_the_teachers_gradient_points_at_its_trace(task, book):
    part = task.test.take(np.arange(4))
    traces = torch.full(part.y.shape, 30.0, dtype=torch.float64, requires_grad=True)
    weight = 1e6  # beside which the error counts for nothing
    loss_of(traces, part, task, book, Settings(pull="teacher", weight=weight)).backward()
    way = traces.detach().numpy() - book.nearest(traces.detach().numpy(), part.month)
    slope = traces.grad.numpy()
    np.testing.assert_allclose(slope / slope.max(), way / way.max(), atol=1e-4)


@pytest.mark.parametrize("pull", ["teacher", "robustness"])
def test_training_with_a_pull_goes_where_the_rule_asks(task, pull):
    # What the data would never teach: no month is cooler than 24 degrees.
    warm = RuleBook([parse("always[0,11] (sst >= 24)")] * 12, 0.0)
    values = []
    for settings in (Settings(epochs=3), Settings(epochs=3, pull=pull, weight=50.0)):
        module = network(task)
        history = fit(module, task, warm, settings, seed=0)
        assert len(history.loss) == len(history.validation) == 3
        traces = torch.from_numpy(forecast(module, task.train, task))
        values.append(float(warm.robustness(traces, task.train.month).mean()))
    assert values[0] < -1.5 and values[1] > values[0] + 0.75


def test_the_weights_of_the_best_epoch_are_kept(task, book):
    module = network(task)
    settings = Settings(epochs=4, learning_rate=0.05)
    history = fit(module, task, book, settings, seed=0)
    loss = loss_of(predict(module, task.validation, task), task.validation, task, book, settings)
    assert float(loss.detach()) == pytest.approx(min(history.validation), rel=1e-6)
    assert history.validation[history.best] == min(history.validation)


def test_the_same_seed_trains_the_same_ternary_network(task, book):
    made = []
    for _ in range(2):
        module = prepare_qat(network(task))
        fit(module, task, book, Settings(epochs=1, pull="teacher"), seed=3)
        made.append(forecast(module, task.test, task))
    assert (made[0] == made[1]).all()


def test_what_does_not_fit_is_refused(task, book):
    with pytest.raises(ValueError, match="pull must be one of none, robustness, teacher, not 'x'"):
        Settings(pull="x")
    with pytest.raises(ValueError, match="weight must be finite and at least 0, not -1"):
        Settings(weight=-1)
    with pytest.raises(ValueError, match="a rule for each of 12 months, not 1"):
        RuleBook([parse("sst >= 0")], 0.0)
    with pytest.raises(ValueError, match="expected a network with 12 outputs .* found 3 in mode"):
        fit(build("gru", 1, 4, 3, target="value"), task, book, Settings(), 0)


def test_a_loss_that_is_not_finite_ends_training(task, book):
    module = network(task)
    with torch.no_grad():
        module.readout.bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="the loss became nan in epoch 0"):
        fit(module, task, book, Settings(epochs=1), 0)
