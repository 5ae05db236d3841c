"""The device for asyncio: the calls of `host.device.Device`, none of which blocks the event loop.

async with await AsyncDevice.open("emulator", network="models/zoo/digits.safetensors") as device:
    async with aclosing(device.stream(samples())) as results:
        async for result in results:
            print(result.label)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from numpy.typing import ArrayLike

from host.device import Device
from host.engine import Progress
from host.results import Counters, Identity, Result, State
from models.network import Network

P = ParamSpec("P")
T = TypeVar("T")

Source = Iterable[ArrayLike] | AsyncIterable[ArrayLike]


class AsyncDevice:
    """A `Device` whose calls are awaited; get one with `AsyncDevice.open`.

    Each call runs in a thread of the device's own, so any number of devices work at the same time.
    Several tasks may share a device as several threads may share a `Device`.

    A call that is cancelled is carried out to its end, and what it would have returned is lost;
    calls after it wait for that. A cancelled or closed generator leaves the device as a closed
    generator of `Device` does: ready, with what was taken from the source already carried out. To
    leave a generator early, use ``contextlib.aclosing``: without it Python closes it at some
    later time, and until then the device refuses other sequences.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        # Generators wait for their sources, and other calls must not wait for these.
        self._calls = ThreadPoolExecutor(1, "addgate-call")
        self._steps = ThreadPoolExecutor(1, "addgate-generator")

    @staticmethod
    async def open(where: str, **options: Any) -> AsyncDevice:
        """Open a device; see `Device.open`."""
        opening = asyncio.ensure_future(asyncio.to_thread(Device.open, where, **options))
        try:
            return AsyncDevice(await asyncio.shield(opening))
        except asyncio.CancelledError:
            opening.add_done_callback(_give_back)
            raise

    @property
    def network(self) -> Network:
        """The loaded network; NoNetwork if there is none."""
        return self._device.network

    async def identify(self) -> Identity:
        """See `Device.identify`."""
        return await self._call(Device.identify)

    async def verify(self) -> None:
        """See `Device.verify`."""
        await self._call(Device.verify)

    async def load(
        self, network: Network | str | os.PathLike[str], progress: Progress | None = None
    ) -> None:
        """See `Device.load`; `progress` is called in the event loop's thread."""
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            assert progress is not None
            loop.call_soon_threadsafe(progress, done, total)

        await self._call(Device.load, network, None if progress is None else report)

    async def reset(self) -> None:
        """See `Device.reset`."""
        await self._call(Device.reset)

    async def step(self, x: ArrayLike, logits: bool = True) -> Result:
        """See `Device.step`."""
        return await self._call(Device.step, x, logits)

    async def run(self, sequence: ArrayLike, logits: bool = True) -> Result:
        """See `Device.run`."""
        return await self._call(Device.run, sequence, logits)

    def run_many(
        self, sequences: Source, logits: bool = True, ahead: int = 16
    ) -> AsyncIterator[Result]:
        """See `Device.run_many`; `sequences` may be an asynchronous iterable."""
        return self._generate(Device.run_many, sequences, logits, ahead)

    def stream(self, steps: Source, logits: bool = True, ahead: int = 32) -> AsyncIterator[Result]:
        """See `Device.stream`; `steps` may be an asynchronous iterable."""
        return self._generate(Device.stream, steps, logits, ahead)

    async def state(self) -> State:
        """See `Device.state`."""
        return await self._call(Device.state)

    async def set_state(self, state: State) -> None:
        """See `Device.set_state`."""
        await self._call(Device.set_state, state)

    async def counters(self) -> Counters:
        """See `Device.counters`."""
        return await self._call(Device.counters)

    async def close(self) -> None:
        """See `Device.close`."""
        await asyncio.to_thread(self._device.close)
        self._calls.shutdown(wait=False)
        self._steps.shutdown(wait=False)

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

    async def _call(
        self, method: Callable[Concatenate[Device, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        work = self._submit(self._calls, lambda: method(self._device, *args, **kwargs))
        return await asyncio.wrap_future(work)

    def _submit(self, pool: ThreadPoolExecutor, function: Callable[[], T]) -> Future[T]:
        try:
            return pool.submit(function)
        except RuntimeError:  # the pool was shut down
            closed: Future[T] = Future()
            try:
                closed.set_result(function())  # says that the device was closed
            except Exception as error:
                closed.set_exception(error)
            return closed

    async def _generate(
        self,
        method: Callable[[Device, Iterable[ArrayLike], bool, int], Iterator[Result]],
        source: Source,
        logits: bool,
        ahead: int,
    ) -> AsyncIterator[Result]:
        """Step a generator in its thread; end it, and its source's waiting, however this ends."""
        bridge = _Bridge(source) if isinstance(source, AsyncIterable) else None
        items: Iterable[ArrayLike] = source if bridge is None else bridge  # type: ignore[assignment]
        generator: Any = method(self._device, items, logits, ahead)
        step = None
        try:
            while True:
                step = self._submit(self._steps, lambda: next(generator, None))
                result = await asyncio.wrap_future(step)
                if result is None:
                    return
                yield result
        finally:
            if bridge is not None:
                bridge.end()
            # The generator can be closed only when its thread has left it.
            ended = self._submit(self._steps, generator.close)
            await asyncio.shield(asyncio.wrap_future(ended))


def _give_back(opening: asyncio.Future[Device]) -> None:
    """Close a device that nobody waits for any more."""
    if opening.cancelled() or opening.exception() is not None:
        return
    opening.result().close()


class _Bridge:
    """An asynchronous iterable, iterated in another thread while its own loop runs."""

    def __init__(self, source: AsyncIterable[ArrayLike]) -> None:
        self._iterator = aiter(source)
        self._loop = asyncio.get_running_loop()
        self._pull: Future[ArrayLike] | None = None
        self._ended = False

    def __iter__(self) -> Iterator[ArrayLike]:
        return self

    def __next__(self) -> ArrayLike:
        if self._ended:
            raise StopIteration
        self._pull = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        if self._ended:  # meanwhile
            self._pull.cancel()
        try:
            return self._pull.result()
        except (StopAsyncIteration, CancelledError):
            raise StopIteration from None

    async def _next(self) -> ArrayLike:
        return await anext(self._iterator)

    def end(self) -> None:
        """Offer nothing more, also to who waits now."""
        self._ended = True
        if self._pull is not None:
            self._pull.cancel()
