"""The order of units on the engine: part of the network's file and image, and of nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from models import file
from models.file import NetworkFileError, load, save
from models.golden import GoldenModel
from models.image import compile_image
from models.network import NetworkError
from models.order import by_position
from models.random_networks import random_inputs, random_network
from tests.transforms import permuted, permuted_state

SIZES = {
    "one layer": {"units": (9,), "inputs": 5},
    "planes": {"units": (7, 12), "planes": 2, "mode": "sum"},
    "four layers": {"units": (5, 4, 3, 2), "outputs": 17, "mode": "every"},
}
EVERY = pytest.mark.parametrize("sizes", SIZES.values(), ids=list(SIZES))


def as_order(*layers):
    return tuple(np.array(units, np.int16) for units in layers)


@EVERY
@pytest.mark.parametrize("lanes", [12, 16])
def test_image_is_that_of_the_network_whose_units_were_permuted(sizes, lanes):
    for seed in range(4):
        network = random_network(seed, **sizes, shuffled=True)
        other = permuted(replace(network, order=()), network.order)
        assert network.reordered and not other.reordered
        assert compile_image(network, lanes) == compile_image(other, lanes)
        assert by_position(network) == other


@EVERY
def test_golden_model_knows_no_order(sizes):
    network, plain = (random_network(3, **sizes, shuffled=shuffled) for shuffled in (True, False))
    x = random_inputs(3, network, 4, 6)
    here, there = GoldenModel(network).run(x), GoldenModel(plain).run(x)
    assert np.array_equal(here.logits, there.logits)
    assert np.array_equal(here.scores, there.scores)
    for mine, expected in zip(here.states, there.states, strict=True):
        assert np.array_equal(mine, expected)


def test_state_memory_holds_the_states_by_position():
    network = random_network(1, units=(3, 4), shuffled=True)
    h = np.arange(7)
    memory = h[network.state_order]
    assert memory.tolist() == permuted_state(h, network.order)
    assert sorted(memory[:3].tolist()) == [0, 1, 2]


@EVERY
def test_an_order_comes_back_from_the_file(tmp_path, sizes):
    network = random_network(5, **sizes, shuffled=True)
    save(network, tmp_path / "n.safetensors")
    found = load(tmp_path / "n.safetensors")
    assert found == network
    for mine, expected in zip(found.order, network.order, strict=True):
        assert mine.dtype == np.int16 and mine.tolist() == expected.tolist()
        assert not mine.flags.writeable


def test_networks_of_two_orders_are_two_networks():
    network = random_network(5, shuffled=True)
    assert network != replace(network, order=())
    assert network != replace(network, order=(network.order[0][::-1].copy(),))


def test_units_as_they_come_leave_the_file_as_it_was(tmp_path):
    """It has no order, its version is 1, and explicit or not makes no difference."""
    network = random_network(5, units=(4, 3))
    for name, one in (
        ("a", network),
        ("b", replace(network, order=as_order(range(4), range(3)))),
    ):
        save(one, tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    with safetensors.safe_open(tmp_path / "a.safetensors", "numpy") as opened:
        assert opened.metadata()["format_version"] == "1"
        assert not any("order" in name for name in opened.keys())


def test_a_file_with_an_order_says_so_by_its_version(tmp_path):
    """A program that knows of no order refuses it, and names the version."""
    save(random_network(5, shuffled=True), tmp_path / "n.safetensors")
    with safetensors.safe_open(tmp_path / "n.safetensors", "numpy") as opened:
        assert opened.metadata()["format_version"] == "2"
        assert opened.get_tensor("layers.0.order").dtype == np.int16


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (as_order(range(4)), "an order for each of 2 layers, not for 1"),
        (as_order(range(4), range(4)), r"layer 1 order must have shape \(3,\), not \(4,\)"),
        (
            as_order([0, 1, 2, 4], range(3)),
            r"layer 0 order must hold each unit from 0 to 3 once, but order\[3\] is 4$",
        ),
        (as_order(range(4), [0, -1, 2]), r"layer 1 order .* 0 to 2 once, but order\[1\] is -1$"),
        (as_order([2, 1, 2, 1], range(3)), r"layer 0 order .* but order\[2\] is 2 again$"),
        ((np.arange(4), np.arange(3)), "layer 0 order must be an array of int16, not int64"),
        (([0, 1, 2, 3], [0, 1, 2]), "layer 0 order must be an array of int16, not list"),
        (as_order([[0, 1, 2, 3]], range(3)), r"must have 1 dimensions, not shape \(1, 4\)"),
    ],
)  # fmt: skip
def test_what_is_no_permutation_is_refused(tmp_path, order, message):
    network = random_network(1, units=(4, 3))
    with pytest.raises(NetworkError, match=message):
        replace(network, order=order)
    if len(order) != 2 or not isinstance(order[0], np.ndarray):
        return
    # The same in a file, its digest right.
    spec = network.spec.to_yaml()
    tensors = {**network.tensors(), "layers.0.order": order[0], "layers.1.order": order[1]}
    metadata = {"format": file.FORMAT, "format_version": "2", "spec": spec}
    metadata["digest"] = file._digest(spec, tensors)
    path = tmp_path / "n.safetensors"
    safetensors.numpy.save_file(tensors, path, metadata)
    with pytest.raises(NetworkFileError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("version", "names", "message"),
    [
        ("1", (0, 1), "unknown: layers.0.order, layers.1.order"),
        ("2", (0,), "missing: layers.1.order; unknown: none"),
        ("2", (0, 1, 2), "unknown: layers.2.order"),
    ],
)
def test_orders_and_version_of_a_file_must_agree(tmp_path, version, names, message):
    network = random_network(1, units=(4, 4))
    spec = network.spec.to_yaml()
    tensors = network.tensors()
    tensors |= {f"layers.{n}.order": np.array([1, 0, 3, 2], np.int16) for n in names}
    metadata = {"format": file.FORMAT, "format_version": version, "spec": spec}
    metadata["digest"] = file._digest(spec, tensors)
    path = tmp_path / "n.safetensors"
    safetensors.numpy.save_file(tensors, path, metadata)
    with pytest.raises(NetworkFileError, match=message):
        load(path)
