"""Words on a device: two half-steps each, and each half-step its own range of the outputs.

A device gives the logits of both heads after every half-step; which of them are asked for follows
from the half-step's input: rows after a column, columns after a row (`models.words`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.device import Device
from host.errors import InputError
from models.file import digest
from models.golden import GoldenModel
from models.network import Network
from models.spec import FRACTION_BITS
from models.words import UNKNOWN, Table, one_hot, word_log_probabilities

__all__ = ["Check", "WordDevice", "check_words"]


@dataclass(frozen=True)
class Check:
    """How a sequence's answers compare with the golden model's.

    Attributes
    ----------
    half_steps : int
        Taken in the sequence.
    logits_compared, logits_different : int
        Both heads' of every half-step.
    """

    half_steps: int
    logits_compared: int
    logits_different: int

    @property
    def exact(self) -> bool:
        """Whether every logit is the golden model's."""
        return self.logits_different == 0


def check_words(network: Network, table: Table) -> None:
    """Refuse a network that was not made for a table.

    Parameters
    ----------
    network : Network
    table : Table
        One that names no network, fresh from training, is only known by its sizes.

    Raises
    ------
    InputError
        Saying what was expected and found.
    """
    spec = network.spec
    found = (spec.inputs, spec.outputs, spec.readout.mode, spec.target)
    wanted = (table.features, table.features, "every", "class")
    if found != wanted:
        raise InputError(
            f"a table of side {table.side} needs a network with {wanted[0]} inputs, {wanted[1]} "
            f"outputs, readout every and target class; {spec.name!r} has {found[0]}, {found[1]}, "
            f"{found[2]} and {found[3]}"
        )
    mine = digest(network)
    if table.network is not None and table.network != mine:
        raise InputError(
            f"expected the table of network {spec.name!r}, SHA-256 {mine}, found that of a network "
            f"with SHA-256 {table.network}"
        )


class WordDevice:
    """A word-level network on a device.

    Parameters
    ----------
    device : Device
        With a network loaded. While words are scored or made, nothing else may use it.
    table : Table
        The network's.

    Attributes
    ----------
    cycles : int
        Clock cycles of the sequence so far, without its reset.

    Raises
    ------
    InputError
        If the network was not made for the table.
    """

    def __init__(self, device: Device, table: Table) -> None:
        check_words(device.network, table)
        self._device, self._table = device, table
        spec = device.network.spec
        self._inputs, self._largest = spec.inputs, spec.M
        self._unit = float(1 << (spec.hb + FRACTION_BITS))
        self._last: int | None = None
        self._clear()

    def _clear(self) -> None:
        self._taken: list[int] = []
        self._logits: list[NDArray[np.int64]] = []
        self.cycles = 0

    def score(self, ids: ArrayLike) -> NDArray[np.float64]:
        """log P of the words of a new sequence, but for the first, which only is a context.

        Parameters
        ----------
        ids : int [n], n >= 1
            Numbers of words, as `Table.encode` gives them.

        Returns
        -------
        float64 [n - 1], in natural units

        Raises
        ------
        InputError
            If there is no word, or a number is none of the table's.
        """
        words = np.asarray(ids)
        if words.ndim != 1 or not words.size or words.dtype.kind not in "iu":
            raise InputError(
                f"expected the numbers of at least one word, not {words.dtype} of shape "
                f"{words.shape}"
            )
        if words.min() < 0 or words.max() >= len(self._table.words):
            raise InputError(
                f"numbers of words must be from 0 to {len(self._table.words) - 1}, but lie from "
                f"{words.min()} to {words.max()}"
            )
        self._device.reset()
        self._clear()
        steps = self._table.half_steps(words)
        logits = self._take(steps[1:-1].tolist())
        self._last = int(words[-1])
        if not logits:
            return np.zeros(0)
        values = np.array(logits) / self._unit
        return word_log_probabilities(values, steps[2:], self._table.side)

    def generate(
        self, count: int, rng: np.random.Generator, temperature: float = 1.0
    ) -> Iterator[int]:
        """Continue the sequence that was scored with words that are drawn, one at a time.

        Parameters
        ----------
        count : int
        rng : Generator
        temperature : float
            Logits are divided by it: above 0, below 1 for the likelier words.

        Yields
        ------
        int
            The word's number; never that of the unknown word.

        Raises
        ------
        InputError
            If no sequence was scored, or the temperature is not above 0.
        """
        if self._last is None:
            raise InputError("expected a sequence to continue: call score() first")
        if not 0 < temperature < float("inf"):
            raise InputError(f"the temperature must be above 0, not {temperature}")
        table, side = self._table, self._table.side
        free = (table.words_in != table.words.index(UNKNOWN)) & (table.words_in >= 0)
        cells = free.reshape(side, side)
        for _ in range(count):
            (logits,) = self._take([side + int(table.columns[self._last])])
            row = self._draw(logits[:side], cells.any(axis=1), rng, temperature)
            (logits,) = self._take([row])
            column = self._draw(logits[side:], cells[row], rng, temperature)
            self._last = int(table.words_in[row * side + column])
            yield self._last

    def check(self) -> Check:
        """Compare the sequence's logits so far, both heads', with the golden model's."""
        if not self._taken:
            return Check(0, 0, 0)
        network = self._device.network
        expected = GoldenModel(network).run(self._events(self._taken)[None]).logits[0]
        different = int((np.array(self._logits) != expected).sum())
        return Check(len(self._taken), expected.size, different)

    def _events(self, half_steps: Sequence[int]) -> NDArray[np.int8]:
        return one_hot(half_steps, self._inputs, self._largest)

    def _take(self, half_steps: Sequence[int]) -> list[NDArray[np.int64]]:
        """Take half-steps, and give the logits after each."""
        found: list[NDArray[np.int64]] = []
        for result in self._device.stream(self._events(half_steps)):
            assert result.logits is not None
            found.append(result.logits)
            self.cycles += result.cycles
        self._taken += half_steps
        self._logits += found
        return found

    def _draw(
        self,
        logits: NDArray[np.int64],
        allowed: NDArray[np.bool_],
        rng: np.random.Generator,
        temperature: float,
    ) -> int:
        """Draw one of the outputs that are allowed."""
        values = np.where(allowed, logits / (self._unit * temperature), -np.inf)
        weights = np.exp(values - values.max())
        return int(rng.choice(len(weights), p=weights / weights.sum()))
