"""Batches of steps in, results out: how sequences travel, and what their cycles are.

An engine takes batches; callers think in sequences. Cycles are differences of the engine's
busy counter, whose value before a batch is known from the batch before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from host.engine import Engine, Pending, Record
from host.errors import DeviceError, InputError
from host.results import Result
from models.protocol import StepFlags
from models.spec import FRACTION_BITS, NetworkSpec

_COUNTER_MASK = 0xFFFFFFFF

Steps = NDArray[np.int8]


class Pause(Enum):
    """What a source gives when it has nothing yet: its generator passes it on, and asks again."""

    PAUSE = auto()


class Sequencer:
    """Runs sequences of a loaded network on an engine.

    Parameters
    ----------
    engine : Engine
    spec : NetworkSpec
        Of the network that the engine holds.
    clock_hz : int
        The engine's clock.

    Attributes
    ----------
    steps : int
        Steps of the current sequence so far.
    """

    def __init__(self, engine: Engine, spec: NetworkSpec, clock_hz: int) -> None:
        self.steps = 0
        self._clock_hz = clock_hz
        self._engine = engine
        self._spec = spec
        self._busy: int | None = None

    def forget_cycles(self) -> None:
        """Say that the engine did, or will do, work that is not a batch of steps."""
        self._busy = None

    def check_steps(self, steps: int) -> None:
        """Refuse a sequence whose running sum may leave 32 bits."""
        limit = self._spec.max_steps
        if limit is not None and steps > limit:
            raise InputError(
                f"a sequence may have at most {limit} steps, or its sum leaves 32 bits; not {steps}"
            )

    def step(self, x: Steps, logits: bool) -> Result:
        """Take one step, x int8 [1, I], of the current sequence and answer it."""
        self.check_steps(self.steps + 1)
        flags = StepFlags.READOUT_ALL | self._label_flag(logits)
        base = self._last_busy()
        self._busy = None
        self.steps += 1  # though the wait be interrupted, the device takes it
        answer = self._engine.submit(x, flags).result()
        self._busy = answer.busy
        return self._result(answer.records[0], base, self.steps)

    def run(self, data: Steps, logits: bool) -> Result:
        """Run a whole new sequence, int8 [T, I]."""
        base = self._last_busy()
        self._busy = None
        return self._finish(self._submit(data, logits), base, len(data))

    def run_many(
        self, sequences: Iterable[Steps | Pause], logits: bool, ahead: int
    ) -> Iterator[Result | Pause]:
        """Run sequences, at most `ahead` of them taken before their results are given."""
        base = self._last_busy()
        self._busy = None
        waiting: deque[tuple[list[Pending], int]] = deque()

        def results(most: int) -> Iterator[Result]:
            nonlocal base
            while len(waiting) > most:
                pending, steps = waiting.popleft()
                result = self._finish(pending, base, steps)
                base = self._last_busy()
                # While more is under way, or if the caller stops here, the counter moves on.
                self._busy = None
                yield result

        for data in sequences:
            if isinstance(data, Pause):
                yield data
                continue
            waiting.append((self._submit(data, logits), len(data)))
            yield from results(ahead - 1)
        yield from results(0)
        self._busy = base

    def stream(
        self, steps: Iterable[Steps | Pause], logits: bool, ahead: int
    ) -> Iterator[Result | Pause]:
        """Continue the current sequence; at most `ahead` steps, int8 [1, I], are taken ahead."""
        flags = StepFlags.READOUT_ALL | self._label_flag(logits)
        base = self._last_busy()
        self._busy = None
        pending: deque[tuple[Pending, int]] = deque()
        collected: list[Steps] = []
        taken = self.steps

        def send() -> None:
            if collected:
                batch, number = np.concatenate(collected), self.steps
                # Before anything can interrupt it: what has gone out must not go out again.
                collected.clear()
                self.steps += len(batch)
                pending.append((self._engine.submit(batch, flags), number))

        def results(most: int) -> Iterator[Result]:
            nonlocal base
            while pending and taken - pending[0][1] > most:
                answer, number = pending.popleft()
                for record in answer.result().records:
                    number += 1
                    result = self._result(record, base, number)
                    base = record.busy
                    yield result

        try:
            for x in steps:
                if isinstance(x, Pause):
                    yield x
                    continue
                self.check_steps(taken + 1)
                collected.append(x)
                taken += 1
                if len(collected) >= min(self._engine.batch(True, not logits), (ahead + 1) // 2):
                    send()
                yield from results(ahead - 1)
        except BaseException:
            # Whoever leaves, or whatever is wrong: what was taken is carried out.
            with suppress(DeviceError):
                send()
            raise
        send()
        yield from results(0)
        self._busy = base

    # -- inside

    def _last_busy(self) -> int:
        if self._busy is None:
            self._busy = self._engine.counters().cycles & _COUNTER_MASK
        return self._busy

    def _label_flag(self, logits: bool) -> StepFlags:
        if not logits and self._spec.target == "value":
            raise InputError("a network with target 'value' answers with logits, not labels alone")
        return StepFlags(0) if logits else StepFlags.LABEL_ONLY

    def _submit(self, data: Steps, logits: bool) -> list[Pending]:
        """Send a whole sequence in as many batches as it needs."""
        self.check_steps(len(data))
        common = self._label_flag(logits)
        pending = []
        start = 0
        while start < len(data):
            # Asked for each time: on a bad line batches get shorter.
            size = self._engine.batch(self._spec.readout.mode == "every", not logits)
            flags = common
            if start == 0:
                flags |= StepFlags.FIRST
            if start + size >= len(data):
                flags |= StepFlags.LAST
            batch = data[start : start + size]
            self.steps = start + len(batch)
            pending.append(self._engine.submit(batch, flags))
            start += size
        return pending

    def _finish(self, pending: list[Pending], base: int, steps: int) -> Result:
        """Wait for a sequence's answers and make its result."""
        answers = [part.result() for part in pending]
        self._busy = answers[-1].busy
        records = [record for answer in answers for record in answer.records]
        last = self._result(records[-1], base, steps)
        if self._spec.readout.mode != "every":
            return last
        each, start = [], base
        for number, record in enumerate(records, 1):
            each.append(self._result(record, start, number))
            start = record.busy
        return replace(last, every=tuple(each))

    def _result(self, record: Record, base: int, steps: int) -> Result:
        value: float | NDArray[np.float64] | None = None
        if self._spec.target == "value" and record.scores is not None:
            values = record.scores / float(1 << (self._spec.hb + FRACTION_BITS))
            if self._spec.readout.mode == "sum":
                values = values / steps
            value = float(values[0]) if len(values) == 1 else values
        cycles = (record.busy - base) & _COUNTER_MASK
        seconds = cycles / self._clock_hz
        return Result(record.label, record.scores, value, cycles, steps, seconds)
