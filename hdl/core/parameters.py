"""What an engine is built with: one frozen record made once and handed to every part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.image import Capacity, Image, check_lanes
from models.spec import FRACTION_BITS
from models.word_format import WordFormat

WeightMemory = Literal["bram", "spram"]

#: Words of one single-port RAM primitive (SB_SPRAM256KA: 16384 words of 16 bits).
SPRAM_WORDS = 16384
SPRAM_BITS = 16

#: Accumulators in one lane: the lower half of an iCE40 block RAM of 256 words of 16 bits. The
#: upper half stays zero (see `hdl.core.lanes`).
ACCUMULATOR_WORDS = 128


@dataclass(frozen=True)
class EngineParameters:
    """Sizes of an engine.

    Attributes
    ----------
    lanes : int
        Lanes P; a multiple of 4, at least 12 (a parameter word of 48 bits must fit into a store
        word).
    weights : str
        ``"bram"``, initialised block RAM, or ``"spram"``, single-port RAM without contents.
    store_words : int
        Words in the weight store; 16384 for SPRAM.
    image : Image or None
        Contents of the store at power-up (block RAM only).
    events : int
        Events a cycle: 2, an even and an odd source's, or 1.
    packed : bool
        Five weights are in a byte of the store, instead of two bits each.
    """

    lanes: int = 16
    weights: WeightMemory = "bram"
    store_words: int = 512
    image: Image | None = None
    events: int = 2
    packed: bool = False

    def __post_init__(self) -> None:
        check_lanes(self.lanes)
        if self.weights not in ("bram", "spram"):
            raise ValueError(f"'weights' must be 'bram' or 'spram', not {self.weights!r}")
        if self.weights == "spram" and self.store_words != SPRAM_WORDS:
            raise ValueError(
                f"'store_words' must be {SPRAM_WORDS} for SPRAM, not {self.store_words}"
            )
        if not 0 < self.store_words <= 1 << 16:
            raise ValueError(f"'store_words' must be 1 to 65536, not {self.store_words}")
        word_format = self.word_format  # refuses other numbers of events
        if self.image is not None:
            if self.weights == "spram":
                raise ValueError("SPRAM has no contents at power-up: 'image' must be None")
            if self.image.layout.lanes != self.lanes:
                raise ValueError(
                    f"'image' is laid out for {self.image.layout.lanes} lanes, not {self.lanes}"
                )
            if self.image.layout.word_format != word_format:
                raise ValueError(
                    f"'image' is laid out for {self.image.layout.word_format.name}, "
                    f"not {word_format.name}"
                )
            if len(self.image.words) > self.store_words:
                raise ValueError(
                    f"'image' has {len(self.image.words)} words, "
                    f"the store has room for {self.store_words}"
                )

    @property
    def word_format(self) -> WordFormat:
        """How a store word holds weights."""
        return WordFormat(self.events, self.packed)

    @property
    def word_bits(self) -> int:
        """Bits of a store word; usually two for each lane and half."""
        return self.word_format.word_bits(self.lanes)

    @property
    def word_bytes(self) -> int:
        """Bytes in which a store word travels over the link."""
        return self.word_format.word_bytes(self.lanes)

    @property
    def ternary_weights(self) -> int:
        """Weights that the store has room for."""
        return self.events * self.store_words * self.lanes

    @property
    def fraction_bits(self) -> int:
        """F of the numeric contract."""
        return FRACTION_BITS

    @property
    def capacity(self) -> Capacity:
        """The limits a network must fit into."""
        return Capacity(
            lanes=self.lanes,
            store_words=self.store_words,
            accumulator_words=ACCUMULATOR_WORDS,
            word_format=self.word_format,
        )
