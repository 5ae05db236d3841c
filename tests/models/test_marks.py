"""Measures: each against its definition, written out again or computed by another library."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.float_network import AdditiveGatedNetwork
from models.marks import better, collapse, edits, mark, measure_name, shown, spelled
from models.tasks.data import Part
from models.training import Settings, check_asked, fit, loss_of, measure, run

STRINGS = st.lists(st.integers(1, 3), max_size=6)


@pytest.mark.parametrize(
    ("labels", "string"),
    [
        ([0, 0, 0], []),
        ([1, 1, 1], [1]),
        ([1, 0, 1], [1, 1]),
        ([0, 2, 2, 0, 0, 3, 1, 1], [2, 3, 1]),
        ([], []),
    ],
)
def test_repetitions_collapse_and_blanks_part_them(labels, string):
    assert collapse(np.array(labels, np.int64)) == string


def test_a_string_is_spelled_by_names_or_numbers():
    assert spelled([3, 1], ("-", "0", "1", "2")) == "20"
    assert spelled([3, 1], None) == "31"


@given(STRINGS, STRINGS, STRINGS)
def test_edits_are_a_distance(a, b, c):
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, b) == edits(b, a)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
    assert abs(len(a) - len(b)) <= edits(a, b) <= max(len(a), len(b))


@given(STRINGS, st.integers(0, 6), st.integers(1, 3))
def test_one_insertion_is_one_edit(string, place, symbol):
    assert edits([*string[:place], symbol, *string[place:]], string) == 1


def test_known_edits():
    assert edits([ord(c) for c in "kitten"], [ord(c) for c in "sitting"]) == 3


def test_bits_are_those_of_the_cross_entropy():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(scale=3, size=(4, 5, 7)), rng.integers(0, 7, (4, 5))
    steps = np.array([5, 3, 1, 4])
    part = Part(np.zeros((4, 5, 1)), y, steps)
    total, count = mark("bits", part, logits, logits[:, -1], steps)
    valid = np.arange(5) < steps[:, None]
    wanted = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits[valid]), torch.from_numpy(y[valid]), reduction="sum"
    )
    assert count == 13 and total == pytest.approx(wanted.item() / math.log(2))


def test_the_error_rate_counts_edits_over_characters():
    # Steps: a right "12", a "1" for "11", and a string whose last step is not valid.
    best = np.array([[1, 0, 2, 2], [1, 1, 1, 0], [0, 3, 0, 2]])
    part = Part(
        np.zeros((3, 4, 1)),
        np.array([[1, 2], [1, 1], [3, 9]]),
        np.array([4, 4, 3]),
        np.array([2, 2, 1]),
    )
    wrong, characters = mark("error rate", part, np.eye(4)[best], np.zeros((3, 4)), part.lengths)
    assert (wrong, characters) == (1, 5)


def test_values_of_steps_are_squared_over_valid_steps():
    part = Part(np.zeros((2, 3, 1)), np.ones((2, 3)), np.array([3, 1]))
    logits = np.array([[[1], [2], [1]], [[3], [9], [9]]], float)
    assert mark("mse", part, logits, logits[:, -1], part.lengths) == (5.0, 4.0)


def test_measures_have_names_directions_and_a_form():
    assert measure_name("step", "class") == "bits" and measure_name("string", "class") != "bits"
    assert better("accuracy") == 1 and better("bits") == better("mse") == -1
    assert shown("error rate", 0.1234) == "12.34 %" and shown("bits", 2.34567) == "2.3457"
    with pytest.raises(ValueError, match="target 'value' cannot answer a string"):
        measure_name("string", "value")


def strings(count=6):
    rng = np.random.default_rng(1)
    return Part(
        rng.normal(size=(count, 9, 2)),
        rng.integers(1, 4, (count, 3)),
        rng.integers(7, 10, count),
        rng.integers(1, 4, count),
    )


def test_the_string_loss_is_that_of_all_paths():
    """Minus the log of the summed probability of every labelling that collapses to the string."""
    from itertools import product

    part = Part(
        np.random.default_rng(2).normal(size=(1, 4, 2)),
        np.array([[2, 1]]),
        np.array([4]),
        np.array([2]),
    )
    module = AdditiveGatedNetwork(2, 5, 3, mode="every").double()
    output = run(module, part)
    p = output.logits[0].log_softmax(dim=1)
    paths = [
        sum(p[step, label] for step, label in enumerate(path))
        for path in product(range(3), repeat=4)
        if collapse(np.array(path)) == [2, 1]
    ]
    wanted = -torch.logsumexp(torch.stack(paths), dim=0) / 2  # a character
    assert loss_of(module, output, part).item() == pytest.approx(wanted.item())


def test_a_step_is_asked_for_its_own_target():
    part = Part(np.zeros((1, 3, 2)), np.array([[0, 1, 2]]), np.array([2]))
    module = AdditiveGatedNetwork(2, 4, 3, mode="every")
    output = run(module, part)
    logits = output.logits[0].log_softmax(dim=1)
    assert loss_of(module, output, part).item() == pytest.approx(
        -(logits[0, 0] + logits[1, 1]).item() / 2
    )


@pytest.mark.parametrize(
    ("mode", "target", "message"),
    [
        ("last", "class", "a string is asked for, .* its readout's mode is last"),
        ("every", "value", "cannot answer a string"),
    ],
)
def test_a_network_that_cannot_answer_is_refused_before_training(mode, target, message):
    module = AdditiveGatedNetwork(2, 4, 4, mode=mode, target=target)
    part = strings()
    with pytest.raises(ValueError, match=message):
        check_asked(module, part)
    with pytest.raises(ValueError, match=message):
        fit(module, lambda _: [part], 1, part, Settings(epochs=1))


def test_the_epoch_with_the_fewest_errors_is_kept():
    torch.manual_seed(0)
    part, module = strings(), AdditiveGatedNetwork(2, 8, 4, mode="every")
    history = fit(module, lambda _: [part], 1, part, Settings(epochs=6, learning_rate=0.05))
    assert history.validation[history.best] == min(history.validation)
    assert measure(module, part)[0] == history.validation[history.best]
