"""Five weights in a byte: every combination has a byte, and the zeros have byte 0."""

import itertools

import numpy as np
import pytest

from models.trits import CODE_BITS, NONZERO, SHARED, TRITS, decode, encode

EVERY = np.array(list(itertools.product((-1, 0, 1), repeat=TRITS)))


def test_every_combination_comes_back():
    codes = encode(EVERY)
    assert codes.shape == (243, 1) and codes.dtype == np.uint8
    assert len(np.unique(codes)) == 243
    assert np.array_equal(decode(codes), EVERY)


def test_zeros_are_byte_0():
    """Blank words are zero, and a walk may touch them."""
    assert encode(np.zeros(TRITS)).tolist() == [0]
    assert not decode([0]).any()


def test_sign_of_a_weight_is_its_bit_of_the_byte():
    codes = np.arange(256)
    weights = decode(codes[:, None])
    for place in range(TRITS):
        some = weights[:, place] != 0
        assert np.array_equal(codes[some] >> place & 1, weights[some, place] == -1)


@pytest.mark.parametrize("count", [1, 4, 5, 6, 12, 20, 28])
def test_rows_of_any_length_are_padded_with_zeros(count):
    weights = np.random.default_rng(count).integers(-1, 2, (3, 2, count))
    codes = encode(weights)
    assert codes.shape == (3, 2, -(-count // TRITS))
    unpacked = decode(codes)
    assert np.array_equal(unpacked[..., :count], weights)
    assert not unpacked[..., count:].any()


def test_the_decoder_is_two_levels_of_lookup_tables():
    for function in SHARED:
        assert max(function.inputs) < CODE_BITS
    for function in (*SHARED, *NONZERO):
        assert len(set(function.inputs)) == 4 and 0 <= function.table < 1 << 16
        assert max(function.inputs) < CODE_BITS + len(SHARED)
    assert len(NONZERO) == TRITS
