"""Steps under faults: every answer is compared with the golden model's, and everything is counted.

A campaign asks a simulated board in lockstep for steps, over a line that damages bytes, until all
are answered. Whatever raises is counted; a new session then asks for what is not answered yet, as a
program would. What must not happen is an answer that is wrong, lost, doubled or out of order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdl.link.signatures import BUFFER_CAPACITY
from host.device import Device
from host.errors import DeviceError, LinkError
from host.link_engine import LinkEngine
from host.results import Result
from host.session import Session
from host.transport import Transport
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from sim.faults.damage import Faults
from sim.faults.line import FaultyTransport
from sim.lockstep import LockstepBoard, LockstepTransport

__all__ = ["ACCIDENTS", "NONE", "RATES", "RETRIES", "TIMEOUT", "Outcome", "WrongAnswer", "run"]

#: Bytes for each fault.
RATES = (100, 1000, 10_000)

#: What happens to a whole connection, about once in `_ACCIDENT_STEPS` steps.
ACCIDENTS = ("unplug", "reset", "reconfigure")
_ACCIDENT_STEPS = 250

#: No fault but what the board itself does to the line.
NONE = "none"

#: Seconds of the board's time, and repetitions. It answers at once, so this is patient enough.
TIMEOUT, RETRIES = 0.001, 15

_STEPS = 8  # of a sequence
_BATCH = 25  # sequences asked for at once
_STEP_SECONDS = 90e-6  # about, with its answer on the line
_LONGEST_PAUSE = 2 * TIMEOUT

#: Errors in a row, without any answer between them, after which the line is called hopeless.
_MOST_ERRORS = 100


class WrongAnswer(Exception):
    """The device answered, and it was not the golden model's answer, or not in its place."""


@dataclass
class Outcome:
    """What a campaign counted.

    Attributes
    ----------
    steps : int
        Steps asked for, each answered rightly in the end.
    at_once : int
        Those of them that were answered without an error to the caller before.
    injected : int
        Faults: bytes hit, or accidents.
    host_found, device_found : int
        Damaged frames that the host saw, and those that the device counted.
    repeated : int
        Requests sent again by the driver.
    raised : int
        Errors that the caller saw.
    longest_wait : float
        Seconds of the board's time; see `host.session.Statistics`.
    """

    steps: int = 0
    at_once: int = 0
    injected: int = 0
    host_found: int = 0
    device_found: int = 0
    repeated: int = 0
    raised: int = 0
    longest_wait: float = 0.0


class _Campaign:
    def __init__(
        self, board: LockstepBoard, kind: str, every: int, seed: int, ways: tuple[str, ...]
    ) -> None:
        self.outcome = Outcome()
        self.network = random_network(seed, inputs=5, units=(12,), outputs=4, mode="every")
        self._board = board
        self._kind = kind
        self._random = random.Random(f"{kind} {every} {seed}")
        self._faults: dict[str, Faults] = {}
        if kind in (*Faults.KINDS, Faults.PAUSE):
            self._faults = {
                way: Faults(kind, every, seed + number, _LONGEST_PAUSE)
                for number, way in enumerate(ways)
            }
        self._session: Session | None = None
        self._link_errors = 0

    def open(self) -> Device:
        """A new connection and a new session, with the network loaded."""
        line = self._board.connect()
        transport = FaultyTransport(
            line, **self._faults, accident=self._accident(), at=self._accident_at(line)
        )
        session = Session(transport, TIMEOUT, RETRIES, self._board.seconds_per_byte)
        self._session = session
        try:
            session.open()
            device = Device(LinkEngine(session))
            device.load(self.network)
            self._link_errors = device.counters().link_errors
            return device
        except DeviceError:
            self.leave()
            raise

    def _accident(self) -> Callable[[Transport], None] | None:
        def unplug(line: Transport) -> None:
            self.outcome.injected += 1
            line.close()
            raise LinkError("the cable was unplugged")

        def restart(line: Transport) -> None:
            self.outcome.injected += 1
            assert isinstance(line, LockstepTransport)
            if self._kind == "reset":
                line.reset()
            else:
                line.reconfigure()

        return {"unplug": unplug, "reset": restart, "reconfigure": restart}.get(self._kind)

    def _accident_at(self, line: LockstepTransport) -> float:
        return line.now() + self._random.uniform(0, 2) * _ACCIDENT_STEPS * _STEP_SECONDS

    def count(self, device: Device) -> int:
        """Take up the device's counters; return its steps."""
        counters = device.counters()
        self.outcome.device_found += counters.link_errors - self._link_errors
        self._link_errors = counters.link_errors
        return counters.steps

    def leave(self) -> None:
        """Close the connection, and add up what its session has counted."""
        assert self._session is not None
        found = self._session.statistics
        self.outcome.host_found += found.damaged
        self.outcome.repeated += found.repeated
        self.outcome.longest_wait = max(self.outcome.longest_wait, found.longest_wait)
        self._session.close()

    def end(self) -> Outcome:
        """Return what was counted."""
        self.outcome.injected += sum(faults.count for faults in self._faults.values())
        return self.outcome

    def ask(self, device: Device, sequences: NDArray[np.int8]) -> Iterator[Result]:
        """Ask for the steps of all sequences in one of several ways; yield step by step."""
        way = self._random.choice(("run_many", "labels", "stream", "run"))
        if way in ("run_many", "labels"):
            for result in device.run_many(sequences, logits=way == "run_many"):
                yield from result.every
        for sequence in sequences if way in ("stream", "run") else ():
            if way == "run":
                yield from device.run(sequence).every
            else:
                device.reset()
                yield from device.stream(sequence)


def run(
    board: LockstepBoard,
    kind: str,
    every: int,
    steps: int,
    seed: int = 1,
    ways: tuple[str, ...] = ("to_device", "to_host"),
) -> Outcome:
    """Ask for steps under faults until all are answered.

    Parameters
    ----------
    board : LockstepBoard
    kind : str
        A kind of `Faults`, one of `ACCIDENTS`, or `NONE`.
    every : int
        Bytes for each fault.
    steps : int
        A multiple of 8.
    seed : int
    ways : tuple of str
        Directions in which bytes are hit.

    Raises
    ------
    WrongAnswer
        If an answer is not the golden model's, or a step was done twice or not at all, or the
        driver waited for longer than `longest_wait` allows.
    DeviceError
        If nothing gets through any more.
    """
    campaign = _Campaign(board, kind, every, seed, ways)
    outcome = campaign.outcome
    x = random_inputs(seed, campaign.network, steps // _STEPS, _STEPS)
    golden = GoldenModel(campaign.network).run(x)
    first = 0
    asked = 0  # sequences asked for before
    device: Device | None = None
    errors = 0
    while first < len(x):
        end = min(first + _BATCH, len(x))
        answered = 0
        try:
            if device is None:
                device = campaign.open()
            before = campaign.count(device)
            for result in campaign.ask(device, x[first:end]):
                where = divmod(first * _STEPS + answered, _STEPS)
                _compare(result, golden.logits[where], where)
                answered += 1
                errors = 0
            done = campaign.count(device) - before
            if not answered == done == (end - first) * _STEPS:
                raise WrongAnswer(
                    f"{(end - first) * _STEPS} steps asked for, {answered} answered, {done} done"
                )
        except DeviceError:
            errors += 1
            outcome.raised += 1
            if device is not None:
                campaign.leave()
                device = None
            if errors >= _MOST_ERRORS:
                raise
        whole = answered // _STEPS
        outcome.steps += whole * _STEPS
        outcome.at_once += max(0, first + whole - max(first, asked)) * _STEPS
        asked = max(asked, end if device is None else first + whole)
        first += whole
    if device is not None:
        campaign.leave()
    if outcome.longest_wait > longest_wait(board):
        raise WrongAnswer(
            f"a request waited for {outcome.longest_wait * 1000:.1f} ms; its error was due after "
            f"{longest_wait(board) * 1000:.1f} ms"
        )
    return campaign.end()


def longest_wait(board: LockstepBoard) -> float:
    """Return the seconds after which a driver without any answer must have given up."""
    line = board.seconds_per_byte * 5 * BUFFER_CAPACITY
    return (RETRIES + 1) * (TIMEOUT + line)


def _compare(result: Result, logits: NDArray[np.int64], where: tuple[int, int]) -> None:
    """Compare an answer with the golden model's of its place."""
    label = int(np.argmax(logits))
    same = result.logits is None or np.array_equal(result.logits, logits)
    if result.label != label or not same:
        raise WrongAnswer(
            f"sequence {where[0]}, step {where[1]}: expected label {label} of {logits}, "
            f"found {result.label} of {result.logits}"
        )
