"""What is said of an engine: its size, its clock and its steps; or why it was not built."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Literal

from bench.baseline import Figures

__all__ = ["DATA", "TAGS", "Built", "Data", "NotBuilt", "Row", "Who"]

Data = Literal["rows", "pixels"]
Who = Literal["ours", "gru", "lstm"]

#: The digits that a step takes a piece of, with the sizes of the networks.
DATA: dict[Data, str] = {
    "rows": "digits by rows, T = 8, I = 8, H = 64",
    "pixels": "digits by pixels, T = 64, I = 1, H = 20",
}

#: Where the figures come from. Cycles have a tag of their own, in each row.
TAGS = {
    "logic_cells": "measured",
    "shell_cells": "measured",
    "ebr": "measured",
    "spram": "measured",
    "dsp": "measured",
    "clock_mhz": "measured",
    "core_cells": "derived",
    "median_mhz": "derived",
    "step_us": "derived",
    "operations_a_second": "derived",
    "peak_a_second": "derived",
}


@dataclass(frozen=True)
class Built:
    """An engine that was built, and its steps on one kind of data.

    Attributes
    ----------
    who, name, data
        Whose it is, what it is called, which digits it takes.
    logic_cells, ebr, spram, dsp : int
        As nextpnr counts them, the shell included.
    shell_cells : int
        Logic cells of shell and clocking alone; 0 where there is none.
    clock_mhz : tuple of float
        By seed.
    seeds : tuple of int
    target_mhz : float
        The clock that nextpnr was asked for.
    cycles : float
        Of a step, the mean over a sequence.
    cycles_tag : str
        "simulated" or "derived", and of what.
    operations : float
        Ternary additions (ours) or multiply-accumulates (the others) of a step, on average.
    peak : int or None
        The most operations in a cycle, where that is a property of the engine.
    cycles_worst : float or None
        Of the sequence with the most, its mean over its steps; None where all take the same.
    accuracy : float or None
        Share of the 450 test digits that is right; None where the network knows nothing.
    link : bool
        With its link instead of a shell.
    """

    who: Who
    name: str
    data: Data
    logic_cells: int
    ebr: int
    spram: int
    dsp: int
    shell_cells: int
    clock_mhz: tuple[float, ...]
    seeds: tuple[int, ...]
    target_mhz: float
    cycles: float
    cycles_tag: str
    operations: float
    peak: int | None = None
    cycles_worst: float | None = None
    accuracy: float | None = None
    link: bool = False

    @property
    def key(self) -> str:
        """Its name in the baseline."""
        return f"{self.name}, {self.data}"

    @property
    def core_cells(self) -> int:
        """Logic cells less those of the shell alone."""
        return self.logic_cells - self.shell_cells

    @property
    def median_mhz(self) -> float:
        """The median clock of the seeds."""
        return statistics.median(self.clock_mhz)

    @property
    def step_us(self) -> float:
        """Microseconds of a step at the median clock."""
        return self.cycles / self.median_mhz

    @property
    def operations_a_second(self) -> float:
        """Operations that steps are made of, one step after the other."""
        return self.operations / self.step_us * 1e6

    @property
    def peak_a_second(self) -> float | None:
        """The most operations a second at the median clock."""
        return None if self.peak is None else self.peak * self.median_mhz * 1e6

    def figures(self) -> Figures:
        """What the baseline holds of it."""
        return {
            "logic_cells": self.logic_cells,
            "clock_mhz": round(self.median_mhz, 2),
            "cycles": round(self.cycles, 1),
            "seeds": list(self.seeds),
        }

    def record(self) -> dict[str, Any]:
        """Return everything, derived figures too, for JSON."""
        return {
            **vars(self),
            "core_cells": self.core_cells,
            "median_mhz": self.median_mhz,
            "step_us": self.step_us,
            "operations_a_second": self.operations_a_second,
            "peak_a_second": self.peak_a_second,
            "tags": {**TAGS, "cycles": self.cycles_tag},
        }


@dataclass(frozen=True)
class NotBuilt:
    """An engine that was asked for and cannot be built here.

    Attributes
    ----------
    who, name, data
        As `Built`.
    reason : str
        What stands against it, or how to get what is missing.
    """

    who: Who
    name: str
    data: Data
    reason: str

    def record(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return dict(vars(self))


Row = Built | NotBuilt
