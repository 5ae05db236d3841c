"""What is going to be built: lanes, weight store and its capacity, and whether a network fits.

Plain arithmetic, no synthesis: `python -m hdl.build --plan` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from hdl.boards import Board, Memories
from hdl.core.parameters import SPRAM_BITS, SPRAM_WORDS, EngineParameters, WeightMemory
from models.image import (
    LANE_STEP,
    Image,
    ImageError,
    check_capacity,
    check_lanes,
    compile_image,
    plan_layout,
)
from models.network import Network
from models.spec import MAX_FAN_IN
from models.trits import CODE_BITS, TRITS
from models.word_format import PLAIN, WordFormat

#: Block RAMs of the engine and the link beside the lanes' accumulators and the weights:
#: previous input, hidden states, event list, scores; the link's receive and transmit rings.
OTHER_EBR = 6

#: The widest a block RAM of the iCE40 is, and the words it then has.
_EBR_WIDTH = 16

#: The store's addresses are 16 bits wide.
_MOST_WORDS = 1 << 16

WeightChoice = Literal["auto", "bram", "spram"]
WEIGHT_CHOICES: tuple[WeightChoice, ...] = ("auto", "bram", "spram")
STORE_NAMES = {"bram": "block RAM", "spram": "SPRAM"}


class PlanError(ValueError):
    """An engine that the board has no memories for, or a network that does not fit."""


@dataclass(frozen=True)
class Plan:
    """The engine to build.

    Attributes
    ----------
    parameters : EngineParameters
        Lanes, weight store, its words and what it holds at power-up.
    network : str or None
        Name of the network that was fitted, if any.
    network_words : int
        Words of the store that it needs; 0 without one.
    reason : str
        Why this kind of weight store.
    """

    parameters: EngineParameters
    network: str | None
    network_words: int
    reason: str

    def text(self) -> str:
        """Return the capacity calculation for people."""
        p, capacity = self.parameters, self.parameters.capacity
        lines = [
            f"lanes           {p.lanes}",
            f"weight store    {STORE_NAMES[p.weights]}, {p.store_words} words of {p.word_bits} "
            f"bits ({p.ternary_weights} ternary weights)",
            f"its words hold  {p.word_format.name}",
            f"chosen because  {self.reason}",
            f"limits          {capacity.accumulator_words} accumulators a lane, "
            f"{capacity.state_units} hidden units ({capacity.layer_units} in a layer), "
            f"{MAX_FAN_IN} inputs, {capacity.outputs} outputs",
        ]
        if self.network is not None:
            how = "in the bitstream" if p.image is not None else "loaded over the link"
            lines.append(f"network         {self.network}: {self.network_words} words, {how}")
        return "\n".join(lines)


def store_words(
    memories: Memories, lanes: int, weights: WeightMemory, word_format: WordFormat = PLAIN
) -> int:
    """Return the words that a device has for weights; 0 if none.

    Block RAM: what the accumulators (one a lane) and `OTHER_EBR` leave over, in columns of 16
    bits. SPRAM: one word deep, if there are enough of them side by side. The two halves of a word
    are addressed separately, so neither shares a memory with the other.
    """
    if weights == "spram":
        columns = _columns(lanes, SPRAM_BITS, word_format)
        words = SPRAM_WORDS if memories.spram >= columns else 0
    else:
        columns = _columns(lanes, _EBR_WIDTH, word_format)
        rows = max(memories.ebr - lanes - OTHER_EBR, 0) // columns
        words = rows * (memories.ebr_bits // _EBR_WIDTH)
    return min(words, _MOST_WORDS)


def _columns(lanes: int, width: int, word_format: WordFormat) -> int:
    """Return the memories of `width` bits that stand side by side for a word."""
    return word_format.events * -(-word_format.part_bits(lanes) // width)


def default_lanes(board: Board, word_format: WordFormat) -> int:
    """Return the board's lanes; with packed weights, as many as find room in the same bits."""
    if not word_format.packed:
        return board.lanes
    lanes = PLAIN.weight_bits(board.lanes) // CODE_BITS * TRITS
    return lanes - lanes % LANE_STEP


def make_plan(
    board: Board,
    network: Network | None,
    lanes: int | None = None,
    weights: WeightChoice = "auto",
    word_format: WordFormat = PLAIN,
) -> Plan:
    """Choose the weight store and check that the network fits.

    Parameters
    ----------
    board : Board
        The board.
    network : Network or None
        The network to preload or to check, if any.
    lanes : int, optional
        Lanes P; if not given, see `default_lanes`.
    weights : str
        ``"bram"``, ``"spram"``, or ``"auto"``: block RAM, preloaded, if the network fits it,
        else SPRAM.
    word_format : WordFormat
        Events a cycle, and whether weights are packed.

    Raises
    ------
    PlanError
        If the board has no such store, or the network fits none that is allowed; the message
        says what is needed and what there is.
    """
    lanes = default_lanes(board, word_format) if lanes is None else lanes
    try:
        check_lanes(lanes)
    except ImageError as error:
        raise PlanError(str(error)) from error
    most = board.memories.ebr - OTHER_EBR
    if lanes > most:
        raise PlanError(
            f"{lanes} lanes need {lanes} block RAMs for accumulators and {OTHER_EBR} more; "
            f"{board.title} has {board.memories.ebr}, enough for {most} lanes"
        )
    kinds: tuple[WeightMemory, ...] = ("bram", "spram") if weights == "auto" else (weights,)
    refusals: list[str] = []
    for kind in kinds:
        try:
            return _plan_for(board, network, lanes, kind, weights, word_format, refusals)
        except (PlanError, ImageError, ValueError) as error:
            refusals.append(f"{STORE_NAMES[kind]}: {error}")
    raise PlanError(f"no weight store of {board.title} will do\n  " + "\n  ".join(refusals))


def _plan_for(
    board: Board,
    network: Network | None,
    lanes: int,
    kind: WeightMemory,
    choice: WeightChoice,
    word_format: WordFormat,
    refusals: list[str],
) -> Plan:
    words = store_words(board.memories, lanes, kind, word_format)
    if not words:
        raise PlanError(_no_store(board, lanes, kind, network, word_format))
    empty = EngineParameters(
        lanes=lanes,
        weights=kind,
        store_words=words,
        events=word_format.events,
        packed=word_format.packed,
    )
    image: Image | None = None
    needed = 0
    if network is not None:
        needed = check_capacity(network, empty.capacity).words
        if kind == "bram":
            image = compile_image(network, lanes, word_format)
    elif choice == "auto" and kind == "bram" and board.memories.spram:
        raise PlanError("no network to preload, and SPRAM is larger")
    if choice != "auto":
        reason = f"--weights {choice} was asked for"
    elif kind == "bram":
        reason = "the network fits block RAM, and then works at power-up"
    else:
        reason = "; ".join(refusals)
    return Plan(replace(empty, image=image), network.spec.name if network else None, needed, reason)


def _no_store(
    board: Board,
    lanes: int,
    kind: WeightMemory,
    network: Network | None,
    word_format: WordFormat,
) -> str:
    need = ""
    if network is not None:
        words = plan_layout(network, lanes, word_format).words
        need = f"network {network.spec.name!r} needs {words} words; "
    if kind == "spram":
        return (
            f"{need}{lanes} lanes need {_columns(lanes, SPRAM_BITS, word_format)} SPRAMs, "
            f"there are {board.memories.spram}"
        )
    left = board.memories.ebr - lanes - OTHER_EBR
    return (
        f"{need}{lanes} lanes and the rest leave {left} of {board.memories.ebr} block RAMs, "
        f"and a word of {word_format.word_bits(lanes)} bits takes "
        f"{_columns(lanes, _EBR_WIDTH, word_format)}"
    )
