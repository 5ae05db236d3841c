"""The device for asyncio: the same answers, a free event loop, and orderly ends."""

import asyncio
import gc
import subprocess
import sys
import threading
from contextlib import aclosing

import numpy as np
import pytest

from host.aio import AsyncDevice
from host.errors import DeviceError, InputError, LinkError, WrongNetwork
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from tests.host.helpers import device_for, expected_scores

NETWORK = random_network(3, inputs=5, units=(12,), outputs=4)
X = random_inputs(3, NETWORK, 12, 6)
#: Nothing takes so long; a test that hangs ends.
PATIENCE = 60


def play(program):
    """Run a coroutine function to its end."""

    async def bounded():
        async with asyncio.timeout(PATIENCE):
            await program()

    asyncio.run(bounded())


async def opened(kind, network=NETWORK):
    device = AsyncDevice(device_for(kind, network))
    await device.load(network)
    return device


async def given(items):
    """An asynchronous source."""
    for item in items:
        await asyncio.sleep(0)
        yield item


both = pytest.mark.parametrize("kind", ["emulator", "fake"])


@both
def test_calls_answer_as_those_of_the_synchronous_device(kind):
    async def program():
        reports = []
        async with AsyncDevice(device_for(kind, NETWORK)) as device:
            await device.load(NETWORK, lambda *report: reports.append(report))
            identity = await device.identify()
            assert identity.network_valid
            await device.verify()
            result = await device.run(X[0])
            np.testing.assert_array_equal(result.logits, expected_scores(NETWORK, X[0]))
            state = await device.state()
            first = await device.step(X[1, 0])
            await device.set_state(state)
            again = await device.step(X[1, 0])
            np.testing.assert_array_equal(first.logits, again.logits)
            await device.reset()
            assert (await device.counters()).steps == len(X[0]) + 2
            assert device.network is NETWORK
        assert reports and reports[-1][0] == reports[-1][1]
        with pytest.raises(LinkError, match="closed"):
            await device.run(X[0])

    play(program)


@both
@pytest.mark.parametrize("make", [given, list], ids=["asynchronous", "plain"])
def test_generators_take_either_kind_of_source(kind, make):
    async def program():
        async with await opened(kind) as device:
            results = [result async for result in device.run_many(make(X))]
            golden = GoldenModel(NETWORK).run(X)
            np.testing.assert_array_equal([r.logits for r in results], golden.scores)
            await device.reset()
            steps = [result async for result in device.stream(make(X[0]), ahead=1)]
            np.testing.assert_array_equal([r.logits for r in steps], golden.logits[0])

    play(program)


@both
def test_a_live_source_gets_each_answer_before_its_next_sample(kind):
    """With ahead=1 a result comes though the source has nothing more yet; memory is bounded."""

    async def program():
        taken, answered = [], []
        may_go = asyncio.Event()

        async def sensor():
            for number, x in enumerate(X[0]):
                while len(answered) < number:
                    may_go.clear()
                    await may_go.wait()
                taken.append(number)
                yield x

        async with await opened(kind) as device:
            async for result in device.stream(sensor(), ahead=1):
                answered.append(result)
                may_go.set()
        assert len(answered) == len(X[0]) == len(taken)

    play(program)


def test_the_event_loop_goes_on_while_a_device_works():
    """A call that blocks its thread until the loop does something."""
    done_by_loop = threading.Event()

    async def program():
        device = await opened("emulator")
        engine = device._device._engine
        counters = engine.counters
        engine.counters = lambda: done_by_loop.wait(PATIENCE) and counters()
        waiting = asyncio.ensure_future(device.counters())
        await asyncio.sleep(0)
        done_by_loop.set()
        assert (await waiting).steps == 0
        await device.close()

    play(program)


@both
def test_leaving_a_generator_early_leaves_the_device_ready(kind):
    async def program():
        async with await opened(kind) as device:
            async with aclosing(device.run_many(given(X), ahead=2)) as results:
                async for result in results:
                    np.testing.assert_array_equal(result.logits, expected_scores(NETWORK, X[0]))
                    with pytest.raises(DeviceError, match="run_many"):
                        await device.run(X[1])
                    assert (await device.counters()).steps >= len(X[0])
                    break
            result = await device.run(X[2])
            np.testing.assert_array_equal(result.logits, expected_scores(NETWORK, X[2]))

    play(program)


@both
def test_cancelling_who_waits_for_a_silent_source_leaves_the_device_ready(kind):
    async def program():
        asked = asyncio.Event()

        async def silent():
            yield X[0]
            asked.set()
            await asyncio.Event().wait()

        async def consume(device):
            async for _ in device.run_many(silent(), ahead=1):
                pass

        async with await opened(kind) as device:
            task = asyncio.ensure_future(consume(device))
            await asked.wait()
            assert (await device.counters()).steps >= 0, "others may use the device meanwhile"
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            result = await device.run(X[2])
            np.testing.assert_array_equal(result.logits, expected_scores(NETWORK, X[2]))

    play(program)


@both
def test_what_a_source_raises_reaches_the_consumer(kind):
    async def program():
        async def broken():
            yield X[0]
            raise OSError("the sensor is gone")

        async def wrong():
            yield X[0]
            yield np.zeros((3, 9), np.int8)

        async with await opened(kind) as device:
            with pytest.raises(OSError, match="sensor is gone"):
                async for _ in device.run_many(broken()):
                    pass
            with pytest.raises(InputError):
                async for _ in device.run_many(wrong()):
                    pass
            result = await device.run(X[1])
            np.testing.assert_array_equal(result.logits, expected_scores(NETWORK, X[1]))

    play(program)


def test_devices_with_networks_of_their_own_work_side_by_side():
    networks = [random_network(seed, inputs=5) for seed in range(3)]

    async def serve(network):
        async with await opened("fake", network) as device:
            return [r.logits async for r in device.run_many(given(X))]

    async def program():
        found = await asyncio.gather(*map(serve, networks))
        for network, scores in zip(networks, found, strict=True):
            np.testing.assert_array_equal(scores, GoldenModel(network).run(X).scores)

    play(program)


def test_tasks_share_a_device():
    async def program():
        async with await opened("fake") as device:
            results = await asyncio.gather(*(device.run(x) for x in X))
            np.testing.assert_array_equal(
                [r.logits for r in results], GoldenModel(NETWORK).run(X).scores
            )

    play(program)


def test_a_generator_of_an_earlier_network_is_refused():
    async def program():
        async with await opened("emulator") as device:
            late = device.run_many(given(X))
            await device.load(random_network(9, inputs=5))
            with pytest.raises(WrongNetwork):
                await anext(late)
            await device.load(NETWORK)
            result = await device.run(X[1])
            np.testing.assert_array_equal(result.logits, expected_scores(NETWORK, X[1]))

    play(program)


class Held:
    """An engine's `counters` in its thread, held there until `go_on`."""

    def __init__(self, device):
        self.begun, self.go_on = threading.Event(), threading.Event()
        engine = device._device._engine
        self._counters, engine.counters = engine.counters, self

    def __call__(self):
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        return self._counters()

    async def busy(self, device):
        """Begin a call; return its task when it is at work."""
        task = asyncio.ensure_future(device.counters())
        while not self.begun.is_set():
            await asyncio.sleep(0.001)
        return task


def test_generators_are_made_without_waiting_for_the_call_at_work():
    async def program():
        async with await opened("emulator") as device:
            held = Held(device)
            work = await held.busy(device)
            results = device.run_many(given(X))
            steps = device.stream(given(X[0]))  # in its turn, and then another is in progress
            first = asyncio.ensure_future(anext(results))
            await asyncio.sleep(0)
            held.go_on.set()
            await work
            np.testing.assert_array_equal((await first).logits, expected_scores(NETWORK, X[0]))
            with pytest.raises(DeviceError, match="run_many"):
                await anext(steps)

    play(program)


def test_a_call_cancelled_before_its_turn_is_not_carried_out():
    async def program():
        async with await opened("emulator") as device:
            held = Held(device)
            work = await held.busy(device)
            waiting = asyncio.ensure_future(device.run(X[0]))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            held.go_on.set()
            await work
            assert (await device.counters()).steps == 0

    play(program)


def test_a_call_cancelled_at_work_is_finished():
    async def program():
        async with await opened("emulator") as device:
            held = Held(device)
            work = await held.busy(device)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            held.go_on.set()
            result = await device.run(X[0])
            np.testing.assert_array_equal(result.logits, expected_scores(NETWORK, X[0]))

    play(program)


@both
@pytest.mark.parametrize("end", ["close", "cancel"])
def test_closing_while_a_source_is_awaited(kind, end):
    """Whoever waits meets LinkError at the source's next item; or is cancelled, as anywhere."""

    async def program():
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def sensor():
            yield X[0, 0]
            asked.set()
            await go_on.wait()
            yield X[0, 1]

        async def consume(device):
            async for _ in device.stream(sensor(), ahead=1):
                pass

        device = await opened(kind)
        task = asyncio.ensure_future(consume(device))
        await asked.wait()
        await device.close()
        if end == "cancel":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            go_on.set()
            with pytest.raises(LinkError, match="closed"):
                await task

    play(program)


def test_a_source_that_was_cancelled_has_not_ended():
    async def program():
        async def cancelled():
            yield X[0]
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task

        async with await opened("emulator") as device:
            with pytest.raises(asyncio.CancelledError):
                async for _ in device.run_many(cancelled()):
                    pass
            await device.run(X[1])

    play(program)


@both
def test_who_leaves_a_loop_has_to_close_nothing(kind):
    """What nobody keeps is ended, and what was taken has been carried out."""

    async def program():
        async with await opened(kind) as device:
            await device.reset()
            async for _ in device.stream(given(X[0]), ahead=3):
                break
            taken = (await device.state()).steps
            assert 1 <= taken <= 3
            golden = GoldenModel(NETWORK).run(X[:1])
            following = await device.step(X[0, taken])
            np.testing.assert_array_equal(following.logits, golden.logits[0, taken])

    play(program)


@both
def test_what_was_taken_is_carried_out_though_the_wait_was_cancelled_in_its_turn(kind):
    """The item is there, the device works for another task, and the patience ends."""

    async def program():
        taken = []

        async def sensor():
            for row in X[0]:
                taken.append(row)
                yield row

        async with await opened(kind) as device:
            await device.reset()
            results = device.stream(sensor(), ahead=1)
            await anext(results)
            held, given, add = Held(device), results._given, results._given.append

            class Crowded:
                """Where items are handed over: from then on another call is before the next."""

                def append(self, item):
                    add(item)
                    device._submit(held)

            results._given = Crowded()
            waiting = asyncio.ensure_future(anext(results))
            while not held.begun.is_set():
                await asyncio.sleep(0.001)
            results._given = given
            assert len(given) == 1
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            held.go_on.set()
            assert (await device.state()).steps == len(taken)

    play(program)


def test_closing_does_not_wait_for_a_plain_source():
    async def program():
        asked, go_on = threading.Event(), threading.Event()

        def silent():
            yield X[0]
            asked.set()
            assert go_on.wait(PATIENCE)
            yield X[1]

        device = await opened("emulator")
        results = device.run_many(silent(), ahead=1)
        await anext(results)
        waiting = asyncio.ensure_future(anext(results))
        while not asked.is_set():
            await asyncio.sleep(0.001)
        late = asyncio.ensure_future(device.counters())  # waits for its turn, which is too late
        await asyncio.sleep(0)
        await device.close()
        await device.close()
        go_on.set()
        for task in (waiting, late):
            with pytest.raises(LinkError, match="closed"):
                await task

    play(program)


def test_a_device_that_nobody_keeps_gives_its_line_back():
    async def program():
        inner = device_for("fake", NETWORK)
        closed = threading.Event()
        inner._engine.close = closed.set
        threads = threading.active_count()
        device = AsyncDevice(inner)
        await device.identify()
        del device
        gc.collect()
        while not closed.is_set() or threading.active_count() > threads:
            await asyncio.sleep(0.001)

    play(program)


def test_boards_are_discovered_without_blocking_the_loop(monkeypatch):
    from host import aio, discovery

    done_by_loop = threading.Event()
    monkeypatch.setattr(discovery, "discover", lambda: done_by_loop.wait(PATIENCE) and ["a board"])

    async def program():
        found = asyncio.ensure_future(aio.discover())
        await asyncio.sleep(0)
        done_by_loop.set()
        assert await found == ["a board"]

    play(program)


def test_progress_is_reported_in_the_loop_before_the_load_returns():
    async def program():
        reports = []

        def progress(*report):
            assert threading.current_thread() is threading.main_thread()
            reports.append(report)

        device = AsyncDevice(device_for("fake", NETWORK))
        await device.load(NETWORK, progress)
        assert reports[-1][0] == reports[-1][1]

        seen = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))

        def broken(done, total):
            raise ArithmeticError("the bar is broken")

        await device.load(NETWORK, broken)
        assert isinstance(seen[0]["exception"], ArithmeticError)
        await device.run(X[0])  # it is loaded nevertheless
        await device.close()

    play(program)


class SlowlyOpened:
    """A device whose opening takes until `may_open`."""

    def __init__(self, monkeypatch):
        import host.aio

        self.begun, self.may_open, self.closed = (threading.Event() for _ in range(3))
        monkeypatch.setattr(host.aio, "Device", self)

    def open(self, where):
        self.begun.set()
        assert self.may_open.wait(PATIENCE)
        return self

    def close(self):
        self.closed.set()

    async def opening(self):
        """Begin to open it; return the task when its thread is at work."""
        task = asyncio.ensure_future(AsyncDevice.open("somewhere"))
        while not self.begun.is_set():
            await asyncio.sleep(0.001)
        return task


def test_a_cancelled_opening_gives_the_device_back(monkeypatch):
    slow = SlowlyOpened(monkeypatch)

    async def program():
        task = await slow.opening()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(program)  # the loop is closed before the device is open
    assert not slow.closed.is_set()
    slow.may_open.set()
    assert slow.closed.wait(PATIENCE)


def test_an_opening_cut_off_by_the_programs_end_gives_the_device_back(monkeypatch):
    slow = SlowlyOpened(monkeypatch)
    asyncio.run(keep(slow.opening()))
    slow.may_open.set()
    assert slow.closed.wait(PATIENCE)


async def keep(beginning):
    """End while the task that `beginning` gives is at work; asyncio.run cancels it."""
    await beginning


def test_a_program_ends_though_a_plain_source_waits_for_ever():
    """asyncio.timeout is obeyed, asyncio.run returns, and so does the process."""
    program = """
import asyncio, threading
from host.aio import AsyncDevice
from models.random_networks import random_inputs, random_network

network = random_network(3, inputs=5)

def silent():
    yield random_inputs(3, network, 1, 4)[0]
    threading.Event().wait()

async def main():
    async with await AsyncDevice.open("emulator", network=network) as device:
        results = device.run_many(silent(), ahead=1)
        await anext(results)
        try:
            await asyncio.wait_for(anext(results), 0.1)
        except TimeoutError:
            print("timed out")

asyncio.run(main())
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (ran.stdout, ran.stderr) == ("timed out\n", "")
