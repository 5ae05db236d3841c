"""Words, tables and the probabilities of words."""

import json

import numpy as np
import pytest

from models.words import (
    UNKNOWN,
    Table,
    TableError,
    join,
    one_hot,
    read_corpus,
    tokenize,
    word_log_probabilities,
)


def table(size=7, seed=None):
    words = (UNKNOWN, *(f"w{number}" for number in range(1, size)))
    made = Table(words, np.arange(size))
    return made if seed is None else made.shuffled(seed)


def test_words_keep_inner_apostrophes_and_hyphens_and_signs_stand_alone():
    assert tokenize("O'er the half-step -- 'tis\n DONE!") == [
        "o'er", "the", "half-step", "-", "-", "'", "tis", "done", "!",
    ]  # fmt: skip
    assert tokenize("To Be", lower=False) == ["To", "Be"]


def test_no_text_gives_the_unknown_word():
    assert UNKNOWN not in tokenize(f"a {UNKNOWN} b")


def test_join_puts_no_blank_before_a_closing_sign():
    assert join(["speak", ",", "(", "i", "pray", ")", "!"]) == "speak, (i pray)!"


def test_the_vocabulary_is_of_the_training_part_alone():
    # c comes in the other two parts only, but there more often than b in all the text.
    text = "a " * 85 + "b " * 5 + "c " * 10
    corpus = read_corpus(text, 3)
    assert corpus.table.words == (UNKNOWN, "a", "b")
    assert [len(p) for p in (corpus.train, corpus.validation, corpus.test)] == [90, 5, 5]
    assert not corpus.validation.any() and not corpus.test.any()


def test_the_most_frequent_words_come_first_and_the_rest_are_unknown():
    corpus = read_corpus("b b b a a c " * 20, 3)
    assert corpus.table.words == (UNKNOWN, "b", "a")
    assert corpus.table.decode(corpus.train[:6]) == ["b", "b", "b", "a", "a", UNKNOWN]


@pytest.mark.parametrize("size", [2, 4, 5, 9, 10, 24])
def test_words_survive_their_half_steps(size):
    made = table(size, seed=1)
    ids = np.random.default_rng(0).integers(0, size, (3, 20))
    steps = made.half_steps(ids)
    assert made.side**2 >= size > (made.side - 1) ** 2 and steps.shape == (3, 40)
    assert (steps[:, ::2] < made.side).all() and (steps[:, 1::2] >= made.side).all()
    assert steps.max() < made.features
    np.testing.assert_array_equal(made.ids_of(steps), ids)


def test_an_empty_cell_is_no_word():
    made = table(7)
    with pytest.raises(TableError, match="found an empty one"):
        made.ids_of([2, 3 + 2])
    with pytest.raises(TableError, match="each column must be from 0 to 2"):
        made.ids_of([2, 2])
    with pytest.raises(TableError, match="two half-steps, but there are 3"):
        made.ids_of([2, 3, 2])


DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("network", [None, DIGEST])
def test_a_table_comes_back_from_its_file(tmp_path, network):
    made = table(11, seed=2)
    if network:
        made = made.trained(network)
    made.save(tmp_path / "t.json")
    found = Table.load(tmp_path / "t.json")
    assert found.words == made.words and found.lower and found.network == network
    np.testing.assert_array_equal(found.cells, made.cells)


def test_a_table_without_a_word_of_a_network_names_none(tmp_path):
    facts = {"format": 1, "lower": True, "words": [UNKNOWN, "a"], "cells": [0, 1]}
    (tmp_path / "t.json").write_text(json.dumps(facts))
    assert Table.load(tmp_path / "t.json").network is None


def test_in_other_cells_a_table_is_of_no_network():
    made = table(11).trained(DIGEST)
    assert made.shuffled(1).network is None and made.placed(made.cells).network is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "expected a table of words of format 1, found 2"),
        ({"cells": [0, 1, 1]}, "cell 1 holds two"),
        ({"cells": [0, 1, 4]}, "cells must lie from 0 to 3, but lie from 0 to 4"),
        ({"cells": [0, 1]}, "cells must be 3 integers"),
        ({"cells": [0, 1, 2.0]}, "cells must be a list of integers"),
        ({"cells": [0, 1, 1 << 70]}, "cells must fit 64 bits"),
        ({"words": [UNKNOWN, "a", "a"]}, "'a' comes again"),
        ({"words": ["a", "b", "c"]}, "the first '<unk>'"),
        ({"words": "abc"}, "words must be a list of strings"),
        ({"lower": 1}, "lower must be true or false, not 1"),
        ({"network": 7}, "network must be a SHA-256 as text, not 7"),
        ({"network": DIGEST[1:]}, "network must be a SHA-256 of 64 hexadecimal digits, not '123"),
        ({"network": DIGEST.upper()}, "network must be a SHA-256 of 64 hexadecimal digits"),
        ({"network": DIGEST + "\n"}, "network must be a SHA-256 of 64 hexadecimal digits"),
    ],
)
def test_a_table_file_that_breaks_a_rule_is_refused(tmp_path, change, said):
    facts = {"format": 1, "lower": True, "words": [UNKNOWN, "a", "b"], "cells": [0, 1, 2]}
    path = tmp_path / "t.json"
    path.write_text(json.dumps(facts | change))
    with pytest.raises(TableError, match=said) as error:
        Table.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_file_that_is_no_table_is_refused(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(TableError, match=r"t\.json"):
        Table.load(tmp_path / "t.json")


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(TableError, match="at least two words in each of its parts"):
        read_corpus("a b c", 4)
    with pytest.raises(TableError, match="at least 2 words, not 1"):
        read_corpus("a " * 100, 1)


def test_a_one_hot_input_has_one_feature_at_the_largest_value():
    inputs = one_hot([2, 0], 3, 127)
    assert inputs.dtype == np.int8
    np.testing.assert_array_equal(inputs, [[0, 0, 127], [127, 0, 0]])


@pytest.mark.parametrize("size", [9, 7])
def test_the_probabilities_of_all_cells_sum_to_one(size):
    made = table(size, seed=3)
    rng = np.random.default_rng(4)
    after_column, after_row = rng.normal(0, 3, (2, made.features))
    total = 0.0
    for row in range(made.side):
        for column in range(made.side):
            found = word_log_probabilities(
                [after_column, after_row], [row, made.side + column], made.side
            )
            total += float(np.exp(found[0]))
    np.testing.assert_allclose(total, 1.0)


def test_each_half_step_takes_the_softmax_of_its_own_range():
    logits = np.array([[0.0, np.log(3), 50, 60], [70, 80, np.log(4), 0]])
    found = word_log_probabilities(logits, [1, 2], 2)
    np.testing.assert_allclose(np.exp(found), [3 / 4 * 4 / 5])
