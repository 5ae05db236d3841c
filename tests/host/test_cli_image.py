"""`image`: what another language's driver loads; sim/test_client.py is one that does."""

import json
import zlib

import pytest

from host.cli import main
from models.file import save
from models.image import compile_image
from models.random_networks import random_network
from models.word_format import WordFormat

NETWORK = random_network(2, inputs=5, units=(12,), shuffled=True)


@pytest.fixture
def paths(tmp_path):
    save(NETWORK, tmp_path / "n.safetensors")
    return str(tmp_path / "n.safetensors"), tmp_path / "n.img"


@pytest.mark.parametrize(
    "options, lanes, form",
    [
        ([], 16, WordFormat()),
        (["--lanes", "20", "--events", "1"], 20, WordFormat(events=1)),
        (["--lanes", "24", "--packed"], 24, WordFormat(packed=True)),
    ],
)
def test_it_writes_the_words_for_a_device_and_says_what_else_a_driver_needs(
    paths, capsys, options, lanes, form
):
    file, output = paths
    assert main(["image", file, "--output", str(output), "--json", *options]) == 0
    facts = json.loads(capsys.readouterr().out)
    data = output.read_bytes()
    assert data == compile_image(NETWORK, lanes, form).to_bytes()
    assert facts["crc32"] == zlib.crc32(data)
    assert facts["words"] * facts["word_bytes"] == len(data)
    assert (facts["lanes"], facts["events"], facts["packed"]) == (lanes, form.events, form.packed)
    assert facts["order"] == [order.tolist() for order in NETWORK.order]
    assert facts["target"] == "class" and facts["value_divisor"] == 1 << 12
    assert facts["mean"] == NETWORK.normalisation.mean.tolist()


def test_it_says_it_for_people(paths, capsys):
    file, output = paths
    assert main(["image", file, "--output", str(output)]) == 0
    found = capsys.readouterr().out
    assert f"CRC-32           {zlib.crc32(output.read_bytes()):08x}\n" in found


@pytest.mark.parametrize(
    "options, message",
    [
        (["--lanes", "14"], "lanes must be a multiple of 4 from 12 to 252, not 14"),
        (["--output", "/dev/null/n.img"], "/dev/null"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(paths, capsys, options, message):
    file, output = paths
    assert main(["image", file, "--output", str(output), *options]) == 2
    assert message in capsys.readouterr().err and not output.exists()


def test_an_output_must_be_named(paths, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["image", paths[0]])
    assert ended.value.code == 2 and "--output" in capsys.readouterr().err
