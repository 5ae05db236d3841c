"""What was aimed at against the others, and whether it is met. Nothing is rounded in its favour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.hardware.peers import GRU_NAMES, LSTM_NAMES
from bench.hardware.rows import Built, Data, NotBuilt, Row

__all__ = ["Goal", "at_least", "at_most", "goals", "ours"]

FASTER: dict[Data, float] = {"rows": 10, "pixels": 25}
MOST_CELLS = 2.0

#: Whom the engine is compared with: the faster and the smaller build of each.
_PEERS: dict[Data, str] = {"rows": GRU_NAMES["dsp"], "pixels": LSTM_NAMES["DSP"]}


@dataclass(frozen=True)
class Goal:
    """An aim.

    Attributes
    ----------
    aim : str
    met : bool or None
        None where a figure is missing.
    found : str
        The figure, or what is missing.
    """

    aim: str
    met: bool | None
    found: str

    def line(self) -> str:
        """Return the goal as a line of Markdown."""
        verdict = {True: "met", False: "**missed**", None: "not measured"}[self.met]
        return f"- {self.aim}: {verdict}, {self.found}"


def at_least(value: float, digits: int = 2) -> str:
    """Return a number as text, rounded down."""
    return f"{math.floor(value * 10**digits) / 10**digits:.{digits}f}"


def at_most(value: float, digits: int = 2) -> str:
    """Return a number as text, rounded up."""
    return f"{math.ceil(value * 10**digits) / 10**digits:.{digits}f}"


def ours(rows: Sequence[Row], data: Data) -> Built | None:
    """Return this engine's fastest build without link on one kind of data, if there is one."""
    built = [
        row
        for row in rows
        if isinstance(row, Built) and row.who == "ours" and row.data == data and not row.link
    ]
    return min(built, key=lambda row: row.step_us, default=None)


def goals(rows: Sequence[Row]) -> list[Goal]:
    """Judge rows.

    Parameters
    ----------
    rows : sequence of Row
        Of this engine and of the others.

    Returns
    -------
    list of Goal
        Faster, smaller, and without DSP, for each kind of data.
    """
    found = []
    for data, name in _PEERS.items():
        own = ours(rows, data)
        peer = next((row for row in rows if row.name == name and row.data == data), None)
        for aim, judge in (
            (f"at least {FASTER[data]:g} times faster a step than the {name}", _speed),
            (f"fewer than {MOST_CELLS:g} times the logic cells of the {name}", _cells),
        ):
            if own is None or peer is None:
                found.append(Goal(aim, None, "there is nothing to compare"))
            elif isinstance(peer, NotBuilt):
                found.append(Goal(aim, None, peer.reason))
            else:
                found.append(Goal(aim, *judge(own, peer)))
        if own is not None:
            found.append(Goal(f"no DSP on the digits by {data}", own.dsp == 0, f"{own.dsp} DSP"))
    return found


def _speed(own: Built, peer: Built) -> tuple[bool, str]:
    ratio = peer.step_us / own.step_us
    return ratio >= FASTER[own.data], f"{at_least(ratio)} times"


def _cells(own: Built, peer: Built) -> tuple[bool, str]:
    ratio = own.core_cells / peer.core_cells
    return (
        ratio < MOST_CELLS,
        f"{at_most(ratio)} times ({own.core_cells} to {peer.core_cells}, shells taken off)",
    )
