"""`bench.light`: what is compared, what is written, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import light
from bench.light_engine import EngineRun, one_head
from models.file import digest, load
from models.float_network import AdditiveGatedNetwork
from models.golden import GoldenModel
from models.light_rnn import Settings
from models.random_networks import random_inputs, random_network
from models.train_words import LightModel
from models.words import Table, read_corpus
from tests.shared_data import data_of

ROOT = Path(__file__).parents[2]
VERSE = "the rose is red , the violet's blue ; the honey's sweet , and so are you . " * 40


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Trainings that take seconds, and no simulator."""
    loop = Settings(epochs=2, streams=4, window=8, learning_rate=1e-2, compiled=False)
    model = LightModel(units=10, rounds=2, loop=loop, ternary=replace(loop, epochs=1))
    monkeypatch.setattr(light, "planned", lambda quick, units: model)
    real = light.run_engine
    monkeypatch.setattr(light, "run_engine", lambda where, *rest: replace(
        real("emulator", *rest), device=where))  # fmt: skip
    (tmp_path / "verse.txt").write_text(VERSE)
    return ["--text", str(tmp_path / "verse.txt"), "--words", "15"]


def test_all_networks_are_measured_on_the_same_words(small, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "accuracy.md").write_text("<!-- bench.light -->\n<!-- end of bench.light -->\n")
    output = tmp_path / "out" / "light.json"
    assert light.main([*small, "--output", str(output), "--docs", str(docs)]) == 0
    found = json.loads(output.read_text())
    names = [row["name"] for row in found["networks"]]
    assert names == [
        "LightRNN, float", "LightRNN, ternary", "LightRNN, float, never reallocated",
        "one-hot, float", "one-hot, ternary",
    ]  # fmt: skip
    assert [row["features"] for row in found["networks"]] == [8, 8, 8, 15, 15]
    recurrent = 2 * 10 * 10 + 2 * 10
    assert {row["parameters"] for row in found["networks"]} == {
        recurrent + (2 * 10 + 10 + 1) * 8, recurrent + (2 * 10 + 10 + 1) * 15,
    }  # fmt: skip
    assert all(1 < row["test"] < 16 for row in found["networks"])
    assert [run["logits_different"] for run in found["engine"]] == [0, 0]
    steps = found["engine"][0]["half_steps"]
    assert found["engine"][0]["input_events"] == pytest.approx(2 - 1 / steps)
    assert found["engine"][0]["cycles_one_head"] < found["engine"][0]["cycles"]
    network = load(output.parent / "light-network.safetensors")
    assert Table.load(output.parent / "light-words.json").network == digest(network)
    text = (docs / "accuracy.md").read_text()
    assert "| LightRNN, ternary | 8 | " in text and "| simulator | " in text


def test_one_head_is_the_first_half_of_the_outputs():
    network = random_network(3, inputs=6, outputs=6, units=(9,), mode="every")
    x = random_inputs(3, network, 2, 8)
    both, first = (GoldenModel(n).run(x).logits for n in (network, one_head(network)))
    np.testing.assert_array_equal(first, both[..., :3])


def test_biases_start_at_how_often_words_come():
    module = AdditiveGatedNetwork(4, 3, 4, mode="every")
    words = np.repeat([0, 1, 3], [7, 1, 3])
    light.start_from_frequencies(module, words)
    expected = np.array([8, 2, 1, 4]) / 15
    np.testing.assert_allclose(module.readout.bias.softmax(0).detach(), expected, rtol=1e-6)
    bias = module.readout.bias.detach()
    assert float(bias.max()) == -float(bias.min())


@pytest.mark.parametrize(
    ("reached", "better"),
    [(([9, 5, 8], [9, 7, 6]), 0), (([9, 7, 6], [9, 5, 8]), 1)],
    ids=["first", "second"],
)
def test_one_hot_networks_take_the_rate_that_is_better_on_validation(monkeypatch, reached, better):
    """By their best epochs, whose weights they keep, not by their last."""
    corpus = read_corpus(VERSE, 15)
    fitted = []

    def fit(module, coding, train, validation, settings, report):
        assert train is corpus.train and validation is corpus.validation
        fitted.append((module, settings.learning_rate))
        if len(fitted) > len(light.RATES):
            return [4.0]  # the ternary one
        module.readout.bias.data.fill_(len(fitted))
        return reached[len(fitted) - 1]

    monkeypatch.setattr(light, "fit", fit)
    monkeypatch.setattr(light, "perplexity", lambda module, *_: module.readout.bias[0].item())
    float_row, ternary_row = light.one_hot(corpus, LightModel(units=10), 0, lambda: None)
    rate = light.RATES[better]
    assert float_row.validation == ternary_row.validation == better + 1
    assert float_row.note.startswith(f"learning rate {rate:g}, the better on validation of ")
    assert [used for _, used in fitted] == [*light.RATES, rate]


def test_a_device_that_differs_is_missed(small, tmp_path, monkeypatch, capsys):
    run = EngineRun("simulator", 4, 32, 1, 9.0, 2.0, 3.0, 99.0, 90.0)
    monkeypatch.setattr(light, "run_engine", lambda *_: run)
    assert light.main([*small, "--output", str(tmp_path / "light.json")]) == 1
    assert "missed: simulator: logits differ" in capsys.readouterr().out


def test_a_text_that_is_not_there_is_said(tmp_path, capsys):
    absent = str(tmp_path / "absent.txt")
    assert light.main(["--text", absent, "--output", str(tmp_path / "light.json")]) == 1
    assert "absent.txt: expected a text, found no file; name one with" in capsys.readouterr().err


def test_quick_figures_are_not_for_the_document(capsys):
    with pytest.raises(SystemExit):
        light.main(["--quick", "--docs"])
    assert "--docs goes without --quick" in capsys.readouterr().err


def test_the_document_has_the_benchs_place():
    text = (ROOT / "docs" / "accuracy.md").read_text()
    assert text.count("<!-- bench.light -->") == text.count("<!-- end of bench.light -->") == 1


def test_tiny_shakespeare_fits_the_engines_outputs():
    path = data_of("text")
    assert path == light.TEXT
    corpus = read_corpus(path.read_text(encoding="utf-8"), light.WORDS)
    assert corpus.table.features == 100 and len(corpus.train) > 200_000
    assert (corpus.test == 0).mean() < 0.13
