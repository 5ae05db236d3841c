"""What a device gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.layout import Capacity


@dataclass(frozen=True, eq=False)
class Result:
    """An answer.

    Attributes
    ----------
    label : int
        Index of the largest score, the lowest on a tie.
    logits : int64 array [C] or None
        The step's logits; in readout mode "sum" their sum over the sequence so far. None if
        only the label was asked for.
    scores : int64 array [C] or None
        The same array, by the name it has on the device: what the label is the largest of.
    value : float, float64 array [C] or None
        For networks with target "value": the scores as numbers (one float where C is 1).
    cycles : int
        Clock cycles the engine worked on it. For `run`: the whole sequence, its reset included.
    seconds : float
        Device time: these cycles at the device's clock.
    steps : int
        Time steps of the sequence so far.
    every : tuple of Result
        In readout mode "every", for `run`: each step's own result; empty otherwise. The
        result around it is that of the last step, with the cycles of the whole sequence.
    """

    label: int
    logits: NDArray[np.int64] | None
    value: float | NDArray[np.float64] | None
    cycles: int
    steps: int
    seconds: float
    every: tuple[Result, ...] = field(default=())

    @property
    def scores(self) -> NDArray[np.int64] | None:
        """The logits, or their sum: see above."""
        return self.logits


@dataclass(frozen=True, eq=False)
class State:
    """Where a sequence stands, to be continued later or elsewhere.

    Attributes
    ----------
    h : int8 array [sum of H]
        Hidden state, layer after layer, in the network file's unit order.
    scores : int64 array [C]
        Running sum of the logits in readout mode "sum", else zeros.
    steps : int
        Time steps so far.
    network : int
        Identifies the network: CRC-32 of its image for this device's lanes.
    """

    h: NDArray[np.int8]
    scores: NDArray[np.int64]
    steps: int
    network: int


@dataclass(frozen=True)
class Counters:
    """What the device has counted since it started.

    Attributes
    ----------
    cycles : int
        Clock cycles in which the engine worked.
    steps : int
        Time steps.
    events : int
        Events: input elements and hidden units that changed.
    link_errors : int
        Damaged frames that the device dropped.
    frames : int
        Requests that it accepted.
    adding, reading : int
        Of `cycles`: those in which the lanes add events, and in which a pass or the readout reads
        them. The rest is what a step needs besides.
    starved : int
        Clock cycles within a step with nothing to do but to wait for an input.
    idle : int
        Clock cycles without a command. Both zero on an emulator, which has no clock.
    """

    cycles: int
    steps: int
    events: int
    link_errors: int
    frames: int
    adding: int
    reading: int
    starved: int
    idle: int


@dataclass(frozen=True)
class Identity:
    """What a device is and what it holds.

    Attributes
    ----------
    protocol : int
        Version of the link protocol.
    capacity : Capacity
        Lanes, store and the largest network it takes.
    fraction_bits : int
        F of the numeric contract.
    clock_hz : int
        The engine's clock.
    weights : str
        Weight store, "spram" or "bram".
    network_valid : bool
        Whether a network is loaded and active.
    image_words, image_crc32 : int
        Size of the network's image and its CRC-32 as read back from the store; 0 words: none.
    rx_capacity, tx_capacity : int
        Bytes of the device's receive buffer and response ring.
    flash : str
        What became of a network in the board's flash at power-up: "loaded" and checked, "failed",
        or "none", as there is none or the board looks for none.
    """

    protocol: int
    capacity: Capacity
    fraction_bits: int
    clock_hz: int
    weights: str
    network_valid: bool
    image_words: int
    image_crc32: int
    rx_capacity: int
    tx_capacity: int
    flash: str
