"""Settings of the iCE40 PLL: an exact frequency or a refusal that names the nearest ones."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hdl.boards import PLLLimits

# Field widths of SB_PLL40_*: DIVR 4 bits, DIVF 7 bits; DIVQ 1 to 6 (Lattice FPGA-TN-02052).
_DIVR = range(16)
_DIVF = range(128)
_DIVQ = range(1, 7)

# FILTER_RANGE by phase detector frequency: below the MHz at the left, the value at the right.
_FILTER_RANGES = ((17, 1), (26, 2), (44, 3), (66, 4), (101, 5))
_FILTER_RANGE_ABOVE = 6


class ClockError(ValueError):
    """A clock frequency that the board's PLL cannot make."""


@dataclass(frozen=True)
class PLLSettings:
    """Divider fields of an SB_PLL40 primitive with FEEDBACK_PATH = SIMPLE.

    output = input * (divf + 1) / ((divr + 1) * 2 ** divq)
    """

    divr: int
    divf: int
    divq: int
    filter_range: int
    output_mhz: Fraction


def pll_settings(input_mhz: Fraction, output_mhz: Fraction, limits: PLLLimits) -> PLLSettings:
    """Find the dividers that make exactly one frequency of another.

    Parameters
    ----------
    input_mhz, output_mhz : Fraction
        Frequencies in MHz.
    limits : PLLLimits
        What the device allows.

    Raises
    ------
    ClockError
        If no setting makes it; the message names the nearest frequencies that can be made.
    """
    settings = _all_settings(input_mhz, limits)
    exact = [s for s in settings if s.output_mhz == output_mhz]
    if exact:
        # A higher phase detector frequency means less jitter, so the smallest DIVR.
        return min(exact, key=lambda s: (s.divr, s.divf))
    below = max((s.output_mhz for s in settings if s.output_mhz < output_mhz), default=None)
    above = min((s.output_mhz for s in settings if s.output_mhz > output_mhz), default=None)
    nearest = " and ".join(f"{float(f):g}" for f in (below, above) if f is not None)
    raise ClockError(
        f"the PLL cannot make {float(output_mhz):g} MHz of {float(input_mhz):g} MHz exactly; "
        f"the nearest it can make: {nearest or 'none'} MHz"
    )


def _all_settings(input_mhz: Fraction, limits: PLLLimits) -> list[PLLSettings]:
    def inside(value: Fraction, span: tuple[Fraction, Fraction]) -> bool:
        return span[0] <= value <= span[1]

    found = []
    for divr in _DIVR:
        reference = input_mhz / (divr + 1)
        if not inside(reference, limits.reference_mhz):
            continue
        filter_range = next((v for top, v in _FILTER_RANGES if reference < top), None)
        for divf in _DIVF:
            vco = reference * (divf + 1)
            if not inside(vco, limits.vco_mhz):
                continue
            for divq in _DIVQ:
                output = vco / 2**divq
                if inside(output, limits.output_mhz):
                    found.append(
                        PLLSettings(divr, divf, divq, filter_range or _FILTER_RANGE_ABOVE, output)
                    )
    return found
