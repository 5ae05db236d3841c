"""The device for asyncio: the calls of `host.device.Device`, none of which blocks the event loop.

async with await AsyncDevice.open("emulator", network="models/zoo/digits.safetensors") as device:
    async for result in device.stream(samples(), ahead=1):
        print(result.label)
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from enum import Enum, auto
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numpy.typing import ArrayLike

from host.device import Device, Results
from host.engine import Progress
from host.errors import LinkError
from host.results import Counters, Identity, Result, State
from host.sequencer import Pause
from models.network import Network

if TYPE_CHECKING:
    from host.discovery import Found

T = TypeVar("T")

Source = Iterable[ArrayLike] | AsyncIterable[ArrayLike]


async def discover() -> list[Found]:
    """See `host.discovery.discover`."""
    from host import discovery

    return await asyncio.to_thread(discovery.discover)


class _End(Enum):
    END = auto()


class _Worker:
    """A thread that carries out calls in order.

    Unlike an executor's it is a daemon: a program may end though a call still waits for something.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, name="addgate", daemon=True).start()

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Carry out a call after all that were submitted before, unless it is cancelled by then."""
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)

        self._calls.put(call)
        return future

    def end(self) -> None:
        """End the thread after what was submitted."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # it holds what it was called with, and what it returned


class AsyncDevice:
    """A `Device` whose calls are awaited; get one with `AsyncDevice.open`.

    Calls, arguments, results and errors are `Device`'s. They are carried out one after the other
    in a thread that the device has for itself, so any number of devices work at the same time,
    and tasks may share one. A call that is cancelled before its turn is not carried out; one at
    work is finished, and its result dropped. Either way the device is ready for the next call.

    Parameters
    ----------
    device : Device
        Nobody else may use it from now on; `close` closes it.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._worker = _Worker()
        self._closing: Future[None] | None = None
        # Like a Device that nobody keeps, it gives its line back.
        self._dropped = weakref.finalize(self, _drop, device, self._worker)
        self._dropped.atexit = False

    @staticmethod
    async def open(where: str | os.PathLike[str], **options: Any) -> AsyncDevice:
        """Open a device; see `Device.open`. If cancelled, what was opened is closed again."""
        worker = _Worker()
        opening = worker.submit(lambda: Device.open(where, **options))
        try:
            return AsyncDevice(await asyncio.wrap_future(opening))
        except asyncio.CancelledError:
            worker.submit(_close_opened, opening)
            raise
        finally:
            worker.end()

    @property
    def network(self) -> Network:
        """The loaded network; NoNetwork if there is none."""
        return self._device.network

    async def identify(self) -> Identity:
        """See `Device.identify`."""
        return await self._call(self._device.identify)

    async def verify(self) -> None:
        """See `Device.verify`."""
        await self._call(self._device.verify)

    async def load(
        self, network: Network | str | os.PathLike[str], progress: Progress | None = None
    ) -> None:
        """See `Device.load`.

        `progress` is called in the event loop, always before this returns. What it raises goes to
        the loop's exception handler.
        """
        if progress is None:
            await self._call(self._device.load, network)
            return
        loop, called = asyncio.get_running_loop(), progress

        def report(done: int, total: int) -> None:
            loop.call_soon_threadsafe(called, done, total)

        await self._call(self._device.load, network, report)

    async def reset(self) -> None:
        """See `Device.reset`."""
        await self._call(self._device.reset)

    async def step(self, x: ArrayLike, logits: bool = True) -> Result:
        """See `Device.step`."""
        return await self._call(self._device.step, x, logits)

    async def run(self, sequence: ArrayLike, logits: bool = True) -> Result:
        """See `Device.run`."""
        return await self._call(self._device.run, sequence, logits)

    def run_many(self, sequences: Source, logits: bool = True, ahead: int = 16) -> AsyncResults:
        """See `Device.run_many` and `AsyncResults`."""
        return AsyncResults(self, self._device.run_many, sequences, logits, ahead)

    def stream(self, steps: Source, logits: bool = True, ahead: int = 32) -> AsyncResults:
        """See `Device.stream` and `AsyncResults`."""
        return AsyncResults(self, self._device.stream, steps, logits, ahead)

    async def state(self) -> State:
        """See `Device.state`."""
        return await self._call(self._device.state)

    async def set_state(self, state: State) -> None:
        """See `Device.set_state`."""
        await self._call(self._device.set_state, state)

    async def counters(self) -> Counters:
        """See `Device.counters`."""
        return await self._call(self._device.counters)

    async def close(self) -> None:
        """Give the device back, after the call at work; closing twice does nothing.

        Calls that wait for their turn meet LinkError, and so does whoever waits for a result, when
        its source gives something.
        """
        if self._closing is None:
            # Not by the worker: it may be waiting for a plain source.
            closer = _Worker()
            self._closing = closer.submit(self._device.close)
            closer.end()
            self._dropped.detach()
            self._worker.end()
        await asyncio.shield(asyncio.wrap_future(self._closing))

    async def __aenter__(self) -> AsyncDevice:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # -- inside

    def _submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        if self._closing is not None:
            raise LinkError("the device was closed")
        return self._worker.submit(function, *arguments)

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.wrap_future(self._submit(function, *arguments))


class AsyncResults(AsyncIterator[Result]):
    """Results of `AsyncDevice.run_many` or `stream`, in order; for one task at a time.

    An item is taken from the source only while a result is awaited, and at most `ahead` before
    their results are given back. An asynchronous source is awaited in the event loop, and the
    device answers what `Device.run_many` allows meanwhile. A plain iterable is read in the
    device's thread, and should not wait: other calls would wait with it.

    An error, be it the source's, or a cancelled wait ends the results, and the device is free
    again. So is it if the loop over them is left and nobody keeps them; whoever keeps them calls
    `aclose`. What was taken from the source has been carried out then. The source remains its
    owner's to close.
    """

    def __init__(
        self,
        device: AsyncDevice,
        generator: Callable[[Iterable[ArrayLike], bool, int], Results],
        source: Source,
        logits: bool,
        ahead: int,
    ) -> None:
        self._device = device
        self._ended = False
        self._source: AsyncIterator[ArrayLike] | None = None
        self._given: deque[ArrayLike | _End] = deque()
        if isinstance(source, AsyncIterable):
            self._source = aiter(source)
            source = cast(Iterable[ArrayLike], _given_items(self._given))
        # Made in its turn: a `load` before or after counts as such.
        self._results = device._submit(generator, source, logits, ahead)

    async def __anext__(self) -> Result:
        if self._ended:
            raise StopAsyncIteration
        try:
            while True:
                result = await self._device._call(_next, self._results)
                if isinstance(result, Result):
                    return result
                if result is _End.END:
                    raise StopAsyncIteration
                assert self._source is not None
                self._given.append(await anext(self._source, _End.END))
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        """End the results; the device is free then. Doing so twice does nothing."""
        self._end()

    def __del__(self) -> None:
        if hasattr(self, "_results"):
            self._end()

    def _end(self) -> None:
        # The worker does it before whatever is called next; there is nothing to wait for.
        if not self._ended and self._device._closing is None:
            self._device._submit(_close_results, self._results, self._given)
        self._ended = True


def _given_items(given: deque[ArrayLike | _End]) -> Iterator[ArrayLike | Pause]:
    """Give what the event loop has put in, and pauses while there is nothing."""
    while True:
        if not given:
            yield Pause.PAUSE
            continue
        item = given.popleft()
        if isinstance(item, _End):
            return
        yield item


def _next(results: Future[Results]) -> Result | Pause | _End:
    return next(results.result(), _End.END)


def _close_results(results: Future[Results], given: deque[ArrayLike | _End]) -> None:
    if results.cancelled() or results.exception() is not None:
        return
    with closing(results.result()) as generator, suppress(StopIteration, Exception):
        while given:  # taken from the source, not yet from here: the call that would was cancelled
            next(generator)


def _drop(device: Device, worker: _Worker) -> None:
    worker.submit(device.close)
    worker.end()


def _close_opened(opening: Future[Device]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
