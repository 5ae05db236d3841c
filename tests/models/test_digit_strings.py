"""Strings of handwritten digits: what is in them, and a network that learns to read a few."""

import numpy as np
import torch

from models.evaluate import evaluate
from models.export import export
from models.recipes import Model, train
from models.tasks import digit_strings, digits
from models.training import Settings

torch.set_num_threads(1)


def test_a_string_is_its_digits_side_by_side():
    source = digits.load().test
    part = digit_strings.sample(np.random.default_rng(5), 50, source)
    assert part.asks == "string" and part.x.shape[2] == 8
    pictures = {p.T.tobytes(): label for p, label in zip(source.x, source.y, strict=True)}
    for x, y, length, count in zip(part.x, part.y, part.lengths, part.y_lengths, strict=True):
        assert 3 <= count <= 8 and count * 8 <= length <= count * 12 + 4
        place, read = 0, []
        while place + 8 <= length:
            found = pictures.get(x[place : place + 8].tobytes())
            if found is None:
                assert not x[place].any()  # a gap
                place += 1
            else:
                read.append(found + 1)
                place += 8
        assert read == y[:count].tolist()
        assert not x[length:].any()


def test_parts_share_no_digit_and_are_the_same_again():
    one, two = digit_strings.load(8, 20), digit_strings.load(8, 20)
    assert np.array_equal(one.test.x, two.test.x) and len(one.test) == 20
    assert one.outputs == 11 and one.labels[0] == "-" and one.labels[10] == "9"

    def pictures(part):
        return {
            x[place : place + 8].T.tobytes()
            for x, length in zip(part.x, part.lengths, strict=True)
            for place in range(length - 7)
        }

    source = digits.load()
    for name in ("train", "validation", "test"):
        for other in ("train", "validation", "test"):
            known = {x.tobytes() for x in getattr(source, other).x}
            found = known & pictures(getattr(one, name))
            assert bool(found) == (name == other), (name, other)
    assert pictures(one.fresh(np.random.default_rng(0), 20)) & {x.tobytes() for x in source.train.x}
    drawn = one.fresh(np.random.default_rng(0), 4)
    assert len(drawn) == 4 and drawn.y.min() >= 0 and drawn.y.max() <= 10


def test_a_network_learns_to_spell_and_is_exact():
    task = digit_strings.load(8, 40)
    model = Model(units=(32,), mode="every")
    settings = Settings(epochs=2, learning_rate=0.02, batch=16)
    module, history = train(task, model, settings, iterations=20)
    assert history.loss[1] < history.loss[0]
    result = evaluate(export(module), task.test)
    assert result.measure == "error rate" and result.agree and 0 <= result.integer <= 1.5
