"""The device as programs use it: open, load a network, run sequences.

with Device.open("emulator") as device:
    device.load("models/zoo/digits.safetensors")
    print(device.run(sequence).label)
"""

from __future__ import annotations

import functools
import operator
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from numpy.typing import ArrayLike

from host.engine import Engine, Progress
from host.errors import (
    DeviceError,
    LinkError,
    NetworkDoesNotFit,
    NoNetwork,
    WrongNetwork,
)
from host.inputs import as_sequence, as_step, check_state
from host.results import Counters, Identity, Result, State
from host.sequencer import Pause, Sequencer, Steps
from models.image import compile_image
from models.layout import ImageError, check_capacity
from models.network import Network

P = ParamSpec("P")
T = TypeVar("T")

#: What `run_many` and `stream` return.
Results = Generator[Result, None, None]


def _locked(method: Callable[Concatenate[Device, P], T]) -> Callable[Concatenate[Device, P], T]:
    """Carry out a method while no other thread carries out one of the same device."""

    @functools.wraps(method)
    def alone(self: Device, *arguments: P.args, **options: P.kwargs) -> T:
        with self._lock:
            return method(self, *arguments, **options)

    return alone


class Device:
    """A board, a simulated board or the emulator; get one with `Device.open`.

    A device works on one sequence at a time. `run` starts a new one; `step` and `stream`
    continue the current one.

    It holds one network; a program may use several devices at once, each with its own network, in
    one thread or in many. Threads may share a device: calls are carried out one after the other,
    each whole, in no order but that of their coming. While a generator (`run_many`, `stream`) is in
    progress, whatever thread steps it, only `identify`, `verify`, `counters` and `close` may be
    called besides; they wait until it gives or takes its next item. One thread at a time steps a
    generator.

    `host.aio.AsyncDevice` has the same calls for asyncio.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._network: Network | None = None
        self._crc32 = 0
        self._identity: Identity | None = None  # when the first network was loaded
        self._sequencer: Sequencer | None = None
        self._open = True
        self._in_progress = ""
        # Held in every call, and while a generator makes its next result.
        self._lock = threading.RLock()

    @staticmethod
    def open(where: str | os.PathLike[str], **options: Any) -> Device:
        """Open a device.

        Parameters
        ----------
        where : str or path
            "emulator", "simulator", a serial port ("/dev/ttyUSB1", "COM3") or a pyserial URL
            ("socket://127.0.0.1:5000").
        **options
            network : path or Network, loaded at once (a simulated board with weights "bram"
            starts with it in its block RAM).
            Emulator and simulator: lanes (16), weights ("spram" or "bram"), events (2 or 1 a
            cycle), packed (five weights in a byte of the store), clock_hz.
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
        device = Device(open_engine(os.fspath(where), options))
        try:
            if network is not None:
                device.load(network)
        except BaseException:
            device.close()
            raise
        return device

    # -- network

    @_locked
    def identify(self) -> Identity:
        """Return what the device is, and what its store holds as read back by itself."""
        self._check_open()
        return self._engine.identify()

    @_locked
    def verify(self) -> None:
        """Have the device read its store back, and compare its CRC-32 with the network's.

        `load` has done so; this sees what changed since.

        Raises
        ------
        WrongNetwork
            If the store no longer holds the loaded network.
        NoNetwork
            If none was loaded.
        """
        network = self.network
        found = self.identify()
        if not found.network_valid or found.image_crc32 != self._crc32:
            what = f"CRC-32 {found.image_crc32:08x}" if found.network_valid else "no network"
            raise WrongNetwork(
                f"the device's store does not hold {network.spec.name!r} any more: CRC-32 "
                f"{self._crc32:08x} was expected, {what} found; load it again"
            )

    @_locked
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
            Called with (bytes done, bytes in all), from within the call: other threads wait. What
            it raises ends the load; `network` is none then, whatever is in the device's store.

        Raises
        ------
        NetworkError
            If the file is not a valid network.
        NetworkDoesNotFit
            Saying what it needs and what there is; the device keeps what it had.
        WrongNetwork
            If the device's store does not hold what was sent.
        """
        self._check_open()
        self._check_idle()
        if not isinstance(network, Network):
            from models.file import load

            network = load(network)
        if self._identity is None:
            self._identity = self._engine.identify()
        capacity = self._identity.capacity
        try:
            check_capacity(network, capacity)
        except ImageError as error:
            raise NetworkDoesNotFit(str(error)) from error
        image = compile_image(network, capacity.lanes, capacity.word_format)
        self._network = self._sequencer = None
        self._in_progress = "load"  # no other call from within `progress`
        try:
            self._engine.load(network, image, progress)
        finally:
            self._in_progress = ""
        self._network, self._crc32 = network, image.crc32
        self._sequencer = Sequencer(self._engine, network.spec, self._identity.clock_hz)

    @property
    def network(self) -> Network:
        """The loaded network; NoNetwork if there is none."""
        if self._network is None:
            raise NoNetwork("no network is loaded: call load() first")
        return self._network

    def _ready(self) -> Sequencer:
        """Check that a network is loaded and nothing else is in progress."""
        self._check_open()
        self._check_idle()
        if self._sequencer is None:
            raise NoNetwork("no network is loaded: call load() first")
        return self._sequencer

    # -- sequences

    @_locked
    def reset(self) -> None:
        """Begin a new sequence from the zero state."""
        sequencer = self._ready()
        sequencer.forget_cycles()
        sequencer.steps = 0
        self._engine.reset()

    @_locked
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
        sequencer = self._ready()
        return sequencer.step(as_step(self.network, x), logits)

    @_locked
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
        sequencer = self._ready()
        return sequencer.run(as_sequence(self.network, sequence), logits)

    @_locked
    def run_many(
        self, sequences: Iterable[ArrayLike], logits: bool = True, ahead: int = 16
    ) -> Results:
        """Run sequences one after the other, the link kept busy; yield their results in order.

        At most `ahead` sequences are taken from the iterable before their results are given
        back. If the generator is closed early, sequences taken already have been carried out.

        Raises
        ------
        InputError
            If the network cannot take a sequence.
        WrongNetwork
            At the first result, if `load` was called since; a generator belongs to its network.
        LinkError
            At the next result, if the device was closed.
        """
        sequencer = self._ready()
        self._check_ahead(ahead)
        data = self._taken(sequences, as_sequence)
        return self._generating("run_many", sequencer, sequencer.run_many(data, logits, ahead))

    @_locked
    def stream(self, steps: Iterable[ArrayLike], logits: bool = True, ahead: int = 32) -> Results:
        """Continue the current sequence step by step; yield a result for every step, in order.

        At most `ahead` steps are taken from the iterable before their results are given back:
        1 answers every step at once (a live sensor), more keeps the link busy. Otherwise as
        `run_many`, its errors included; cycles are each step's.
        """
        sequencer = self._ready()
        self._check_ahead(ahead)
        data = self._taken(steps, as_step)
        return self._generating("stream", sequencer, sequencer.stream(data, logits, ahead))

    # -- state and counters

    @_locked
    def state(self) -> State:
        """Return where the current sequence stands, to be continued later or elsewhere."""
        sequencer = self._ready()
        h, scores = self._engine.read_state(self.network.spec.readout.mode == "sum")
        return State(h, scores, sequencer.steps, self._crc32)

    @_locked
    def set_state(self, state: State) -> None:
        """Continue the sequence that `state` was taken from.

        Raises
        ------
        WrongNetwork
            If the state was taken from another network, or for another number of lanes.
        InputError
            If its arrays are not integers of the network's sizes and ranges.
        """
        sequencer = self._ready()
        spec = self.network.spec
        if state.network != self._crc32:
            raise WrongNetwork(
                f"the state belongs to network {state.network:08x}; "
                f"{spec.name!r}, {self._crc32:08x}, is loaded"
            )
        check_state(spec, state)
        sequencer.forget_cycles()
        sequencer.steps = operator.index(state.steps)
        self._engine.write_state(state.h, state.scores if spec.readout.mode == "sum" else None)

    @_locked
    def counters(self) -> Counters:
        """Return what the device has counted since it started."""
        self._check_open()
        return self._engine.counters()

    @_locked
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

    def _check_idle(self) -> None:
        if self._in_progress == "load":
            raise DeviceError("load() is in progress")
        if self._in_progress:
            raise DeviceError(
                f"{self._in_progress}() is in progress: take all of its results, or close() it"
            )

    @staticmethod
    def _check_ahead(ahead: int) -> None:
        if ahead < 1:
            raise ValueError(f"ahead must be at least 1, not {ahead}")

    def _generating(
        self, name: str, sequencer: Sequencer, results: Iterator[Result | Pause]
    ) -> Results:
        """Pass results on, and keep other calls out while the generator is at work."""
        with self._lock:
            if self._ready() is not sequencer:
                raise WrongNetwork(
                    f"{name}() was called before load(): its results belong to the network that "
                    "was loaded then; call it again"
                )
            self._in_progress = name
        try:
            while True:
                with self._lock:
                    # Some results may be here already; but no device of any kind goes on.
                    self._check_open()
                    result = next(results, None)
                if result is None:
                    return
                # A pause only where the source gave one: `host.aio`'s does, and expects it.
                yield cast(Result, result)
        finally:
            try:
                with self._lock:
                    cast(Results, results).close()
            finally:
                self._in_progress = ""

    def _taken(
        self, source: Iterable[ArrayLike], convert: Callable[[Network, ArrayLike], Steps]
    ) -> Iterator[Steps | Pause]:
        """Take a generator's inputs; while their source makes one, other threads may come in."""
        network, items = self.network, iter(source)
        ended = object()
        while True:
            self._lock.release()  # it is held once, by `_generating`
            try:
                item = next(items, ended)
            finally:
                self._lock.acquire()
            self._check_open()
            if item is ended:
                return
            yield item if isinstance(item, Pause) else convert(network, cast(ArrayLike, item))
