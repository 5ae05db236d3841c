"""PLL settings: exact, within the device's limits, or refused with the nearest."""

from fractions import Fraction

import pytest

from hdl.boards import load_board
from hdl.pll import ClockError, pll_settings

BOARD = load_board("icebreaker")


def settings(mhz, input_mhz=12):
    return pll_settings(Fraction(input_mhz), Fraction(mhz), BOARD.pll)


def test_48_mhz_is_what_icepll_says():
    found = settings(48)
    assert (found.divr, found.divf, found.divq, found.filter_range) == (0, 63, 4, 1)


@pytest.mark.parametrize("mhz", ["16.5", "24", "39.75", "48", "60", "66", "72", "96", "132", "264"])
def test_output_is_exact_and_within_limits(mhz):
    found = settings(mhz)
    reference = Fraction(12) / (found.divr + 1)
    vco = reference * (found.divf + 1)
    assert vco / 2**found.divq == Fraction(mhz) == found.output_mhz
    assert 10 <= reference <= 133 and 533 <= vco <= 1066


def test_impossible_clock_names_the_nearest_two():
    with pytest.raises(ClockError, match=r"cannot make 50 MHz of 12 MHz.*49\.5 and 50\.25 MHz"):
        settings(50)


@pytest.mark.parametrize(("mhz", "nearest"), [("1", "16.125"), ("300", "270")])
def test_clock_beyond_the_range_names_the_end(mhz, nearest):
    with pytest.raises(ClockError, match=f"nearest it can make: {nearest} MHz"):
        settings(mhz)


def test_faster_reference_has_a_wider_filter():
    assert settings(48, input_mhz=48).filter_range == 4
