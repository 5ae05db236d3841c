"""The network: every rule of the numeric contract is checked when one is made."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.network import (
    LayerWeights,
    Network,
    NetworkError,
    Normalisation,
    ReadoutWeights,
    longest_sum,
)
from models.random_networks import random_network
from models.spec import LayerSpec, NetworkSpec, ReadoutSpec


def plain(inputs=2, units=3, outputs=2, mode="last", planes=1, **changes):
    """A network whose arrays, given by their names in the file, may be replaced."""
    rows = 2 * units
    arrays = {
        "W": np.zeros((planes, rows, inputs), np.int8),
        "W_shift": np.zeros((planes, rows), np.uint8),
        "U": np.zeros((planes, rows, units), np.int8),
        "U_shift": np.zeros((planes, rows), np.uint8),
        "b": np.zeros(rows, np.int16),
        "R": np.zeros((planes, outputs, units), np.int8),
        "R_shift": np.zeros((planes, outputs), np.uint8),
        "rb": np.zeros(outputs, np.int16),
        "mean": np.zeros(inputs),
        "scale": np.ones(inputs),
    }
    max_steps = changes.pop("max_steps", None)
    arrays |= changes
    spec = NetworkSpec(
        name="plain",
        inputs=inputs,
        layers=(LayerSpec(inputs, units, 0, planes, planes),),
        readout=ReadoutSpec(outputs, mode, planes),
        max_steps=max_steps,
    )
    layer = LayerWeights(*(arrays[name] for name in ("W", "W_shift", "U", "U_shift", "b")))
    readout = ReadoutWeights(arrays["R"], arrays["R_shift"], arrays["rb"])
    return Network(spec, (layer,), readout, Normalisation(arrays["mean"], arrays["scale"]))


def put(shape, dtype, index, value):
    array = np.zeros(shape, dtype)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W": put((1, 6, 2), np.int8, (0, 4, 1), 2)}, r"layer 0, row 4: W must hold -1, 0 or 1"),
        ({"U": put((1, 6, 3), np.int8, (0, 5, 0), -2)}, r"layer 0, row 5: U must hold.*not -2"),
        ({"R": put((1, 2, 3), np.int8, (0, 1, 0), 3)}, r"readout, row 1: R must hold.*not 3"),
        ({"W_shift": put((1, 6), np.uint8, (0, 3), 8)}, r"row 3: W_shift must be 0 to 7, not 8"),
        ({"U_shift": put((1, 6), np.uint8, (0, 0), 255)}, r"row 0: U_shift must be.*not 255"),
        ({"R_shift": put((1, 2), np.uint8, (0, 1), 9)}, r"readout, row 1: R_shift.*not 9"),
        ({"W": np.zeros((1, 6, 3), np.int8)}, r"layer 0 W must have shape \(1, 6, 2\)"),
        ({"b": np.zeros(5, np.int16)}, r"layer 0 b must have shape \(6,\), not \(5,\)"),
        ({"W": np.zeros((6, 2), np.int8)}, "W must have 3 dimensions"),
        ({"W": np.zeros((1, 6, 2), np.int16)}, "W must be an array of int8, not int16"),
        ({"U_shift": np.zeros((1, 6), np.int8)}, "U_shift must be an array of uint8, not int8"),
        ({"b": np.zeros(6)}, "b must be an array of int16, not float64"),
        ({"b": [0] * 6}, "b must be an array of int16, not list"),
        ({"mean": np.zeros(3), "scale": np.ones(3)}, "must have 2 features, not 3"),
        ({"mean": np.array([0.0, np.nan])}, "mean must be finite, but feature 1 has nan"),
        ({"mean": np.array([np.inf, 0.0])}, "mean must be finite, but feature 0 has inf"),
        ({"scale": np.array([1.0, np.inf])}, "scale must be finite and positive, but feature 1"),
        ({"scale": np.array([1.0, -1.0])}, "scale must be finite and positive.*-1.0"),
        ({"scale": np.array([0.0, 1.0])}, "scale must be finite and positive, but feature 0"),
        ({"scale": np.ones(3)}, "must have one shape"),
        ({"scale": np.ones(2, np.float32)}, "scale must be an array of float64"),
    ],
)
def test_a_wrong_array_is_refused(changes, message):
    plain()
    with pytest.raises(NetworkError, match=message):
        plain(**changes)


def test_fan_in_of_257_fits_and_258_does_not():
    plain(inputs=257, units=3)
    with pytest.raises(NetworkError, match="layer 0, row 0.*at most 257 sources.*not 258"):
        plain(inputs=258)
    plain(units=257)
    with pytest.raises(NetworkError, match="layer 0, row 0.*at most 257 sources.*not 258"):
        plain(units=258)


def test_a_worst_case_of_24_bits_is_refused():
    # One full plane of W and of U at shift 7 come to 2 * 257 * 127 * 128 = 2^23 - 33024.
    # In row 7, two sources more in the second planes add 4 * 127 = 508.
    full, shift = np.zeros((2, 514, 257), np.int8), np.zeros((2, 514), np.uint8)
    full[0], shift[0], full[1, 7, :2] = 1, 7, -1
    weights = {"W": full, "W_shift": shift, "U": full, "U_shift": shift, "planes": 2}
    plain(257, 257, b=put(514, np.int16, 7, 33024 - 508 - 1), **weights)
    with pytest.raises(
        NetworkError, match="layer 0, row 7: .* below 2.23 = 8388608, but is 8388608"
    ):
        plain(257, 257, b=put(514, np.int16, 7, 33024 - 508), **weights)


def test_one_plane_can_never_reach_24_bits():
    ones, seven = np.ones((1, 514, 257), np.int8), np.full((1, 514), 7, np.uint8)
    plain(257, 257, W=ones, W_shift=seven, U=ones, U_shift=seven, b=np.full(514, 32767, np.int16))


def test_max_steps_is_what_fits_32_bits():
    readout = {"R": np.ones((1, 2, 3), np.int8), "R_shift": np.full((1, 2), 7, np.uint8)}
    limit = (2**31 - 1) // (3 * 127 * 128)
    network = plain(mode="sum", max_steps=limit, **readout)
    assert longest_sum(network.readout, 127) == limit
    with pytest.raises(NetworkError, match=f"max_steps must be at most {limit}"):
        plain(mode="sum", max_steps=limit + 1, **readout)


def test_the_number_of_layers_must_agree():
    network = random_network(0, units=(4, 4))
    with pytest.raises(NetworkError, match="the spec has 2 layers, but weights of 1"):
        replace(network, layers=network.layers[:1])


def test_arrays_are_copied_and_read_only():
    mean = np.zeros(2)
    network = plain(mean=mean)
    mean[0] = np.nan
    assert network.normalisation.mean[0] == 0
    for array in network.tensors().values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_networks_compare_by_content():
    assert random_network(3) == random_network(3)
    assert random_network(3) != random_network(4)
    assert random_network(3) != "network"


def test_quantize_follows_the_contract():
    normalisation = Normalisation(np.array([1.0, 0.0]), np.array([0.5, 1.0]))
    x = np.array([[1.0, 0.0], [2.0, 0.5], [9.0, -9.0], [1 + 5 / 128, 3 / 256], [1e308, -1e308]])
    # Ties go to even: 5/128 * 0.5 * 128 = 2.5 -> 2; 3/256 * 128 = 1.5 -> 2.
    expected = [[0, 0], [64, 64], [127, -127], [2, 2], [127, -127]]
    assert normalisation.quantize(x, 7).tolist() == expected
    assert normalisation.quantize(x, 7).dtype == np.int8
    assert normalisation.quantize(x[2], 3).tolist() == [7, -7]


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(3, 7))
def test_quantize_stays_in_range(value, hb):
    normalisation = Normalisation(np.array([1e300]), np.array([3.0]))
    assert abs(int(normalisation.quantize([value], hb)[0])) <= 2**hb - 1


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0.0, np.nan]], r"x\[0, 1\] is nan"),
        ([[0.0, 1.0], [-np.inf, 0.0]], r"x\[1, 0\] is -inf"),
        ([[1.0, 2.0, 3.0]], r"2 features in their last axis, not shape \(1, 3\)"),
        (1.0, "2 features"),
        ([["a", "b"]], "real numbers"),
        ([[1j, 0]], "real numbers"),
        ([[True, False]], "real numbers"),
    ],
)
def test_quantize_refuses(x, message):
    with pytest.raises(NetworkError, match=message):
        plain().normalisation.quantize(x, 7)
