"""The engine in process: the integer golden model, and a model of the engine's cycles.

Nothing is compiled and no hardware description is read; answers, cycles and errors are those
of the board.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from host.cycles import CycleModel
from host.engine import Progress, Record, StepsAnswer
from host.errors import NoNetwork
from host.results import Counters, Identity
from models import golden
from models.image import Image
from models.layout import Capacity, check_lanes
from models.network import Network
from models.protocol import PROTOCOL_VERSION, StepFlags
from models.spec import FRACTION_BITS
from models.word_format import PLAIN, WordFormat

#: The iCE40UP5K's memories: single-port RAMs (words of 16 bits), block RAMs (rows of 16 bits),
#: and the block RAMs that engine and link need beside the lanes' accumulators.
_SPRAMS, _SPRAM_WORDS = 4, 16384
_BLOCK_RAMS, _BLOCK_RAM_WORDS, _OTHER_BLOCK_RAMS = 30, 256, 6

_STEPS_PER_BATCH = 64


def default_store_words(weights: str, lanes: int, word_format: WordFormat = PLAIN) -> int:
    """Return the words that an iCE40UP5K has for weights, as `hdl.build` plans it.

    Parameters
    ----------
    weights : str
        "spram" or "bram".
    lanes : int
        Lanes P.
    word_format : WordFormat
        A word's parts have memories of their own.
    """
    columns = word_format.events * -(-word_format.part_bits(lanes) // 16)
    if weights == "spram":
        return _SPRAM_WORDS if columns <= _SPRAMS else 0
    left = max(_BLOCK_RAMS - lanes - _OTHER_BLOCK_RAMS, 0)
    return left // columns * _BLOCK_RAM_WORDS


@dataclass(frozen=True)
class _Done:
    answer: StepsAnswer

    def result(self) -> StepsAnswer:
        return self.answer


class Emulator:
    """An engine of the given size, computing at once.

    Parameters
    ----------
    lanes : int
        Lanes P, as on the board that is emulated.
    weights : str
        "spram" or "bram".
    clock_hz : int
        At least 1; seconds are reckoned with it.
    store_words : int, optional
        Size of the weight store, where the board's differs from the usual one.
    events : int
        Events a cycle, 2 or 1.
    packed : bool
        Five weights are in a byte of the store.
    """

    def __init__(
        self,
        lanes: int = 16,
        weights: str = "spram",
        clock_hz: int = 48_000_000,
        store_words: int | None = None,
        events: int = 2,
        packed: bool = False,
    ) -> None:
        if weights not in ("spram", "bram"):
            raise ValueError(f"weights must be spram or bram, not {weights!r}")
        check_lanes(lanes)
        if clock_hz < 1:
            raise ValueError(f"clock_hz must be at least 1, not {clock_hz}")
        form = WordFormat(events, packed)
        words = default_store_words(weights, lanes, form) if store_words is None else store_words
        self._capacity = Capacity(lanes, words, word_format=form)
        self._weights = weights
        self._clock_hz = clock_hz
        self._network: Network | None = None
        self._image: Image | None = None
        self._model: golden.GoldenModel
        self._state: golden.State
        self._previous: NDArray[np.int8]
        self._cycles = self._steps = self._events = self._requests = 0
        self._adding = self._reading = 0  # with the networks before this one
        self._cycle_model: CycleModel

    # -- network

    def identify(self) -> Identity:
        """Say what is emulated and loaded."""
        self._requests += 1
        image = self._image
        return Identity(
            protocol=PROTOCOL_VERSION,
            capacity=self._capacity,
            fraction_bits=FRACTION_BITS,
            clock_hz=self._clock_hz,
            weights=self._weights,
            network_valid=image is not None,
            image_words=0 if image is None else len(image.words),
            image_crc32=0 if image is None else image.crc32,
            rx_capacity=0,
            tx_capacity=0,
            flash="none",
        )

    def load(self, network: Network, image: Image, progress: Progress | None) -> None:
        """Take a network; its state starts at zero."""
        self._adding, self._reading = self._lane_cycles()
        self._network = self._image = None
        if progress is not None:
            size = len(image.words) * image.word_bytes
            progress(size, size)
        self._network, self._image = network, image
        self._model = golden.GoldenModel(network)
        self._cycle_model = CycleModel(network, self._capacity.lanes, self._capacity.word_format)
        self._clear()

    def _lane_cycles(self) -> tuple[int, int]:
        """Return the cycles in which lanes added and were read, of all networks so far."""
        if self._network is None:
            return self._adding, self._reading
        model = self._cycle_model
        return self._adding + model.adding, self._reading + model.reading

    def _loaded(self) -> Network:
        self._requests += 1
        if self._network is None:
            raise NoNetwork("the device holds no valid network: load one first")
        return self._network

    # -- steps

    def batch(self, records_per_step: bool, label_only: bool) -> int:
        """Return how many steps one `submit` takes."""
        return _STEPS_PER_BATCH

    def submit(self, x: NDArray[np.int8], flags: StepFlags) -> _Done:
        """Carry out a batch of steps, x int8 [n, I]."""
        spec = self._loaded().spec
        if flags & StepFlags.FIRST:
            self._do_reset()
        before: tuple[NDArray[np.int8], ...] = tuple(h[0] for h in self._state.h)
        run = self._model.run(x[None], state=self._state)
        every = bool(flags & StepFlags.READOUT_ALL) or spec.readout.mode == "every"
        sums = self._state.scores[0]
        records = []
        for index in range(len(x)):
            after = tuple(h[:, index] for h in run.states)
            changed = [(a != b).ravel().tolist() for a, b in zip(after, before, strict=True)]
            moved = (x[index] != self._previous).tolist()
            due = every or (bool(flags & StepFlags.LAST) and index == len(x) - 1)
            self._cycles += self._cycle_model.step(moved, changed, due)
            self._events += sum(moved) + sum(map(sum, changed))
            self._steps += 1
            self._previous, before = x[index], after
            logits = run.logits[0, index].astype(np.int64)
            sums = sums + logits if spec.readout.mode == "sum" else logits
            if due:
                scores = None if flags & StepFlags.LABEL_ONLY else sums
                records.append(Record(int(np.argmax(sums)), self._busy(), scores))
        self._state = run.state
        return _Done(StepsAnswer(tuple(records), self._busy()))

    def _busy(self) -> int:
        return self._cycles & 0xFFFFFFFF

    # -- state

    def _clear(self) -> None:
        self._state = self._model.initial_state(1)
        self._previous = np.zeros(self._model.spec.inputs, np.int8)

    def _do_reset(self) -> None:
        self._clear()
        self._cycles += self._cycle_model.reset()

    def reset(self) -> None:
        """Reset the sequence state."""
        self._loaded()
        self._do_reset()

    def read_state(self, scores: bool) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Return h int8 [sum of H], and the running sums int64 [C] (zeros if not `scores`)."""
        self._loaded()
        h = np.concatenate([part[0] for part in self._state.h])
        sums = self._state.scores[0]
        return h, sums.copy() if scores else np.zeros_like(sums)

    def write_state(self, h: NDArray[np.int8], scores: NDArray[np.int64] | None) -> None:
        """Reset, then put a state in place."""
        units = self._loaded().spec.units
        self._do_reset()
        parts = np.split(h.astype(np.int8), np.cumsum(units)[:-1])
        sums = self._state.scores if scores is None else scores.astype(np.int64)[None]
        # The device itself has no step count; the driver keeps it, so zero is as good as any.
        steps = self._state.steps
        self._state = golden.State(tuple(part[None] for part in parts), sums, steps)
        self._cycles += self._cycle_model.replay([(part != 0).tolist() for part in parts])
        self._events += int(np.count_nonzero(h))

    # -- the rest

    def counters(self) -> Counters:
        """Return what was counted; an emulator has no link, so no link errors."""
        self._requests += 1
        return Counters(
            self._cycles, self._steps, self._events, 0, self._requests, *self._lane_cycles(), 0, 0
        )

    def close(self) -> None:
        """Forget the network."""
        self._network = self._image = None
