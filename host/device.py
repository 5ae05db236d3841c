"""The device as programs use it: open, load a network, run sequences.

with Device.open("emulator") as device:
    device.load("models/zoo/digits.safetensors")
    print(device.run(sequence).label)
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.engine import Engine, Pending, Progress, Record
from host.errors import (
    DeviceError,
    InputError,
    LinkError,
    NetworkDoesNotFit,
    NoNetwork,
    WrongNetwork,
)
from host.inputs import as_sequence, as_step
from host.results import Counters, Identity, Result, State
from models.image import Capacity, ImageError, check_capacity, compile_image
from models.network import Network
from models.protocol import StepFlags
from models.spec import FRACTION_BITS

_COUNTER_MASK = 0xFFFFFFFF


class Device:
    """A board, a simulated board or the emulator; get one with `Device.open`.

    A device works on one sequence at a time. `run` starts a new one; `step` and `stream`
    continue the current one. An instance is for one thread at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._network: Network | None = None
        self._crc32 = 0
        self._capacity: Capacity | None = None
        self._steps = 0
        self._busy: int | None = None
        self._open = True
        self._generator = ""

    @staticmethod
    def open(where: str, **options: Any) -> Device:
        """Open a device.

        Parameters
        ----------
        where : str
            "emulator", "simulator", a serial port ("/dev/ttyUSB1", "COM3") or a pyserial URL
            ("socket://127.0.0.1:5000").
        **options
            network : path or Network, loaded at once (a simulated board with weights "bram"
            starts with it in its block RAM).
            Emulator and simulator: lanes (16), weights ("spram" or "bram"), clock_hz.
            Emulator: store_words. Simulator: baud, seed, trace (a VCD file), start_timeout.
            Ports: baud (3,000,000). Simulator and ports: timeout (seconds without progress
            until a request is sent again) and retries.

        Raises
        ------
        DeviceNotFound, DeviceBusy, DeviceTimeout, LinkError, ProtocolMismatch
            When the port is absent, in use, silent, or not a device of this kind.
        SimulatorError
            When the simulated board cannot be built or started.
        """
        from host.opening import open_engine

        network = options.get("network")
        device = Device(open_engine(where, options))
        try:
            if network is not None:
                device.load(network)
        except BaseException:
            device.close()
            raise
        return device

    # -- network

    def identify(self) -> Identity:
        """Return what the device is, and what its store holds as read back by itself."""
        self._check_open()
        return self._engine.identify()

    def load(
        self, network: Network | str | os.PathLike[str], progress: Progress | None = None
    ) -> None:
        """Put a network on the device and make it active.

        The device's own CRC-32 over its store is compared with the network's; if it holds this
        very network already, nothing is sent.

        Parameters
        ----------
        network : Network or path of a network file
        progress : callable, optional
            Called with (bytes done, bytes in all).

        Raises
        ------
        NetworkError
            If the file is not a valid network.
        NetworkDoesNotFit
            Saying what it needs and what there is; the device keeps what it had.
        WrongNetwork
            If the device's store does not hold what was sent.
        """
        self._begin()
        if not isinstance(network, Network):
            from models.file import load

            network = load(network)
        if self._capacity is None:
            self._capacity = self._engine.identify().capacity
        try:
            check_capacity(network, self._capacity)
        except ImageError as error:
            raise NetworkDoesNotFit(str(error)) from error
        image = compile_image(network, self._capacity.lanes)
        self._network = self._busy = None
        self._engine.load(network, image, progress)
        self._network, self._crc32 = network, image.crc32
        self._steps = 0

    @property
    def network(self) -> Network:
        """The loaded network; NoNetwork if there is none."""
        if self._network is None:
            raise NoNetwork("no network is loaded: call load() first")
        return self._network

    # -- sequences

    def reset(self) -> None:
        """Begin a new sequence from the zero state."""
        self._begin()
        _ = self.network
        self._busy = None
        self._engine.reset()
        self._steps = 0

    def step(self, x: ArrayLike, logits: bool = True) -> Result:
        """Take one time step of the current sequence and answer, whatever the readout mode.

        Parameters
        ----------
        x : array [I]
            Floats are quantized by the network's normalisation; integers are taken as they are.
        logits : bool
            False asks for the label alone, which is less to send.

        Returns
        -------
        Result
            Cycles are this step's; in mode "sum" the logits are the running sum.

        Raises
        ------
        InputError
            If the network cannot take `x`.
        """
        self._begin()
        data = as_step(self.network, x)
        self._check_steps(self._steps + 1)
        flags = StepFlags.READOUT_ALL | self._label_flag(logits)
        base = self._last_busy()
        self._busy = None
        answer = self._engine.submit(data, flags).result()
        self._steps += 1
        self._busy = answer.busy
        return self._result(answer.records[0], base, self._steps)

    def run(self, sequence: ArrayLike, logits: bool = True) -> Result:
        """Run a whole new sequence.

        Parameters
        ----------
        sequence : array [T, I], T >= 1
            Floats are quantized by the network's normalisation; integers are taken as they are.
        logits : bool
            False asks for labels alone.

        Returns
        -------
        Result
            Of the last step (in mode "sum" of the whole sequence); cycles are the sequence's,
            its reset included; in mode "every" it holds each step's result in `every`.

        Raises
        ------
        InputError
            If the network cannot take it.
        """
        self._begin()
        data = as_sequence(self.network, sequence)
        self._check_steps(len(data))
        base = self._last_busy()
        pending = self._submit(data, logits)
        return self._finish(pending, base, len(data))

    def run_many(
        self, sequences: Iterable[ArrayLike], logits: bool = True, ahead: int = 16
    ) -> Iterator[Result]:
        """Run sequences one after the other, the link kept busy; yield their results in order.

        At most `ahead` sequences are taken from the iterable before their results are given
        back. Until the generator ends or is closed, only `identify` and `counters` may be
        called. If it is closed early, sequences taken already have been carried out.
        """
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, not {ahead}")
        self._check_open()
        _ = self.network
        return self._run_many(sequences, logits, ahead)

    def _run_many(
        self, sequences: Iterable[ArrayLike], logits: bool, ahead: int
    ) -> Iterator[Result]:
        with self._generating("run_many") as base:
            waiting: deque[tuple[list[Pending], int]] = deque()
            for sequence in sequences:
                data = as_sequence(self.network, sequence)
                self._check_steps(len(data))
                waiting.append((self._submit(data, logits), len(data)))
                if len(waiting) >= ahead:
                    yield self._finish_next(waiting, base)
                    base = self._last_busy()
            while waiting:
                yield self._finish_next(waiting, base)
                base = self._last_busy()

    def stream(
        self, steps: Iterable[ArrayLike], logits: bool = True, ahead: int = 32
    ) -> Iterator[Result]:
        """Continue the current sequence step by step; yield a result for every step, in order.

        At most `ahead` steps are taken from the iterable before their results are given back:
        1 answers every step at once (a live sensor), more keeps the link busy. Otherwise as
        `run_many`; cycles are each step's.
        """
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, not {ahead}")
        self._check_open()
        _ = self.network
        return self._stream(steps, logits, ahead)

    def _stream(self, steps: Iterable[ArrayLike], logits: bool, ahead: int) -> Iterator[Result]:
        flags = StepFlags.READOUT_ALL | self._label_flag(logits)
        with self._generating("stream") as base:
            pending: deque[tuple[Pending, int]] = deque()
            collected: list[NDArray[np.int8]] = []
            taken = self._steps

            def results(base: int) -> Iterator[Result]:
                answer, number = pending.popleft()
                for record in answer.result().records:
                    number += 1
                    yield self._result(record, base, number)
                    base = record.busy
                self._busy = base

            def send() -> None:
                data = np.concatenate(collected)
                pending.append((self._engine.submit(data, flags), self._steps))
                self._steps += len(collected)
                collected.clear()

            for x in steps:
                self._check_steps(taken + 1)
                collected.append(as_step(self.network, x))
                taken += 1
                if len(collected) >= min(self._engine.batch(True, not logits), (ahead + 1) // 2):
                    send()
                while pending and taken - pending[0][1] >= ahead:
                    yield from results(base)
                    base = self._last_busy()
            if collected:
                send()
            while pending:
                yield from results(base)
                base = self._last_busy()

    # -- state and counters

    def state(self) -> State:
        """Return where the current sequence stands, to be continued later or elsewhere."""
        self._begin()
        spec = self.network.spec
        h, scores = self._engine.read_state(spec.readout.mode == "sum")
        return State(h, scores, self._steps, self._crc32)

    def set_state(self, state: State) -> None:
        """Continue the sequence that `state` was taken from.

        Raises
        ------
        WrongNetwork
            If the state was taken from another network, or for another number of lanes.
        """
        self._begin()
        spec = self.network.spec
        if state.network != self._crc32:
            raise WrongNetwork(
                f"the state belongs to network {state.network:08x}; "
                f"{spec.name!r}, {self._crc32:08x}, is loaded"
            )
        units = (sum(spec.units),)
        if state.h.shape != units or np.abs(state.h.astype(np.int64)).max() > spec.M:
            raise InputError(
                f"the state's h must be {units[0]} values in [-{spec.M}, {spec.M}], "
                f"not shape {state.h.shape}"
            )
        self._busy = None
        self._engine.write_state(state.h, state.scores if spec.readout.mode == "sum" else None)
        self._steps = state.steps

    def counters(self) -> Counters:
        """Return what the device has counted since it started."""
        self._check_open()
        return self._engine.counters()

    def close(self) -> None:
        """Give the device back; closing twice does nothing."""
        if self._open:
            self._open = False
            self._engine.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- inside

    def _check_open(self) -> None:
        if not self._open:
            raise LinkError("the device was closed")

    def _begin(self) -> None:
        """Check that a call may start."""
        self._check_open()
        if self._generator:
            raise DeviceError(
                f"{self._generator}() is in progress: take all of its results, or close() it"
            )

    def _last_busy(self) -> int:
        if self._busy is None:
            self._busy = self._engine.counters().cycles & _COUNTER_MASK
        return self._busy

    @contextmanager
    def _generating(self, name: str) -> Iterator[int]:
        self._begin()
        base = self._last_busy()
        self._generator = name
        try:
            yield base
        except BaseException:
            self._busy = None  # what was under way moves the counter on
            raise
        finally:
            self._generator = ""

    def _check_steps(self, steps: int) -> None:
        limit = self.network.spec.max_steps
        if limit is not None and steps > limit:
            raise InputError(
                f"a sequence may have at most {limit} steps, or its sum leaves 32 bits; not {steps}"
            )

    def _label_flag(self, logits: bool) -> StepFlags:
        if not logits and self.network.spec.target == "value":
            raise InputError("a network with target 'value' answers with logits, not labels alone")
        return StepFlags(0) if logits else StepFlags.LABEL_ONLY

    def _submit(self, data: NDArray[np.int8], logits: bool) -> list[Pending]:
        """Send a whole sequence in as many batches as it needs."""
        every = self.network.spec.readout.mode == "every"
        common = self._label_flag(logits)
        pending = []
        start = 0
        while start < len(data):
            size = self._engine.batch(every, not logits)
            flags = common
            if start == 0:
                flags |= StepFlags.FIRST
            if start + size >= len(data):
                flags |= StepFlags.LAST
            pending.append(self._engine.submit(data[start : start + size], flags))
            start += size
        self._steps = len(data)
        return pending

    def _finish(self, pending: list[Pending], base: int, steps: int) -> Result:
        self._busy = None
        answers = [part.result() for part in pending]
        self._busy = answers[-1].busy
        records = [record for answer in answers for record in answer.records]
        last = self._result(records[-1], base, steps)
        if self.network.spec.readout.mode != "every":
            return last
        each, start = [], base
        for number, record in enumerate(records, 1):
            each.append(self._result(record, start, number))
            start = record.busy
        return replace(last, every=tuple(each))

    def _finish_next(self, waiting: deque[tuple[list[Pending], int]], base: int) -> Result:
        pending, steps = waiting.popleft()
        return self._finish(pending, base, steps)

    def _result(self, record: Record, base: int, steps: int) -> Result:
        spec = self.network.spec
        value: float | NDArray[np.float64] | None = None
        if spec.target == "value" and record.scores is not None:
            values = record.scores / float(1 << (spec.hb + FRACTION_BITS))
            if spec.readout.mode == "sum":
                values = values / steps
            value = float(values[0]) if len(values) == 1 else values
        cycles = (record.busy - base) & _COUNTER_MASK
        return Result(record.label, record.scores, value, cycles, steps)
