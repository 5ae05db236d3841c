"""What stands behind `host.device.Device`: an engine reached over a link, or one in process.

`Device` checks inputs and keeps track of sequences; an engine carries out the commands of
docs/link.md. Both engines give the same numbers, so programs need not know which one they use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from host.results import Counters, Identity
from models.image import Image
from models.network import Network
from models.protocol import StepFlags

#: Called with (bytes done, bytes in all) while a network is loaded.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Record:
    """An answer as the engine gives it.

    Attributes
    ----------
    label : int
    busy : int
        Low 32 bits of the engine's busy-cycle counter after the step.
    scores : int64 array [C] or None
    """

    label: int
    busy: int
    scores: NDArray[np.int64] | None


@dataclass(frozen=True)
class StepsAnswer:
    """The answer to one batch of steps: due records, and the counter after its last step."""

    records: tuple[Record, ...]
    busy: int


class Pending(Protocol):
    """A batch of steps on its way."""

    def result(self) -> StepsAnswer:
        """Wait for the answer."""


class Engine(Protocol):
    """The commands."""

    def identify(self) -> Identity:
        """Ask what the device is and holds."""

    def load(self, network: Network, image: Image, progress: Progress | None) -> None:
        """Put a network in place and make it active, its sequence state reset."""

    def batch(self, records_per_step: bool, label_only: bool) -> int:
        """Return how many steps of the loaded network one `submit` takes."""

    def submit(self, x: NDArray[np.int8], flags: StepFlags) -> Pending:
        """Start a batch of steps, x int8 [n, I]."""

    def reset(self) -> None:
        """Reset the sequence state."""

    def read_state(self, scores: bool) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Return h int8 [sum of H], and the running sums int64 [C] (zeros if not `scores`)."""

    def write_state(self, h: NDArray[np.int8], scores: NDArray[np.int64] | None) -> None:
        """Reset, then put a state in place."""

    def counters(self) -> Counters:
        """Return the device's counters."""

    def close(self) -> None:
        """Give everything back."""
