"""The hold regularizer: what it counts, and what it does to training."""

import numpy as np
import pytest
import torch

from models import recipes
from models.evaluate import evaluate
from models.export import export
from models.float_network import AdditiveGatedNetwork, Output
from models.hold import HALF_EVENT, movement
from models.tasks.data import Normalisation, Part, TaskData
from models.training import Settings, fit, loss_of, run

torch.set_num_threads(1)


def output(*layers, valid=None):
    """An output with these states, each [T][H], of one sequence."""
    states = tuple(torch.tensor([rows], dtype=torch.float32) for rows in layers)
    everywhere = torch.ones(1, states[0].shape[1], dtype=torch.bool)
    valid = everywhere if valid is None else torch.tensor([valid])
    zeros = torch.zeros(1, states[0].shape[1], 2)
    return Output(zeros, zeros[:, 0].double(), states, tuple(s[:, -1] for s in states), valid)


def test_a_network_that_holds_costs_nothing():
    module = AdditiveGatedNetwork(3, (5, 4), 2)
    with torch.no_grad():
        for cell in module.rnn.cells:
            cell.bias[: cell.hidden_size] = -10.0  # no inhibition, whatever comes
    cost = movement(module(torch.randn(4, 6, 3)))
    assert cost.item() == 0.0
    cost.backward()
    assert not any(p.grad is not None and p.grad.any() for p in module.parameters())


def test_it_counts_changes_over_layers_and_units():
    assert float(movement(output([[HALF_EVENT, 0.0], [HALF_EVENT, 0.0]]))) == pytest.approx(1 / 8)
    # A second layer of two units that holds halves the share.
    layers = ([[HALF_EVENT, 0.0], [HALF_EVENT, 0.0]], [[0.0, 0.0], [0.0, 0.0]])
    assert float(movement(output(*layers))) == pytest.approx(1 / 16)
    # Steps beyond a sequence's length are no steps.
    short = output([[HALF_EVENT], [HALF_EVENT]], valid=[True, False])
    assert float(movement(short)) == pytest.approx(1 / 2)


def test_a_large_change_costs_less_than_two_small_ones():
    assert movement(output([[0.2, 0.0]])) < movement(output([[0.1, 0.1]]))


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_its_gradient_pulls_a_state_back_to_the_one_before(direction):
    states = torch.tensor([[[0.2], [0.2 + 0.3 * direction]]], requires_grad=True)
    moved = output([[0.0], [0.0]])._replace(states=(states,))
    movement(moved).backward()
    assert torch.sign(states.grad[0, 1, 0]) == direction


def test_it_closes_the_gate_of_a_unit_that_moves():
    """A rate-limited unit: less inhibition z (h' = h + z) costs less."""
    module = AdditiveGatedNetwork(1, 1, 2)
    cell = module.rnn.cells[0]
    with torch.no_grad():
        cell.weight_ih.zero_()
        cell.bias.copy_(torch.tensor([0.1, 0.9]))
    movement(module(torch.zeros(1, 1, 1))).backward()
    assert cell.bias.grad[0] > 0 and cell.bias.grad[1] == 0


def test_it_is_part_of_the_loss_by_its_weight():
    module = AdditiveGatedNetwork(3, 5, 2)
    part = Part(np.random.default_rng(0).normal(size=(4, 6, 3)), np.array([0, 1, 1, 0]))
    result = run(module, part)
    more = loss_of(module, result, part, hold=2.5) - loss_of(module, result, part)
    assert more.item() == pytest.approx(2.5 * movement(result).item(), rel=1e-5)


def tiny_task():
    """Which of two features was positive at first, told after five steps of nothing."""
    rng = np.random.default_rng(0)

    def part(count):
        x = np.zeros((count, 6, 2))
        x[:, 0] = rng.uniform(-1, 1, (count, 2))
        x[:, 1:] = rng.normal(0, 0.2, (count, 5, 2))
        return Part(x, (x[:, 0, 0] > x[:, 0, 1]).astype(np.int64))

    normalisation = Normalisation(np.zeros(2), np.ones(2))
    return TaskData("tiny", part(256), part(200), part(200), normalisation, "class", 2)


def events(hold):
    task = tiny_task()
    model = recipes.Model(units=(8,))
    settings = Settings(learning_rate=0.02, epochs=16, batch=32, hold=hold)
    module, _ = recipes.train(task, model, settings)
    result = evaluate(export(module), task.validation)
    assert result.agree and result.integer > 0.8
    return sum(result.events)


def test_more_hold_gives_fewer_events():
    none, some, much = (events(hold) for hold in (0.0, 0.5, 2.0))
    assert none > some > much > 0


def test_the_weight_rises_and_only_epochs_with_all_of_it_are_kept():
    settings = Settings(epochs=4, hold=3.0)
    assert [settings.hold_in(epoch) for epoch in range(4)] == [1.5, 3.0, 3.0, 3.0]
    assert Settings(epochs=1, hold=3.0).hold_in(0) == 3.0
    task = tiny_task()
    module = recipes.build(task, recipes.Model(units=(4,)))
    # A learning rate so large that the first epoch is likely to be the best one.
    settings = Settings(learning_rate=1.0, epochs=8, hold=50.0)
    history = fit(module, lambda _: [task.train], 1, task.validation, settings)
    assert history.best >= 3


@pytest.mark.parametrize("hold", [-0.1, float("nan"), float("inf")])
def test_other_weights_are_refused(hold):
    with pytest.raises(ValueError, match="hold must be a finite weight of at least 0"):
        Settings(hold=hold)


def test_the_last_epoch_is_kept_where_that_is_asked_for():
    task = tiny_task()
    module = recipes.build(task, recipes.Model(units=(4,)))
    settings = Settings(learning_rate=1.0, epochs=5, keep="last")
    history = fit(module, lambda _: [task.train], 1, task.validation, settings)
    assert history.best == 4
    with pytest.raises(ValueError, match="keep must be best or last, not 'first'"):
        Settings(keep="first")
