"""Frames: what is encoded comes back, what is damaged does not, and garbage costs only itself."""

import random

import cobs.cobs as second_opinion
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host import cobs
from host.frames import MAX_ENCODED, Frame, FrameReceiver, crc16, decode, encode
from models.protocol import CRC_BYTES, HEADER_BYTES, encoded_bytes

frames = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300)
)


#: Bytes with pieces of every length between zeros, the full ones' most of all.
stuffable = st.lists(
    st.one_of(
        st.binary(max_size=5),
        st.builds(bytes.__mul__, st.just(b"\x07"), st.sampled_from([253, 254, 255, 508, 509])),
        st.just(b"\0"),
    ),
    max_size=6,
).map(b"".join)


@given(stuffable)
def test_cobs_is_the_package_s(data):
    assert cobs.encode(data) == second_opinion.encode(data)
    assert cobs.decode(cobs.encode(data)) == data


@given(st.one_of(stuffable, st.binary(max_size=12)))
def test_cobs_refuses_what_the_package_refuses(encoded):
    try:
        expected = second_opinion.decode(encoded)
    except second_opinion.DecodeError:
        expected = None
    assert cobs.decode(encoded) == expected


def test_crc_check_value():
    assert crc16(b"123456789") == 0x29B1


@given(frames)
def test_a_frame_comes_back(frame):
    line = encode(frame)
    assert line.endswith(b"\0") and b"\0" not in line[:-1]
    assert len(line) <= encoded_bytes(HEADER_BYTES + len(frame.payload) + CRC_BYTES)
    assert decode(line[:-1]) == frame


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 50), min_size=1), st.binary())
@settings(max_examples=50)
def test_frames_come_back_in_any_pieces_after_any_garbage(sent, sizes, garbage):
    receiver = FrameReceiver()
    before = len(receiver.feed(garbage + b"\0"))  # garbage may be a frame, but hardly ever is
    line = b"".join(encode(frame) for frame in sent)
    got, at, index = [], 0, 0
    while at < len(line):
        size = sizes[index % len(sizes)]
        got += receiver.feed(line[at : at + size])
        at, index = at + size, index + 1
    assert before <= 1
    assert got == sent


def test_every_single_bit_flip_is_noticed():
    frame = Frame(7, 3, 4, bytes(range(40)))
    line = encode(frame)
    for position in range(len(line) - 1):
        for bit in range(8):
            damaged = bytearray(line)
            damaged[position] ^= 1 << bit
            assert frame not in FrameReceiver().feed(bytes(damaged))


def test_an_endless_frame_is_dropped_in_bounded_memory():
    receiver = FrameReceiver()
    for _ in range(100):
        assert receiver.feed(b"\x55" * MAX_ENCODED) == []
    assert len(receiver._partial) <= MAX_ENCODED
    good = Frame(1, 2, 3, b"after")
    assert receiver.feed(b"\0" + encode(good)) == [good]
    assert receiver.damaged == 1


def test_a_longest_frame_is_taken_and_one_byte_more_is_not():
    longest = Frame(1, 2, 3, bytes(496))
    assert FrameReceiver().feed(encode(longest)) == [longest]
    receiver = FrameReceiver()
    line = b"\x01" * (MAX_ENCODED + 1) + b"\0"
    assert receiver.feed(line) == [] and receiver.damaged == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_million_random_bytes_make_no_error(seed):
    source = random.Random(seed)
    receiver = FrameReceiver()
    for _ in range(350):
        receiver.feed(source.randbytes(1000))
    assert receiver.damaged > 0


def test_too_short_frames_are_damaged():
    receiver = FrameReceiver()
    assert receiver.feed(b"\x02\x41\0\x03\x41\x42\0") == []
    assert receiver.damaged == 2
