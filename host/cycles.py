"""How many clock cycles the engine works: the emulator's half of a number that must agree.

A placeholder until the gateware's cycle counts are final: an event takes one cycle for every
word of weights it touches and a pass two cycles a unit. It is not yet the engine's number.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.network import Network


class CycleModel:
    """Cycles of each command on an engine with `lanes` lanes.

    Parameters
    ----------
    network : Network
    lanes : int

    Attributes
    ----------
    reset_cycles : int
        Cycles of a sequence reset.
    """

    def __init__(self, network: Network, lanes: int) -> None:
        spec = network.spec
        rows = [2 * units for units in spec.units] + [spec.outputs]
        groups = [-(-count // lanes) for count in rows]
        self._input_walk = groups[0]
        # An event of a layer walks its own U and what comes after it.
        self._walks = [here + after for here, after in zip(groups, groups[1:], strict=False)]
        self._units = spec.units
        self.reset_cycles = sum(groups)

    def step(self, changed_inputs: int, events: Sequence[int], due: bool) -> int:
        """Return the cycles of one time step.

        Parameters
        ----------
        changed_inputs : int
            Input elements that differ from the step before (from 0 after a reset or replay).
        events : sequence of int
            Units of each layer that changed.
        due : bool
            Whether an answer is due.
        """
        del due
        return changed_inputs * self._input_walk + 2 * sum(self._units) + self.replay(events)

    def replay(self, units: Sequence[int]) -> int:
        """Return the cycles of a replay; `units` are each layer's units that are not zero."""
        return sum(count * walk for count, walk in zip(units, self._walks, strict=True))
