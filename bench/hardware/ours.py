"""This engine: which variants are compared, and what is measured of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.hardware import steps
from bench.hardware.rows import Built, Data, NotBuilt, Row
from bench.shell import TARGET_MHZ, Shell, place
from hdl.boards import Board, load_board
from hdl.build import make_system
from hdl.core.engine import Engine
from hdl.plan import Plan, PlanError, make_plan
from hdl.toolchain import Toolchain
from models.file import load
from models.network import Network
from models.tasks import digits
from models.word_format import PLAIN, WordFormat

__all__ = ["EVENTS_A_CYCLE", "NETWORKS", "VARIANTS", "Variant", "measure", "plan_of"]

_ROOT = Path(__file__).resolve().parents[2]
NETWORKS: dict[Data, Path] = {
    "rows": _ROOT / "models" / "zoo" / "digits.safetensors",
    "pixels": _ROOT / "bench" / "networks" / "digits-pixels-20.safetensors",
}

#: What the engine usually takes: an even and an odd source's.
EVENTS_A_CYCLE = PLAIN.events


@dataclass(frozen=True)
class Variant:
    """An engine to compare.

    Attributes
    ----------
    data : str
        Which digits, and so which network.
    lanes : int
        P.
    events : int
        Events a cycle.
    link : bool
        With the link, as on a board, instead of a shell.
    packed : bool
        Five weights are in a byte.
    """

    data: Data
    lanes: int = 16
    events: int = EVENTS_A_CYCLE
    link: bool = False
    packed: bool = False

    @property
    def word_format(self) -> WordFormat:
        """How its store's words hold weights."""
        return WordFormat(self.events, self.packed)

    @property
    def name(self) -> str:
        """What it is called in the table."""
        events = f"{self.events} event{'s' * (self.events > 1)} a cycle"
        name = f"addgate, {self.lanes} lanes, {events}"
        return name + ", packed weights" * self.packed + ", with link" * self.link


VARIANTS = (
    Variant("rows", 16, 2),
    Variant("rows", 16, 1),
    Variant("rows", 24, 2),
    Variant("rows", 24, 1),
    Variant("rows", 20, 2, packed=True),
    Variant("rows", 16, 2, link=True),
    Variant("pixels", 16, 2),
)


def plan_of(variant: Variant, board: Board, network: Network) -> Plan:
    """Return how a variant is built.

    Raises
    ------
    PlanError
        If the board has no memories for it.
    """
    return make_plan(board, network, variant.lanes, word_format=variant.word_format)


def measure(variant: Variant, seeds: Sequence[int], tools: Toolchain, simulated: int) -> Row:
    """Plan, emulate, simulate and build a variant.

    Parameters
    ----------
    variant : Variant
    seeds : sequence of int
        nextpnr's.
    tools : Toolchain
    simulated : int
        Test digits in RTL.

    Returns
    -------
    Built or NotBuilt
        The latter with the plan's reason.

    Raises
    ------
    ValueError
        If emulator, golden model and RTL are not equal.
    hdl.toolchain.ToolError, hdl.report.ReportError
        If a tool is missing or fails.
    """
    board, network = load_board("icebreaker"), load(NETWORKS[variant.data])
    try:
        plan = plan_of(variant, board, network)
    except PlanError as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines())
        return NotBuilt("ours", variant.name, variant.data, reason)
    parameters = plan.parameters
    part = digits.load(variant.data).test
    case = f"{variant.data}-{steps.name_of(parameters)}"
    done = steps.run(network, parameters, part, simulated, case)
    if variant.link:
        placed = place(make_system(plan, board, TARGET_MHZ), board, seeds, tools)
        shell = 0
    else:
        placed = place(Shell(Engine(parameters)), board, seeds, tools)
        empty = Shell(Engine(parameters), empty=True)
        shell = place(empty, board, (1,), tools).used["logic_cells"]
    return Built(
        who="ours",
        name=variant.name,
        data=variant.data,
        **placed.used,
        shell_cells=shell,
        clock_mhz=tuple(placed.clocks),
        seeds=placed.seeds,
        target_mhz=float(TARGET_MHZ),
        cycles=done.cycles_mean,
        cycles_tag=f"derived (cycle model over {done.sequences} digits, equal to the simulated RTL "
        f"on {done.simulated})",
        operations=done.additions,
        peak=variant.lanes * variant.events,
        cycles_worst=done.cycles_worst,
        accuracy=done.accuracy,
        link=variant.link,
    )
