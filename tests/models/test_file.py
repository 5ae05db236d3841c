"""The network file: what is written comes back, and anything altered is refused by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from models import file
from models.file import NetworkFileError, digest, load, save
from models.network import NetworkError
from models.random_networks import random_network

SPEC = random_network(0).spec.to_yaml()


@pytest.fixture
def network():
    return random_network(1, units=(4, 3), mode="sum", theta=3)


@pytest.fixture
def path(tmp_path, network):
    save(network, tmp_path / "n.safetensors")
    return tmp_path / "n.safetensors"


def write(path, spec, tensors, **metadata):
    """Any tensors and metadata as a file with a right digest, as a careful forger would."""
    good = {"format": file.FORMAT, "format_version": "1", "spec": spec}
    merged = {**good, "digest": file._digest(spec, tensors), **metadata}
    safetensors.numpy.save_file(tensors, path, {k: v for k, v in merged.items() if v is not None})


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("mode", ["last", "sum", "every"])
@pytest.mark.parametrize("units", [(5,), (4, 3, 2, 6)])
def test_a_saved_network_comes_back(tmp_path, planes, mode, units):
    network = random_network(7, units=units, mode=mode, planes=planes, hb=5, theta=1)
    save(network, tmp_path / "n.safetensors")
    assert load(tmp_path / "n.safetensors") == network


def test_one_network_has_one_sequence_of_bytes(tmp_path, network):
    for name in ("a", "b"):
        save(network, tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_the_digest_of_a_network_is_its_files(path, network):
    with safetensors.safe_open(path, "np") as opened:
        assert digest(network) == digest(load(path)) == opened.metadata()["digest"]
    renamed = replace(network, spec=replace(network.spec, name="another"))
    assert digest(renamed) != digest(network)


def test_other_readers_of_safetensors_can_open_it(path, network):
    tensors = safetensors.numpy.load_file(path)
    assert np.array_equal(tensors["layers.1.U"], network.layers[1].U)


def test_every_changed_byte_is_noticed(path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    positions = {*range(64), len(data) - 1, *rng.integers(0, len(data), 400).tolist()}
    for position in sorted(positions):
        altered = bytearray(data)
        altered[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(altered)
        with pytest.raises(NetworkFileError, match="n.safetensors: "):
            load(path)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, -1, -100])
def test_a_truncated_file_is_refused(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(NetworkFileError, match="truncated|begins with an 8-byte"):
        load(path)


def test_an_oversized_file_is_refused(path):
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(NetworkFileError, match=f"oversized: should be {size} bytes, is {size + 1}"):
        load(path)


def test_a_huge_file_is_refused_unread(path):
    with path.open("r+b") as stream:
        stream.truncate(1 << 40)  # sparse
    with pytest.raises(NetworkFileError, match="holds at most"):
        load(path)


@pytest.mark.parametrize("data", [b"PK\x03\x04" + b"x" * 200, b"\x80\x04" * 50, b"hello\n" * 30])
def test_another_kind_of_file_is_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(NetworkFileError, match="not a safetensors file"):
        load(path)


def test_an_absent_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(NetworkFileError, match="cannot be read: No such file"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(NetworkFileError, match="cannot be read"):
        load(tmp_path)


def test_safetensors_of_something_else_is_refused(path):
    safetensors.numpy.save_file({"a": np.zeros(3)}, path)
    with pytest.raises(NetworkFileError, match="not an addgate network"):
        load(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format_version": "3"}, "format version must be 1 or 2, not 3"),
        ({"format_version": None}, "format version must be 1 or 2, not None"),
        ({"format": "onnx"}, "its format must be 'addgate-network', not 'onnx'"),
        ({"digest": None}, "the metadata must be exactly"),
        ({"author": "me"}, "the metadata must be exactly.*author"),
        ({"digest": "0" * 64}, "the contents were altered"),
    ],
)
def test_wrong_metadata_is_refused(path, network, metadata, message):
    write(path, network.spec.to_yaml(), network.tensors(), **metadata)
    with pytest.raises(NetworkFileError, match=message):
        load(path)


def changed(name, value):
    return lambda tensors: {**tensors, name: value}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("layers.0.W", np.full((1, 16, 4), 2, np.int8)), "layer 0, row 0: W must hold"),
        (changed("layers.0.W", np.zeros((1, 16, 4), np.float32)), "layer 0: W must be an array of"),
        (changed("layers.0.W", np.zeros((1, 16, 5), np.int8)), r"must have shape \(1, 16, 4\)"),
        (changed("layers.0.b", np.zeros((16, 1), np.int16)), "b must have 1 dimensions"),
        (changed("layers.0.U_shift", np.full((1, 16), 8, np.uint8)), "U_shift must be 0 to 7"),
        (changed("input.scale", np.full(4, -1.0)), "scale must be finite and positive"),
        (changed("input.mean", np.full(4, np.nan)), "mean must be finite"),
        (changed("layers.1.W", np.zeros((1, 2, 2), np.int8)), "unknown: layers.1.W"),
        (lambda tensors: {k: v for k, v in tensors.items() if k != "readout.R"}, "missing: read"),
    ],
)
def test_wrong_tensors_are_refused_even_with_a_right_digest(path, change, message):
    write(path, SPEC, change(random_network(0).tensors()))
    with pytest.raises(NetworkFileError, match=message):
        load(path)


def test_a_wrong_spec_is_refused_even_with_a_right_digest(path):
    write(path, SPEC + "speed: 3\n", random_network(0).tensors())
    with pytest.raises(NetworkFileError, match="unknown: speed"):
        load(path)
    write(path, "!!python/object/apply:os.mkdir ['/tmp/never']", random_network(0).tensors())
    with pytest.raises(NetworkFileError, match="valid YAML"):
        load(path)


def test_a_header_that_is_json_but_nonsense_is_refused(path):
    for header in ([], {"a": 1}, {"a": {"data_offsets": "no"}}, {"__metadata__": 3}):
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(NetworkFileError):
            load(path)


def test_a_file_error_is_a_network_error():
    assert issubclass(NetworkFileError, NetworkError) and issubclass(NetworkError, ValueError)


def test_saving_keeps_what_was_there_when_it_fails(tmp_path, path, network, monkeypatch):
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(file.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save(random_network(5), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["n.safetensors"]


def test_another_ending_is_refused(tmp_path, network):
    with pytest.raises(NetworkFileError, match="must end in .safetensors"):
        save(network, tmp_path / "n.bin")
