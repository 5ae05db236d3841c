"""Training from Python: which epoch is kept, what a loss is, how pictures move."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models import recipes, training
from models.evaluate import evaluate
from models.golden import GoldenModel
from models.qat import from_network
from models.random_networks import random_network
from models.tasks import adding, digits
from models.tasks.data import Part, without_validation
from models.training import Settings, answers, batches, fit, measure, run

torch.set_num_threads(1)


def test_the_best_epoch_cannot_be_kept_with_nothing_to_validate():
    task = without_validation(adding.load(6, test=64))
    module = recipes.build(task, recipes.Model(units=(8,)))
    with pytest.raises(ValueError, match="keep must be last where no sequences are left"):
        fit(module, lambda _: pytest.fail("too late"), 1, task.validation, Settings(epochs=1))


def test_the_best_epoch_on_validation_is_kept():
    task = adding.load(6, test=64)
    module = recipes.build(task, recipes.Model(units=(8,)))
    settings = Settings(learning_rate=0.05, epochs=8, batch=8)
    history = fit(
        module,
        lambda _: batches(task.train, 8, np.random.default_rng(0)),
        8,
        task.validation,
        settings,
    )
    assert history.best == int(np.argmin(history.validation))
    assert measure(module, task.validation)[0] == pytest.approx(min(history.validation))


def test_long_sequences_are_learned_in_floating_point_within_100_iterations():
    """Short form of a bar of bench.training: T = 200, 1,000 fresh sequences."""
    task = adding.load(200)
    settings = Settings(learning_rate=5e-3, epochs=5)
    module, _ = recipes.train(task, recipes.Model(units=(32,)), settings, 20, quantized=False)
    assert measure(module, task.test)[0] < 0.01


def test_ternary_weights_learn_to_add():
    """Short form of a bar of bench.training, with shorter sequences."""
    task = adding.load(40)
    settings = Settings(learning_rate=4e-3, epochs=8)
    module, _ = recipes.train(task, recipes.Model(units=(32,)), settings, 50)
    assert measure(module, task.test)[0] < 0.02


def test_a_sum_is_divided_by_the_steps_in_the_loss():
    network = random_network(0, units=(5,), mode="sum", target="value", outputs=1)
    module = from_network(network)
    part = Part(np.random.default_rng(0).normal(size=(6, 4, 4)), np.zeros(6), np.arange(6) % 4 + 1)
    output = run(module, part)
    golden = GoldenModel(network)
    result = golden.run(network.quantize(part.x), part.lengths)
    values = golden.value(result.scores, result.state.steps)
    assert np.allclose(answers(module, output).numpy(), values)
    assert evaluate(network, part).integer == pytest.approx((values**2).mean())


def test_a_loss_that_is_not_finite_stops_training():
    task = adding.load(6, test=64)
    module = recipes.build(task, recipes.Model(units=(8,)))
    with torch.no_grad():
        module.readout.weight[0, 0] = torch.inf
    with pytest.raises(FloatingPointError, match="epoch 0"):
        fit(module, lambda _: [task.train], 1, task.validation, Settings(epochs=1))


def test_pictures_by_pixels_move_as_those_by_rows():
    rows, pixels = (digits.load(by).train for by in ("rows", "pixels"))
    for seed in range(3):
        moved, other = (
            next(iter(batches(part, 100, np.random.default_rng(seed), shift=1.0)))
            for part in (rows, pixels)
        )
        assert other.x.shape == (100, 64, 1)
        assert np.array_equal(other.x.reshape(moved.x.shape), moved.x)


def test_moved_pictures_keep_their_ink_and_their_labels():
    part = digits.load().train
    moved = next(iter(batches(part, len(part), np.random.default_rng(0), shift=1.0)))
    order = np.random.default_rng(0).permutation(len(part))
    assert np.array_equal(moved.y, part.y[order])
    still = (moved.x == part.x[order]).all(axis=(1, 2)).mean()
    assert 0.05 < still < 0.2  # 1 in 9 moves by nothing
    assert 0.9 < moved.x.sum() / part.x.sum() < 1.0  # a little falls over the edges


def test_a_warm_up_trains_real_weights_before_the_powers_of_two_are_drawn(monkeypatch):
    task = digits.load()
    model = recipes.Model(units=(8,), freeze_scales=True)
    settings = Settings(epochs=2, warm_up=3)
    kinds, told = [], []
    whole = recipes.fit

    def watched(module, epoch, count, validation, settings, report):
        kinds.append((type(module).__name__, settings.epochs))
        return whole(module, epoch, count, validation, settings, report)

    monkeypatch.setattr(recipes, "fit", watched)
    module, history = recipes.train(
        task, model, settings, report=lambda number, _: told.append(number)
    )
    assert kinds == [("AdditiveGatedNetwork", 3), ("QuantizedNetwork", 2)]
    assert told == [0, 1, 2, 0, 1] and len(history.loss) == 2
    # It begins where real weights have got to, not at chance.
    without, _ = recipes.train(task, model, replace(settings, warm_up=0))
    assert measure(module, task.validation)[1] < measure(without, task.validation)[1]


def test_of_equal_marks_the_epoch_with_the_lower_loss_is_kept(monkeypatch):
    task = adding.load(6, test=64)
    module = recipes.build(task, recipes.Model(units=(4,)))
    figures = iter([(0.5, 0.3), (0.5, 0.1), (0.5, 0.2)])
    monkeypatch.setattr(training, "measure", lambda *_, **__: next(figures))
    history = fit(module, lambda _: [task.train], 1, task.validation, Settings(epochs=3))
    assert history.best == 1
