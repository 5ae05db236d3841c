"""Word formats: how wide words are, and what follows for addresses and latencies."""

import pytest

from models.word_format import PLAIN, WordFormat


@pytest.mark.parametrize(
    ("events", "packed", "lanes", "bits"),
    [
        (2, False, 12, 48),
        (2, False, 16, 64),
        (2, False, 24, 96),
        (1, False, 12, 48),  # a parameter word needs 48
        (1, False, 16, 48),
        (1, False, 24, 48),
        (1, False, 28, 56),
        (2, True, 12, 48),  # three bytes for a source
        (2, True, 16, 64),
        (2, True, 20, 64),
        (2, True, 24, 80),
        (1, True, 20, 48),
        (1, True, 40, 64),
    ],
)
def test_words_have_the_weights_of_their_sources_and_hold_a_parameter(events, packed, lanes, bits):
    form = WordFormat(events, packed)
    assert form.word_bits(lanes) == bits == events * form.part_bits(lanes)
    assert form.word_bytes(lanes) == bits / 8


def test_word_of_half_bytes_travels_in_whole_ones():
    assert WordFormat(events=1).word_bytes(26) == 7


@pytest.mark.parametrize("sources", [1, 2, 7, 64, 257])
def test_stride_has_room_for_sources_of_any_first_number(sources):
    assert WordFormat(events=1).stride(sources) == sources
    for first in (0, 1, 6):
        last = first + sources - 1
        assert last // 2 - first // 2 < PLAIN.stride(sources)


def test_lanes_wait_for_unpacking_and_for_the_sum_of_two_terms():
    assert PLAIN.lanes_late == 0
    assert WordFormat(packed=True).lanes_late == 1
    assert WordFormat(events=1).lanes_late == -1
    assert WordFormat(events=1, packed=True).lanes_late == 0


@pytest.mark.parametrize("events", [0, 3, -1])
def test_other_numbers_of_events_are_refused(events):
    with pytest.raises(ValueError, match=f"'events' must be 1 or 2 a cycle, not {events}"):
        WordFormat(events)
