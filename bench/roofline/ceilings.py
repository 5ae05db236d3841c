"""What the chip allows in a cycle, whatever the engine: bits of weights, accumulators, cells.

All are derived from the board's file, from what the engine needs beside its lanes
(`hdl.plan.OTHER_EBR`) and, for logic cells, from what was measured of a build.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.hardware.ours import EVENTS_A_CYCLE
from bench.roofline.measured import Engine
from hdl.boards import Board
from hdl.core.parameters import SPRAM_BITS
from hdl.plan import OTHER_EBR

__all__ = ["CELLS_A_LANE", "Ceiling", "ceilings", "multiplier_ceiling"]

#: Measured: Yosys's count for a lane of two events a cycle, decision 0003.
CELLS_A_LANE = 45


#: Bits that a block RAM of the iCE40 reads in a cycle.
EBR_WIDTH = 16


@dataclass(frozen=True)
class Ceiling:
    """A limit of the chip.

    Attributes
    ----------
    name : str
    why : str
        How it comes about.
    a_cycle : float
        Bits of weights read, or operations.
    bits : bool
        Whether `a_cycle` counts bits, so that the limit depends on the operations for each.
    events : int
        Events a cycle of the engines that it holds for; 0 for all.
    """

    name: str
    why: str
    a_cycle: float
    bits: bool
    events: int = 0

    def operations(self, intensity: float) -> float:
        """Return the operations a cycle that it allows, at so many for each bit read."""
        return self.a_cycle * intensity if self.bits else self.a_cycle


def ceilings(board: Board, engine: Engine, engines: Sequence[Engine], lane: int) -> list[Ceiling]:
    """Return the limits of ternary additions.

    Parameters
    ----------
    board : Board
    engine : Engine
        Whose lanes and cells the limits are beside.
    engines : sequence of Engine
        Others, of which one with a link is looked for.
    lane : int
        Logic cells of a lane.
    """
    ebr, spram = board.memories.ebr, board.memories.spram
    left = max(ebr - OTHER_EBR - engine.lanes, 0)
    most = ebr - OTHER_EBR
    found = [
        Ceiling(
            "SPRAM",
            f"{spram} x {SPRAM_BITS} bits a cycle",
            spram * SPRAM_BITS,
            True,
        ),
        Ceiling(
            f"block RAM beside {engine.lanes} lanes",
            f"({ebr} - {OTHER_EBR} - {engine.lanes}) x {EBR_WIDTH} bits a cycle",
            left * EBR_WIDTH,
            True,
        ),
        Ceiling(
            f"accumulators' ports, {EVENTS_A_CYCLE} events a cycle",
            f"({ebr} - {OTHER_EBR}) lanes x {EVENTS_A_CYCLE}, one read and one write a cycle",
            most * EVENTS_A_CYCLE,
            False,
            EVENTS_A_CYCLE,
        ),
        Ceiling(
            "accumulators' ports, 1 event a cycle",
            f"({ebr} - {OTHER_EBR}) lanes",
            most,
            False,
            1,
        ),
    ]
    linked = next((e for e in engines if e.link and e.lanes == engine.lanes), None)
    for built, what in ((engine, "without link"), (linked, "with link")):
        if built is not None:
            others = built.logic_cells - built.lanes * lane
            lanes = max(board.logic_cells - others, 0) // lane
            shell = "" if built.shell_known else ", a shell for testing included"
            found.append(
                Ceiling(
                    f"logic cells, {what}",
                    f"({board.logic_cells} - {others}{shell}) / {lane} a lane, x {EVENTS_A_CYCLE}",
                    lanes * EVENTS_A_CYCLE,
                    False,
                    EVENTS_A_CYCLE,
                )
            )
    return found


def multiplier_ceiling(board: Board) -> Ceiling:
    """Return the limit of multiply-accumulates in DSP blocks."""
    return Ceiling("DSP", f"{board.dsp} blocks", board.dsp, False)
