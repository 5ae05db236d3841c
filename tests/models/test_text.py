"""Text as a task: alphabets, what is asked of a step, splits, and texts that are refused."""

import json

import numpy as np
import pytest
import torch

from models import evaluate as evaluation
from models import train as training
from models.evaluate import evaluate
from models.file import load as load_network
from models.golden import GoldenModel
from models.tasks import named, text
from models.tasks.data import OneHot, TaskError
from models.tasks.text import UNKNOWN, Alphabet

torch.set_num_threads(1)
SENTENCE = "the quick brown fox jumps over the lazy dog.\n"


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(SENTENCE * 60)
    return path


def test_each_step_asks_for_the_next_character(book):
    task = text.load(book, 16)
    alphabet = Alphabet.from_labels(task.labels)
    for part in (task.train, task.validation, task.test, task.fresh(np.random.default_rng(0), 5)):
        shown, wanted = np.argmax(part.features, axis=2), part.y
        assert part.asks == "step" and (part.features.sum(axis=2) == 1).all()
        assert np.array_equal(shown[:, 1:], wanted[:, :-1])
        assert alphabet.decode(shown[0]) + alphabet.decode(wanted[0, -1:]) in SENTENCE * 3000


def test_parts_are_the_text_in_its_order(book):
    task = text.load(book, 16)
    whole = SENTENCE * 60
    alphabet = Alphabet.from_labels(task.labels)
    first = [alphabet.decode(part.x.symbols[0]) for part in (task.train, task.validation)]
    assert whole.startswith(first[0])
    assert whole[int(0.9 * len(whole)) :].startswith(first[1])
    assert isinstance(task.train.x, OneHot) and task.train.x.shape[1:] == (16, len(alphabet))
    # Validation and test sequences are as long as can be.
    assert task.test.x.shape[1] == int(0.05 * len(whole)) - 1


def test_fresh_sequences_come_from_the_training_part_alone(tmp_path):
    path = tmp_path / "b.txt"
    path.write_text("ab" * 900 + "cd" * 100)
    task = text.load(path, 8)
    alphabet = Alphabet.from_labels(task.labels)
    drawn = task.fresh(np.random.default_rng(0), 200)
    found = {alphabet.characters[n] for n in np.unique(drawn.y)}
    assert found == {"a", "b"}
    # c and d are unknown to the training part.
    assert UNKNOWN in alphabet.characters and "c" not in alphabet.characters


def test_an_alphabet_keeps_the_commonest():
    alphabet = Alphabet.of("aaabbc", most=2)
    assert alphabet.characters == "a" + UNKNOWN
    assert alphabet.decode(alphabet.encode("abca")) == f"a{UNKNOWN}{UNKNOWN}a"
    with pytest.raises(TaskError, match="no 'x'"):
        Alphabet.of("abc").encode("abx")


def test_labels_bring_the_alphabet_back():
    alphabet = Alphabet.of("\n\t ab'\\\u00e9\u2028x")
    assert all(label.isprintable() for label in alphabet.labels)
    assert Alphabet.from_labels(alphabet.labels).characters == alphabet.characters
    with pytest.raises(TaskError, match="must be one character, but one is 'dog'"):
        Alphabet.from_labels(("a", "dog"))


@pytest.mark.parametrize(
    ("content", "length", "message"),
    [
        (b"abc" * 100, 128, "300 characters are too few"),
        (b"a" * 9000, 16, "at least 2 different characters, found 'a'"),
        (b"\xff\xfe" * 5000, 16, "must be a text in UTF-8"),
        (b"ab" * 5000, 1, "length must be at least 2, not 1"),
        (None, 16, "cannot be read"),
    ],
)
def test_texts_that_are_refused(tmp_path, content, length, message):
    path = tmp_path / "t.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaskError, match=message):
        text.load(path, length)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("text",), "text needs a text file as data, but was given none"),
        (("digits", "x.txt"), "digits comes with its data, but was given x.txt"),
        (("digits", None, 5), "a length is for adding and text only"),
        (("adding", None, 0), "a length must be at least 2, not 0"),
        (("digits", None, None, "theo"), "left out of spoken digits only"),
        (("poems",), "must be one of digits, .*, not 'poems'"),
        ((None,), "there must be a task"),
    ],
)
def test_names_and_data_must_fit(arguments, message):
    with pytest.raises(TaskError, match=message):
        named.load(*arguments)


def test_a_network_reads_another_text_by_its_own_alphabet(book, tmp_path):
    task = text.load(book, 16)
    other = tmp_path / "other.txt"
    other.write_text("a lazy god." * 200)
    read = text.load(other, 16, task.labels)
    assert read.labels == task.labels and read.outputs == task.outputs
    alphabet = Alphabet.from_labels(task.labels)
    assert alphabet.decode(read.test.x.symbols[0]) in "a lazy god." * 200
    other.write_text("the dog!" * 300)
    with pytest.raises(TaskError, match="the alphabet has no '!'"):
        text.load(other, 16, task.labels)


def test_validation_sequences_have_a_thousand_steps_where_the_text_is_long(tmp_path):
    path = tmp_path / "long.txt"
    path.write_text(SENTENCE * 1200)
    task = text.load(path, 16)
    assert task.train.x.shape[1] == 16
    assert task.validation.x.shape[1] == task.test.x.shape[1] == text.LONGEST


def test_symbols_are_features_when_they_are_read():
    x = OneHot(np.array([[0, 2], [1, 1]]), 3)
    assert x.shape == (2, 2, 3) and len(x) == 2
    assert x[:].tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    assert x[1].tolist() == [[0, 1, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="from 0 to 2, but lie from 0 to 3"):
        OneHot(np.array([[0, 3]]), 3)


def test_a_text_trains_from_the_command_line_and_is_exact(book, tmp_path, capsys):
    output = tmp_path / "t.safetensors"
    arguments = ["text", "--data", str(book), "--length", "16", "--units", "24"]
    budget = ["--epochs", "4", "--iterations", "40", "--no-compiled", "--learning-rate", "0.02"]
    assert training.main([*arguments, *budget, "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "bits QAT" in shown and "bit for bit" in shown
    test = json.loads(output.with_suffix(".metrics.json").read_text())["test"]
    # Guessing among 28 characters would be 4.8 bits.
    assert test["measure"] == "bits" and test["qat"] == test["integer"] < 3.0
    network, task = load_network(output), text.load(book, 16)
    result = evaluate(network, task.test)
    assert result.agree and result.integer == test["integer"]
    # A text of other characters is read by the network's alphabet, or refused.
    other = tmp_path / "other.txt"
    other.write_text("the dog!" * 300)
    assert evaluation.main([str(output), "text", "--data", str(other), "--length", "16"]) == 2
    assert "the alphabet has no '!'" in capsys.readouterr().err
    other.write_text("the dog." * 300)
    assert evaluation.main([str(output), "text", "--data", str(other), "--length", "16"]) == 0
    # Nothing but the last character: what a step shows must not come from the future.
    x = network.quantize(task.test.take(np.arange(1)).features)
    logits = GoldenModel(network).run(x).logits
    x[0, -1] = 0
    assert np.array_equal(GoldenModel(network).run(x).logits[:, :-1], logits[:, :-1])
