"""The frame transmitter: what goes out, what is kept, and what is sent again."""

import random

import pytest

from hdl.link.transmitter import FrameTransmitter
from tests.hdl.link.bench import get, pause, put, simulate, unframe, wait


class Bench:
    """Drives a transmitter by a script of actions; collects the bytes sent."""

    def __init__(self, script, seed=0, slow=0):
        self.dut = FrameTransmitter()
        self.rng = random.Random(seed)
        self.slow = slow
        self.sent = bytearray()
        self.script = script
        self.ctx = None
        simulate(self.dut, self._drive, background=[self._receive])

    async def _drive(self, ctx):
        self.ctx = ctx
        await self.script(self)

    async def _receive(self, ctx):
        while True:
            byte = await get(ctx, self.dut.bytes)
            self.sent.append(byte)
            await wait(ctx, self.slow)

    async def respond(self, body):
        for byte in body:
            await pause(self.ctx, self.rng, 4)
            await put(self.ctx, self.dut.frames, {"data": byte, "end": 0})
        await put(self.ctx, self.dut.frames, {"data": 0, "end": 1})

    async def acknowledge(self, number, repeat=False):
        self.ctx.set(self.dut.acknowledge, number % 256)
        self.ctx.set(self.dut.acknowledged, 1)
        self.ctx.set(self.dut.repeat, repeat)
        await self.ctx.tick()
        self.ctx.set(self.dut.acknowledged, 0)
        self.ctx.set(self.dut.repeat, 0)

    async def restart(self, sequence):
        self.ctx.set(self.dut.sequence, sequence)
        self.ctx.set(self.dut.restart, 1)
        await self.ctx.tick()
        self.ctx.set(self.dut.restart, 0)

    async def until_sent(self, quiet=700):
        count = -1
        while count != len(self.sent):
            count = len(self.sent)
            await wait(self.ctx, quiet + self.slow)

    @property
    def bodies(self):
        return unframe(bytes(self.sent))


def bodies(count, seed=1, longest=40):
    rng = random.Random(seed)
    return [
        bytes(rng.choice([0, rng.randrange(256)]) for _ in range(rng.randint(3, longest)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("slow", [0, 20])
def test_responses_go_out_once_and_in_order(slow):
    """More than the ring holds: each is acknowledged once it has been received."""
    responses = [*bodies(25), b"\1" * 300, b"", b"x" * 254, *bodies(10, 2)]

    async def script(bench):
        for number, body in enumerate(responses):
            await bench.respond(body)
            await bench.until_sent()
            await bench.acknowledge(number + 1)

    assert Bench(script, slow=slow).bodies == responses


def test_sequence_numbers_wrap():
    responses = [bytes([n % 256]) for n in range(600)]

    async def script(bench):
        for number, body in enumerate(responses):
            await bench.respond(body)
            if number % 20 == 19:
                await bench.until_sent()
                await bench.acknowledge(number + 1)

    assert Bench(script).bodies == responses


def test_unacknowledged_responses_are_sent_again():
    first = bodies(6)

    async def script(bench):
        for body in first:
            await bench.respond(body)
        await bench.until_sent()
        await bench.acknowledge(2, repeat=True)
        await bench.until_sent()
        await bench.acknowledge(6, repeat=True)
        await bench.until_sent()

    assert Bench(script).bodies == first + first[2:]


def test_repeats_during_sending_are_one():
    """A host that repeats ten requests does not get ten times the answers."""
    first = bodies(6)

    async def script(bench):
        for body in first:
            await bench.respond(body)
        for _ in range(10):
            await bench.acknowledge(0, repeat=True)
            await wait(bench.ctx, 40)
        await bench.until_sent()

    assert Bench(script, slow=20).bodies == first + first


def test_old_acknowledgement_is_ignored():
    first = bodies(4)

    async def script(bench):
        for body in first:
            await bench.respond(body)
        await bench.until_sent()
        await bench.acknowledge(3)
        await wait(bench.ctx, 500)
        for old in (0, 2, 256 - 100):
            await bench.acknowledge(old, repeat=True)
            await bench.until_sent()

    assert Bench(script).bodies == first + first[3:] * 3


@pytest.mark.parametrize("ahead", [1, 2, 5, 100])
def test_an_acknowledgement_of_what_was_not_sent_frees_no_more_than_was(ahead):
    """The ring stays whole: what follows goes out, and goes on to be freed and repeated."""
    first, more = bodies(3), [*bodies(30, 2), b"\1" * 300, *bodies(10, 3)]

    async def script(bench):
        for body in first:
            await bench.respond(body)
        await bench.until_sent()
        await bench.acknowledge(3 + ahead)
        await wait(bench.ctx, 1000)
        for number, body in enumerate(more, 3):
            await bench.respond(body)
            await bench.until_sent()
            await bench.acknowledge(number + 1)
        await bench.respond(b"last")
        await bench.until_sent()
        await bench.acknowledge(3 + len(more), repeat=True)
        await bench.until_sent()

    assert Bench(script).bodies == [*first, *more, b"last", b"last"]


def test_acknowledged_while_it_is_sent_again():
    """What is acknowledged during a repetition is sent to the end and freed then."""
    first = bodies(8, longest=60)

    async def script(bench):
        for body in first:
            await bench.respond(body)
        await bench.until_sent()
        await bench.acknowledge(0, repeat=True)
        await wait(bench.ctx, 300)
        await bench.acknowledge(7)
        await bench.until_sent()
        await bench.acknowledge(7, repeat=True)
        await bench.until_sent()

    assert Bench(script, slow=10).bodies == first + first + first[7:]


def test_full_ring_holds_the_next_response_back():
    big = [bytes([n]) * 200 for n in range(1, 4)]

    async def script(bench):
        await bench.respond(big[0])
        await bench.respond(big[1])
        await bench.until_sent()

        # The third does not fit beside the first two.
        held = []
        for byte in big[2]:
            bench.ctx.set(bench.dut.frames.payload, {"data": byte, "end": 0})
            bench.ctx.set(bench.dut.frames.valid, 1)
            ready, cycles = False, 0
            while not ready:
                *_, ready = await bench.ctx.tick().sample(bench.dut.frames.ready)
                cycles += 1
                if cycles == 1000:
                    held.append(byte)
                    await bench.acknowledge(1)
        await put(bench.ctx, bench.dut.frames, {"data": 0, "end": 1})
        await bench.until_sent()
        assert len(held) == 1

    assert Bench(script).bodies == big


def test_restart_forgets_everything_and_ends_a_torn_frame():
    async def script(bench):
        await bench.respond(b"old response that is cut off")
        await wait(bench.ctx, 300)
        await bench.restart(200)
        await bench.respond(b"new")
        await bench.until_sent()
        await bench.acknowledge(200, repeat=True)
        await bench.until_sent()
        await bench.acknowledge(201, repeat=True)
        await bench.until_sent()

    bench = Bench(script, slow=20)
    torn, rest = bytes(bench.sent).lstrip(b"\0").split(b"\0", 1)
    assert 3 < len(torn) < 28
    assert unframe(rest) == [b"new", b"new"]
