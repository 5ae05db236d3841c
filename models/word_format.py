"""How a word of the store holds ternary weights: of how many sources, and in which code.

A word is the weights of one group of rows (a row a lane): of an even and an odd source, in a half
of the word each, where the engine takes two events a cycle; of one source where it takes one.
Weights have two bits each, or are packed, five in a byte (`models.trits`). The engine is built
for one format, and says which; the image is laid out for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.trits import TRITS, encode

#: Bits of a parameter word, the widest of those that hold no weights.
PARAMETER_BITS = 48

#: Bits of a weight that is not packed: 1 is +1, 3 is -1, 0 is nothing.
_WEIGHT_BITS = 2
_BYTE = 8


@dataclass(frozen=True)
class WordFormat:
    """A format of store words.

    Attributes
    ----------
    events : int
        Events that the engine takes in a cycle, and so the sources whose weights are in a word:
        2 (an even and an odd one's) or 1.
    packed : bool
        Five weights are in a byte, instead of two bits each.

    Raises
    ------
    ValueError
        If `events` is neither 1 nor 2.
    """

    events: int = 2
    packed: bool = False

    def __post_init__(self) -> None:
        if self.events not in (1, 2):
            raise ValueError(f"'events' must be 1 or 2 a cycle, not {self.events!r}")

    def weight_bits(self, lanes: int) -> int:
        """Return the bits of a source's weights, one for each lane."""
        if self.packed:
            return -(-lanes // TRITS) * _BYTE
        return _WEIGHT_BITS * lanes

    def part_bits(self, lanes: int) -> int:
        """Return the bits of a word that have an address of their own: its half, or all of it."""
        if self.events == 2:
            return self.weight_bits(lanes)
        return max(self.weight_bits(lanes), PARAMETER_BITS)

    def word_bits(self, lanes: int) -> int:
        """Return the bits of a store word."""
        return self.events * self.part_bits(lanes)

    def word_bytes(self, lanes: int) -> int:
        """Return the bytes in which a store word travels."""
        return -(-self.word_bits(lanes) // _BYTE)

    def stride(self, sources: int) -> int:
        """Return the words from one group of a matrix to the next; any first source will do."""
        return sources // 2 + 1 if self.events == 2 else sources

    @property
    def lane_delay(self) -> int:
        """Cycles from the address of a word to the reading of its accumulators.

        One for the store, one more to unpack its bytes, and one more to add two events' terms.
        """
        return self.events + self.packed

    @property
    def lanes_late(self) -> int:
        """Cycles by which accumulators are read later than in the usual format; may be -1."""
        return self.lane_delay - PLAIN.lane_delay

    @property
    def name(self) -> str:
        """What it is called in tables and messages."""
        weights = "five weights in a byte" if self.packed else "two bits a weight"
        return f"{weights}, {self.events} event{'s' * (self.events > 1)} a cycle"

    def pack(self, weights: ArrayLike) -> list[int]:
        """Return words of weights.

        Parameters
        ----------
        weights : integers [words, events, lanes]
            In {-1, 0, +1}.

        Returns
        -------
        list of int
            One word each.
        """
        values = np.asarray(weights, np.int64)
        size = _BYTE if self.packed else _WEIGHT_BITS
        codes = encode(values).astype(np.int64) if self.packed else values & 3
        part = self.part_bits(values.shape[2])
        return [
            sum(
                code << (part * number + size * place)
                for number, row in enumerate(word)
                for place, code in enumerate(row)
            )
            for word in codes.tolist()
        ]


#: What an engine has where nobody says otherwise.
PLAIN = WordFormat()
