"""Training on words: lookups, windows, two heads, and words that change places."""

import math

import numpy as np
import pytest
import torch

from models import light_rnn
from models.float_network import AdditiveGatedNetwork
from models.light_rnn import Settings, fit, perplexity, settle, streams, word_losses
from models.qat import Planes, prepare_qat
from models.reallocation import WordLosses, reallocate
from models.tokens import token_logits
from models.word_codings import OneByOne, RowsAndColumns
from models.words import UNKNOWN, Table, TableError, one_hot, word_log_probabilities

#: In PyTorch's operations: no compiler is needed, and the networks are tiny.
QUICK = Settings(streams=8, window=8, epochs=2, learning_rate=1e-2, compiled=False)


def table(size=16):
    return Table((UNKNOWN, *(f"w{number}" for number in range(1, size))), np.arange(size))


def network(made, units=16, seed=0):
    torch.manual_seed(seed)
    return AdditiveGatedNetwork(made.features, units, made.features, mode="every")


def classes(count=4000, size=16, seed=0):
    """Words of four classes, that of the next word following from that of this one."""
    rng = np.random.default_rng(seed)
    group = np.zeros(count, np.int64)
    for step in range(1, count):
        group[step] = (group[step - 1] + (1 if rng.random() < 0.9 else 2)) % 4
    return group * (size // 4) + rng.integers(0, size // 4, count)


@pytest.mark.parametrize("units", [(9,), (9, 5)])
@pytest.mark.parametrize("quantized", [False, True])
def test_a_token_is_what_its_one_hot_input_is(units, quantized):
    torch.manual_seed(1)
    module = AdditiveGatedNetwork(6, units, 4, len(units), mode="every")
    if quantized:
        module = prepare_qat(module, planes=Planes(2, 1, 2))
    tokens = torch.randint(6, (3, 12))
    logits, last = token_logits(module, tokens)
    output = module(torch.from_numpy(one_hot(tokens.numpy(), 6, 1)).float())
    same = torch.equal if quantized else torch.allclose
    assert same(logits.transpose(0, 1), output.logits)
    assert all(same(mine, theirs) for mine, theirs in zip(last, output.h_n, strict=True))


@pytest.mark.parametrize("coding", [OneByOne(16), RowsAndColumns(table(16))])
def test_a_text_in_windows_is_the_text_in_one(coding):
    torch.manual_seed(2)
    module = AdditiveGatedNetwork(coding.features, 8, coding.features, mode="every")
    words = classes(101)
    whole, parts = (
        perplexity(module, coding, words, Settings(streams=2, window=size, compiled=False))
        for size in (50, 7)
    )
    np.testing.assert_allclose(whole, parts, rtol=1e-6)


def test_every_word_but_the_first_is_asked_for_once():
    text = streams(np.arange(22), 3)
    np.testing.assert_array_equal(text[:, 0], [0, 7, 14])
    np.testing.assert_array_equal(text[:, 1:].flatten(), np.arange(1, 22))


def test_no_half_step_sees_what_it_predicts():
    made = table(16)
    coding = RowsAndColumns(made)
    words = torch.tensor([[3, 9, 14, 6]])
    tokens = coding.tokens(words)
    steps = made.half_steps(words.numpy())
    np.testing.assert_array_equal(tokens, steps[:, 1:-1])
    logits = torch.randn(6, 1, made.features)
    asked = [chosen for _, chosen in coding.heads(logits, words)]
    np.testing.assert_array_equal(asked[0].flatten(), steps[0, 2::2])
    np.testing.assert_array_equal(asked[1].flatten() + made.side, steps[0, 3::2])


def test_losses_are_the_log_probabilities_of_words():
    made = table(14).shuffled(3)
    coding = RowsAndColumns(made)
    words = torch.from_numpy(classes(5, size=12)[None])
    logits = torch.randn(8, 1, made.features)
    expected = word_log_probabilities(
        logits[:, 0].numpy(), made.half_steps(words[0, 1:].numpy()), made.side
    )
    np.testing.assert_allclose(-coding.losses(logits, words)[:, 0], expected, rtol=1e-5)


def test_modelled_losses_of_the_present_cells_are_the_losses_of_the_text():
    made = table().shuffled(4)
    module, words = network(made), classes(401)
    losses = word_losses(module, made, words, QUICK)
    found = math.exp(losses.total(made) / 400)
    np.testing.assert_allclose(found, perplexity(module, RowsAndColumns(made), words, QUICK))


@pytest.mark.parametrize("size", [16, 14, 10])
@pytest.mark.parametrize("seed", range(4))
def test_reallocation_never_raises_the_modelled_loss(size, seed):
    rng = np.random.default_rng(seed)
    made = table(size).shuffled(seed)
    losses = WordLosses(*rng.exponential(1.0, (2, size, made.side)))
    moved = reallocate(made, losses)
    assert losses.total(moved) <= losses.total(made)
    assert moved.words == made.words and len(set(moved.cells.tolist())) == size
    again = reallocate(moved, losses)
    np.testing.assert_allclose(losses.total(again), losses.total(moved))


def test_reallocation_puts_each_word_where_it_costs_least():
    made = table(4)
    rows = np.array([[0, 9], [0, 9], [9, 0], [9, 0.0]])
    columns = np.array([[9, 0], [0, 9], [9, 0], [0, 9.0]])
    assert reallocate(made, WordLosses(rows, columns)).cells.tolist() == [1, 0, 3, 2]


def test_losses_that_are_none_are_refused():
    made = table(4)
    good = np.zeros((4, 2))
    with pytest.raises(TableError, match=r"columns must be \[4, 2\], not \[4, 3\]"):
        reallocate(made, WordLosses(good, np.zeros((4, 3))))
    with pytest.raises(TableError, match="rows must be finite"):
        reallocate(made, WordLosses(np.full((4, 2), np.inf), good))
    with pytest.raises(TableError, match="at most 4096 words can be reallocated, not 4097"):
        reallocate(table(4097), WordLosses(good, good))


def test_reallocation_finds_classes_and_perplexity_falls():
    """Rows that hold no class cannot be predicted; those that do can."""
    made = table().placed(np.arange(16).reshape(4, 4).T.flatten())  # a class is a column
    made = made.shuffled(5)
    words = classes()
    train, validation = words[:3600], words[3600:]
    module = network(made)
    settled, history = settle(module, made, train, validation, QUICK, rounds=5)
    first, best = (min(history[n].perplexities) for n in (0, -1))
    best = min(min(this.perplexities) for this in history)
    assert history[0].moved > 0.2 and history[0].cost_after < history[0].cost_before
    assert best < 0.97 * first
    assert sorted(settled.cells.tolist()) == list(range(16))
    # The module and the table are those of the best round.
    found = perplexity(module, RowsAndColumns(settled), validation, QUICK)
    np.testing.assert_allclose(found, best)


def test_a_table_settles_when_few_words_move():
    made = table()
    words = classes(1000)
    _, history = settle(network(made), made, words, words, QUICK, rounds=4, few=1.01)
    assert len(history) == 1


@pytest.mark.parametrize(
    ("reached", "rounds", "best"),
    [([9, 5, 7], 6, 1), ([9, 5, 5], 6, 1), ([9, 5, 7], 3, 1), ([9, 7, 5], 3, 2), ([5, 9], 6, 0)],
)
def test_the_best_rounds_table_and_weights_are_kept(monkeypatch, reached, rounds, best):
    """However the rounds after it end."""
    made = table()
    trained_in = []

    def train(module, coding, *_):
        number = len(trained_in)
        trained_in.append(coding.tokens(torch.arange(16)[None]))
        torch.nn.init.constant_(module.readout.bias, number)
        return [float(reached[number]) + 1, float(reached[number]), 99.0]

    costs = WordLosses(*np.zeros((2, 16, 4)))
    monkeypatch.setattr(light_rnn, "fit", train)
    monkeypatch.setattr(light_rnn, "word_losses", lambda *_: costs)
    monkeypatch.setattr(light_rnn, "reallocate", lambda now, _: now.shuffled(len(trained_in)))
    module = network(made)
    words = classes(40)
    settled, history = settle(module, made, words, words, QUICK, rounds)
    assert len(history) == len(reached) == len(trained_in)
    assert set(module.readout.bias.tolist()) == {float(best)}
    found = RowsAndColumns(settled).tokens(torch.arange(16)[None])
    assert [torch.equal(found, one) for one in trained_in] == [
        number == best for number in range(len(reached))
    ]


def test_a_quantized_network_learns_and_stays_on_the_grid():
    made = table()
    words = classes(2000)
    module = prepare_qat(network(made), planes=Planes(2, 1, 2))
    found = fit(module, RowsAndColumns(made), words, words, QUICK)
    assert min(found) < 14
    logits, _ = token_logits(module, torch.randint(8, (2, 9)))
    scaled = logits.double() * (1 << 12)
    assert torch.equal(scaled, scaled.round())


def test_a_loss_that_is_no_number_is_said():
    made = table()
    module = network(made)
    torch.nn.init.constant_(module.readout.weight, math.nan)
    with pytest.raises(FloatingPointError, match="the loss became nan in epoch 0"):
        fit(module, RowsAndColumns(made), classes(100), classes(100), QUICK)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (torch.tensor([[0, 8]]), "from 0 to 7, not from 0 to 8"),
        (torch.tensor([[0.0]]), "must be int64"),
        (torch.zeros(0, 3, dtype=torch.int64), "at least one"),
    ],
)
def test_tokens_that_are_none_are_refused(tokens, said):
    with pytest.raises(ValueError, match=said):
        token_logits(network(table()), tokens)
