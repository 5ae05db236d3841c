"""`models.train_words`: from a text file to a network, its table and its figures."""

import json

import numpy as np
import pytest
import torch

from models.file import digest, load
from models.golden import GoldenModel
from models.qat import from_network
from models.tokens import token_logits
from models.train_words import main
from models.words import Table, one_hot

VERSE = "the rose is red , the violet's blue ; the honey's sweet , and so are you . " * 40
QUICK = "--words 15 --units 12 --rounds 2 --epochs 3 --ternary-epochs 2 --no-compiled".split()


@pytest.fixture
def text(tmp_path):
    (tmp_path / "verse.txt").write_text(VERSE)
    return str(tmp_path / "verse.txt")


def test_a_text_becomes_a_network_and_its_table(text, tmp_path, capsys):
    output = tmp_path / "new" / "verse"
    assert main([text, *QUICK, "--output", str(output)]) == 0
    network, table = load(f"{output}.safetensors"), Table.load(f"{output}.json")
    spec = network.spec
    assert (spec.inputs, spec.outputs, spec.readout.mode, spec.units) == (8, 8, "every", (12,))
    assert (spec.name, spec.task, len(table.words)) == ("verse", "words", 15)
    assert table.network == digest(network)
    figures = json.loads((tmp_path / "new" / "verse.metrics.json").read_text())
    assert figures["parameters"] == 2 * 12 * 8 + 2 * 12 * 12 + 2 * 12 + 12 * 8 + 8
    assert 1 <= len(figures["rounds"]) <= 2 and len(figures["ternary"]) == 2
    assert all(1 < p < 16 for part in figures["perplexity"].values() for p in part.values())
    assert "perplexity, ternary" in capsys.readouterr().out
    # The file computes what the golden model does.
    steps = table.half_steps(table.encode(VERSE[:200]))[1:-1]
    golden = GoldenModel(network).run(one_hot(steps, 8, spec.M)[None]).logits[0]
    logits = token_logits(from_network(network), torch.from_numpy(steps[None]))[0]
    np.testing.assert_array_equal(logits[:, 0].double() * (1 << 12), golden)


def test_the_same_seed_gives_the_same_files(text, tmp_path):
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        output = tmp_path / name / "verse"
        assert main([text, *QUICK, "--seed", "3", "--output", str(output)]) == 0
        files.append([output.with_suffix(s).read_bytes() for s in (".safetensors", ".json")])
    assert files[0] == files[1]


@pytest.mark.parametrize("before", [True, False])
def test_an_interruption_leaves_no_pair_that_looks_like_one(text, tmp_path, monkeypatch, before):
    """The table of the run before stays, or none."""
    output = tmp_path / "verse"
    if before:
        assert main([text, *QUICK, "--output", str(output)]) == 0

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Table, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main([text, *QUICK, "--seed", "1", "--output", str(output)])
    network = load(f"{output}.safetensors")
    if before:
        table = Table.load(f"{output}.json")
        assert table.features == network.spec.inputs and table.network != digest(network)
    else:
        assert not output.with_suffix(".json").exists()


def test_bad_input_ends_in_a_line(text, tmp_path, capsys):
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "short.txt").write_text("to be")
    for arguments, said in (
        ([str(tmp_path / "absent.txt")], "absent.txt"),
        ([str(tmp_path / "bytes.txt")], "bytes.txt: expected a text in UTF-8"),
        ([str(tmp_path / "short.txt")], "a text must have at least two words in each of its parts"),
        ([text, *QUICK, "--units", "300"], "at most 257 sources"),
        ([text, *QUICK, "--words", "1"], "at least 2 words, not 1"),
    ):
        assert main([*arguments, "--output", str(tmp_path / "out")]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out.safetensors").exists()
