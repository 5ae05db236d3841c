"""Words on devices: both heads of every half-step are exact, and a half-step is two events."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from host.cli import main
from host.device import Device
from host.errors import InputError
from host.words import WordDevice
from models.export import export
from models.file import digest, save
from models.float_network import AdditiveGatedNetwork
from models.golden import GoldenModel
from models.light_rnn import Settings, fit
from models.qat import Planes, from_network, prepare_qat
from models.random_networks import random_network
from models.tokens import token_logits
from models.word_codings import RowsAndColumns
from models.words import UNKNOWN, TableError, one_hot, read_corpus
from tests.host.helpers import device_for
from tests.host.test_howto import program

VERSE = "the rose is red , the violet's blue ; the honey's sweet , and so are you . " * 30
TEXT = "the violet's sweet, the rose unheard-of"


@pytest.fixture(scope="module")
def learned():
    """A small network of several planes that has learned a verse, and its table."""
    corpus = read_corpus(VERSE, 15)  # the full stop is unknown, and a cell empty
    table = corpus.table.shuffled(0)
    torch.manual_seed(0)
    module = AdditiveGatedNetwork(table.features, 20, table.features, mode="every")
    module = prepare_qat(module, planes=Planes(2, 1, 2))
    settings = Settings(streams=4, window=8, epochs=20, learning_rate=2e-2, compiled=False)
    fit(module, RowsAndColumns(table), corpus.train, corpus.validation, settings)
    return module, export(module, "verse"), table


@pytest.fixture
def files(learned, tmp_path):
    _, network, table = learned
    save(network, tmp_path / "n.safetensors")
    table.trained(digest(network)).save(tmp_path / "n.json")
    return [str(tmp_path / "n.safetensors"), str(tmp_path / "n.json")]


@pytest.mark.parametrize("where", ["emulator", "link", "simulator"])
def test_every_logit_of_both_heads_is_exact(learned, where, request):
    if where == "simulator":
        request.getfixturevalue("verilator")
    module, network, table = learned
    ids = table.encode(TEXT)
    steps = table.half_steps(ids)[1:-1]
    inputs = one_hot(steps, table.features, network.spec.M)
    device = Device.open(where) if where == "simulator" else device_for(where, network)
    with device:
        device.load(network)
        result = device.run(inputs)
    found = np.array([one.logits for one in result.every])
    assert found.shape == (2 * (len(ids) - 1), table.features)
    np.testing.assert_array_equal(found, GoldenModel(network).run(inputs[None]).logits[0])
    tokens = torch.from_numpy(steps[None])
    for float_module in (module, from_network(network)):
        with torch.no_grad():
            logits = token_logits(float_module, tokens)[0][:, 0].double() * (1 << 12)
        np.testing.assert_array_equal(found, logits.numpy())


@pytest.mark.parametrize("where", ["emulator", "simulator"])
def test_a_half_step_is_two_input_events(learned, where, request):
    if where == "simulator":
        request.getfixturevalue("verilator")
    """One feature off, one on; the very first has none to put off. The rest are the states'."""
    _, network, table = learned
    steps = table.half_steps(table.encode(TEXT))[1:-1]
    inputs = one_hot(steps, table.features, network.spec.M)
    states = GoldenModel(network).run(inputs[None]).states[0][0]
    before = np.vstack([np.zeros_like(states[:1]), states[:-1]])
    changes = int((states != before).sum())
    with Device.open(where) as device:
        device.load(network)
        start = device.counters()
        device.run(inputs)
        end = device.counters()
    assert end.steps - start.steps == len(steps)
    assert end.events - start.events == changes + 2 * len(steps) - 1


def test_scores_are_those_of_training(learned, kind):
    module, network, table = learned
    ids = table.encode(TEXT)
    with device_for(kind, network) as device:
        device.load(network)
        words = WordDevice(device, table)
        words.score(table.encode("so are you"))  # another sequence before this one
        found = words.score(ids)
        check = words.check()
    coding, text = RowsAndColumns(table), torch.from_numpy(ids[None])
    with torch.no_grad():
        losses = coding.losses(token_logits(module, coding.tokens(text))[0], text)
    np.testing.assert_allclose(found, -losses[:, 0], rtol=1e-5)
    assert check.exact and check.logits_compared == 2 * (len(ids) - 1) * table.features


def test_a_verse_goes_on(learned):
    _, network, table = learned
    with Device.open("emulator", network=network) as device:
        words = WordDevice(device, table)
        words.score(table.encode("the rose is"))
        drawn = list(words.generate(30, np.random.default_rng(0), temperature=0.3))
        check = words.check()
    text = " ".join(table.decode(drawn))
    assert text.startswith("red , the violet's blue ; the honey's sweet ,")
    assert check.exact and check.half_steps == 2 * (3 - 1 + 30)


def test_what_is_drawn_is_never_unknown_nor_an_empty_cell(learned):
    """At a temperature at which all rows and all columns are as likely."""
    _, network, table = learned
    assert len(table.words) < table.side**2
    with Device.open("emulator", network=network) as device:
        words = WordDevice(device, table)
        words.score(table.encode("the"))
        drawn = set(words.generate(300, np.random.default_rng(0), temperature=1e6))
    assert drawn == set(range(1, len(table.words)))


def test_the_command_prints_each_word(files, capsys):
    assert main(["words", *files, TEXT, "--generate", "4"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[:5]] == [
        "WORD", "violet's", "sweet", ",", "the",
    ]  # fmt: skip
    assert UNKNOWN in out and "logits equal" in out
    assert out.splitlines()[-1].startswith("the violet's sweet, the rose <unk>")


def test_the_command_gives_facts(files, capsys):
    assert main(["words", *files, TEXT, "--generate", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exact"] and found["logits_different"] == 0
    assert found["half_steps"] == 2 * (len(found["words"]) - 1 + 3)
    assert len(found["generated"]) == 3
    assert found["perplexity"] == pytest.approx(np.exp(-np.mean(found["log_probabilities"])))
    assert main(["words", *files, "rose", "--generate", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["perplexity"] is None


def test_the_same_seed_draws_the_same_words(files, capsys):
    def drawn(seed):
        main(["words", *files, "the", "--generate", "12", "--seed", seed, "--json"])
        return json.loads(capsys.readouterr().out)["generated"]

    assert drawn("1") == drawn("1") != drawn("2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rose"], "at least 2 words, the first of which is not predicted; found 1 in 'rose'"),
        ([" ", "--generate", "2"], "at least 1 words"),
        ([TEXT, "--generate", "2", "--temperature", "0"], "the temperature must be above 0, not"),
        ([TEXT, "--seed", "-1"], "--seed must be at least 0, not -1"),
    ],
)
def test_bad_arguments_are_refused(files, capsys, arguments, said):
    assert main(["words", *files, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_network_of_another_table_is_refused(files, tmp_path, capsys):
    save(random_network(1, inputs=4, outputs=4, units=(6,)), tmp_path / "other.safetensors")
    assert main(["words", str(tmp_path / "other.safetensors"), files[1], TEXT]) == 2
    said = capsys.readouterr().err
    assert "a table of side 4 needs a network with 8 inputs, 8 outputs, readout every" in said
    assert main(["words", files[0], files[0], TEXT]) == 2
    assert "n.safetensors" in capsys.readouterr().err


def changed(network):
    """The same sizes, another bias."""
    bias = network.readout.b.copy()
    bias[0] += 1
    return replace(network, readout=replace(network.readout, b=bias))


def test_a_table_of_another_network_of_its_sizes_is_refused(learned, files, monkeypatch, capsys):
    _, network, table = learned
    other = changed(network)
    save(other, files[0])
    monkeypatch.setattr(Device, "open", staticmethod(lambda *_, **__: pytest.fail("opened")))
    assert main(["words", *files, TEXT]) == 2
    said = capsys.readouterr().err
    assert f"{files[0]} and {files[1]}: expected the table of network 'verse'" in said
    assert (
        f"SHA-256 {digest(other)}, found that of a network with SHA-256 {digest(network)}" in said
    )
    monkeypatch.undo()
    with Device.open("emulator", network=other) as device:
        with pytest.raises(InputError, match="expected the table of network 'verse', SHA-256"):
            WordDevice(device, table.trained(digest(network)))


def test_a_table_that_names_no_network_is_refused(learned, files, capsys):
    learned[2].save(files[1])
    assert main(["words", *files, TEXT]) == 2
    said = capsys.readouterr().err
    assert f"{files[1]}: expected a table that says which network was trained with it" in said


def test_numbers_that_are_no_words_are_refused(learned):
    _, network, table = learned
    with Device.open("emulator", network=network) as device:
        words = WordDevice(device, table)
        with pytest.raises(InputError, match="call score"):
            next(words.generate(1, np.random.default_rng(0)))
        with pytest.raises(InputError, match="from 0 to 14, but lie from 3 to 17"):
            words.score([3, 17])
        with pytest.raises(InputError, match="at least one word"):
            words.score([])


def test_a_table_error_is_a_value_error():
    assert issubclass(TableError, ValueError)  # by which the command line knows bad input


def test_the_how_to_continues_a_text(learned, tmp_path, monkeypatch, capsys):
    _, network, table = learned
    (tmp_path / "build").mkdir()
    save(network, tmp_path / "build" / "words.safetensors")
    table.trained(digest(network)).save(tmp_path / "build" / "words.json")
    monkeypatch.chdir(tmp_path)
    exec(program("words"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("perplexity ") and second.startswith("<unk> <unk>, <unk> <unk>")
