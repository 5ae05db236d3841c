"""The frame receiver: what it accepts, drops, counts and reports."""

import random
from binascii import crc_hqx

import pytest

from hdl.link.receiver import FrameReceiver
from hdl.link.signatures import BUFFER_CAPACITY
from models.protocol import Command, request_cost
from tests.hdl.link.bench import get, pause, simulate, wait

RESET = int(Command.RESET)
#: Cycles between bytes: the receiver assumes at least twenty.
GAP = 20
#: Cycles from a SYNC to what follows it; it has been read by then.
AFTER_SYNC = 100


class Bench:
    """Feeds frames (before COBS) and parses what comes out of the buffer."""

    def __init__(self, frames, seed=0, hold=0, synced=True):
        """`frames` are bytes, or cycles to wait; nothing is read in the first `hold` cycles.

        Before them a SYNC is sent and read, unless not `synced`: then 0 is expected.
        """
        self.synced = synced
        self.dut = FrameReceiver()
        self.frames = frames
        self.rng = random.Random(seed)
        self.hold = hold
        self.requests = []
        self.acknowledged = []
        self.repeats = 0
        self.restarts = []
        self.errors = 0
        simulate(self.dut, self._feed, background=[self._read, self._watch])
        if synced:
            assert self.restarts.pop(0) == 255
            assert self.requests.pop(0) == stored(255, Command.SYNC, b"in")

    async def _feed(self, ctx):
        await wait(ctx, GAP)
        first = [raw(255, Command.SYNC, b"in"), AFTER_SYNC] if self.synced else []
        for frame in [*first, *self.frames]:
            if isinstance(frame, int):
                await wait(ctx, frame)
                continue
            for item in [*frame, None]:
                ctx.set(self.dut.frames.payload, {"data": item or 0, "end": item is None})
                ctx.set(self.dut.frames.valid, 1)
                await ctx.tick()
                ctx.set(self.dut.frames.valid, 0)
                await wait(ctx, GAP)
        await wait(ctx, self.hold + 1500)

    async def _byte(self, ctx):
        await pause(ctx, self.rng, 4)
        return await get(ctx, self.dut.requests)

    async def _read(self, ctx):
        if self.synced:
            await self._request(ctx)
        if self.hold:
            await wait(ctx, self.hold + AFTER_SYNC)
        while True:
            await self._request(ctx)

    async def _request(self, ctx):
        length = await self._byte(ctx) | (await self._byte(ctx) & 3) << 8
        count = (length + 1) % 1024 + 2
        self.requests.append(bytes([await self._byte(ctx) for _ in range(count)]))

    async def _watch(self, ctx):
        dut = self.dut
        while True:
            *_, acknowledged, repeat, restart, number, sequence, errors = await ctx.tick().sample(
                dut.acknowledged, dut.repeat, dut.restart, dut.acknowledge, dut.sequence,
                dut.link_errors,
            )  # fmt: skip
            if acknowledged:
                self.acknowledged.append(number)
            assert not (repeat and not acknowledged)
            self.repeats += repeat
            if restart:
                self.restarts.append(sequence)
            ctx.set(dut.error_counted, int(errors != 0 and not ctx.get(dut.error_counted)))
            self.errors += ctx.get(dut.error_counted)


def raw(sequence, code=RESET, payload=b"", acknowledge=0):
    body = bytes([sequence % 256, acknowledge % 256, code]) + payload
    return body + crc_hqx(body, 0xFFFF).to_bytes(2, "little")


def stored(sequence, code=RESET, payload=b""):
    return bytes([sequence % 256, code]) + payload


def test_requests_in_order():
    rng = random.Random(1)
    payloads = [rng.randbytes(n) for n in (0, 1, 2, 300, 0, 17)]
    bench = Bench([raw(n, 4, p, acknowledge=n + 7) for n, p in enumerate(payloads)], seed=1)
    assert bench.requests == [stored(n, 4, p) for n, p in enumerate(payloads)]
    assert bench.acknowledged == [n + 7 for n in range(len(payloads))]
    assert (bench.repeats, bench.errors, bench.restarts) == (0, 0, [])


def test_many_wrap_the_buffer_and_the_sequence_number():
    rng = random.Random(2)
    payloads = [rng.randbytes(rng.randrange(16)) for _ in range(270)]
    bench = Bench([raw(n, 4, p) for n, p in enumerate(payloads)], seed=2)
    assert bench.requests == [stored(n, 4, p) for n, p in enumerate(payloads)]


def test_every_damaged_byte_is_noticed():
    good = raw(0, 4, b"payload")
    damaged = [
        good[:n] + bytes([good[n] ^ bit]) + good[n + 1 :]
        for n in range(len(good))
        for bit in (1, 0x80)
    ]
    bench = Bench([*damaged, good])
    assert bench.requests == [stored(0, 4, b"payload")]
    assert bench.errors == len(damaged)
    assert bench.acknowledged == [0]


def test_short_frames_are_errors_and_empty_ones_are_nothing():
    short = [crc_hqx(b"", 0xFFFF).to_bytes(2, "little"), b"a", b"abcd", raw(0)[:-1]]
    for body in (b"a", b"ab"):
        short.append(body + crc_hqx(body, 0xFFFF).to_bytes(2, "little"))
    bench = Bench([b"", *short, b"", raw(0), b""])
    assert bench.requests == [stored(0)]
    assert bench.errors == len(short)


def test_wrong_sequence_number_is_dropped_but_its_acknowledgement_counts():
    frames = [raw(0), raw(2, acknowledge=1), raw(0, acknowledge=0), raw(1, acknowledge=1), raw(1)]
    bench = Bench(frames)
    assert bench.requests == [stored(0), stored(1)]
    assert bench.acknowledged == [0, 1, 0, 1, 0]
    assert (bench.repeats, bench.errors) == (3, 0)


def test_sync_is_accepted_and_sets_the_sequence_number():
    frames = [raw(0), raw(77, Command.SYNC, b"ab", acknowledge=9), raw(78), raw(1), raw(79)]
    bench = Bench(frames)
    assert bench.requests == [stored(0), stored(77, 0, b"ab"), stored(78), stored(79)]
    assert bench.restarts == [77]
    assert bench.acknowledged == [0, 0, 0, 0]


def test_damaged_sync_does_nothing():
    sync = bytearray(raw(77, Command.SYNC, b"ab"))
    sync[3] ^= 1
    bench = Bench([raw(0), bytes(sync), raw(1)])
    assert bench.requests == [stored(0), stored(1)]
    assert (bench.restarts, bench.errors) == ([], 1)


def test_sync_throws_away_what_waits():
    frames = [raw(0, 4, b"long one"), raw(1, 4, b"another"), raw(5, Command.SYNC, b"xy")]
    bench = Bench([*frames, 50, raw(6)], hold=2000)
    assert bench.requests == [stored(5, 0, b"xy"), stored(6)]


def test_byte_while_a_sync_drains_the_buffer_does_not_lengthen_it():
    # Nothing is read meanwhile, so the drain takes longer than a byte.
    frames = [raw(0, 4, bytes(60)), raw(5, Command.SYNC, b"xy"), b"\x55", 200, raw(6)]
    bench = Bench(frames, hold=4000)
    assert bench.requests == [stored(5, 0, b"xy"), stored(6)]


@pytest.mark.parametrize("excess", [0, 1])
def test_full_buffer_drops_the_frame_that_does_not_fit(excess):
    """The advertised capacity can be used to the last byte, and not one more."""
    first = b"a" * 250
    # The first byte is already in the memory's output register, and its place free.
    second = b"b" * (BUFFER_CAPACITY + 1 - request_cost(len(first)) - request_cost(0) + excess)
    frames = [raw(0, 4, first), raw(1, 4, second)]
    stay = sum((len(f) + 1) * (GAP + 1) for f in frames) + 50
    bench = Bench(frames, hold=stay)
    accepted = [stored(0, 4, first), stored(1, 4, second)]
    assert bench.requests == accepted[: 2 - excess]
    assert bench.errors == excess


@pytest.mark.parametrize("late", [raw(1, 4, b"word", 1), raw(9, 4, b"word", 1), raw(1, 0, b"xy")])
def test_a_frame_without_room_is_as_a_damaged_one(late):
    """Neither its acknowledgement counts nor its number, and a SYNC is no exception."""
    # But for four bytes, and the one in the memory's output register, the buffer is full.
    first = bytes(BUFFER_CAPACITY - request_cost(0) - 4)
    bench = Bench([raw(0, 4, first), late], hold=(len(first) + 20) * (GAP + 1))
    assert bench.requests == [stored(0, 4, first)]
    assert bench.acknowledged == [0] and bench.errors == 1
    assert bench.repeats == 0 and bench.restarts == []


def test_oversized_frame_is_dropped():
    bench = Bench([raw(0, 4, bytes(1100)), raw(0, 4, bytes(600)), raw(0)])
    assert bench.requests == [stored(0)]
    assert bench.errors == 2


@pytest.mark.parametrize("offset", range(8, 18))
def test_damage_that_is_counted_while_the_next_one_comes_is_not_lost(offset):
    dut = FrameReceiver()
    damaged = [*raw(0)[:-1], raw(0)[-1] ^ 1, None]

    async def drive(ctx):
        for number in range(2):
            for item in damaged:
                ctx.set(dut.frames.payload, {"data": item or 0, "end": item is None})
                ctx.set(dut.frames.valid, 1)
                await ctx.tick()
                ctx.set(dut.frames.valid, 0)
                if not (number and item is None):
                    await wait(ctx, GAP)
        await wait(ctx, offset)
        ctx.set(dut.error_counted, 1)
        await ctx.tick()
        ctx.set(dut.error_counted, 0)
        await wait(ctx, 30)
        assert ctx.get(dut.link_errors) == 1

    simulate(dut, drive)


@pytest.mark.parametrize("number", [0, 1, 128, 255])
def test_nothing_but_a_sync_is_accepted_after_power_up(number):
    """A host that does not know of a reset must not go on as if there had been none."""
    bench = Bench([raw(number), raw(9, Command.SYNC, b"ab"), raw(10)], synced=False)
    assert bench.requests == [stored(9, 0, b"ab"), stored(10)]
    assert bench.restarts == [9]
    assert (bench.repeats, bench.errors) == (1, 0)
