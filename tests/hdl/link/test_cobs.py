"""COBS in both directions against the `cobs` package."""

import random

import pytest
from cobs import cobs

from hdl.link.cobs import COBSDecoder, COBSEncoder
from hdl.link.signatures import BUFFER_BYTES
from tests.hdl.link.bench import pause, put, simulate, wait

EDGE_CASES = [
    b"",
    b"\0",
    b"\0\0",
    b"a",
    b"\0a\0",
    bytes(range(256)),
    b"x" * 253,
    b"x" * 254,
    b"x" * 254 + b"\0",
    b"x" * 255,
    b"\0" + b"x" * 254 + b"y\0z",
    b"\xff" * 300,
]


def random_bodies(seed, count):
    rng = random.Random(seed)
    print("seed", seed)
    return [
        bytes(rng.choice([0, 0, 1, 255, rng.randrange(256)]) for _ in range(rng.randrange(40)))
        for _ in range(count)
    ]


def decode(chunks, seed=None):
    """Return the frames found in raw bytes; a malformed one is None."""
    dut = COBSDecoder()
    frames, current = [], bytearray()
    rng = random.Random(seed)

    async def drive(ctx):
        for byte in chunks:
            ctx.set(dut.bytes.payload, byte)
            ctx.set(dut.bytes.valid, 1)
            await ctx.tick()
            ctx.set(dut.bytes.valid, 0)
            if seed is not None:
                await pause(ctx, rng, 3)
        await wait(ctx, 3)

    async def watch(ctx):
        nonlocal current
        while True:
            *_, valid, item, malformed = await ctx.tick().sample(
                dut.frames.valid, dut.frames.payload, dut.malformed
            )
            if valid and item.end:
                frames.append(None if malformed else bytes(current))
                current = bytearray()
            elif valid:
                current.append(item.data)

    simulate(dut, drive, background=[watch])
    return frames


@pytest.mark.parametrize("seed", [None, 1])
def test_decoder_agrees_with_the_package(seed):
    bodies = EDGE_CASES + random_bodies(2, 40)
    encoded = b"".join(cobs.encode(body) + b"\0" for body in bodies)
    assert decode(encoded, seed) == bodies


def test_decoder_after_garbage():
    good = cobs.encode(b"good\0one") + b"\0"
    assert decode(b"\x05ab\0" + good) == [None, b"good\0one"]
    assert decode(b"\0\0" + good) == [b"", b"", b"good\0one"]
    assert decode(b"\xffabc\0" + good + b"\x03a") == [None, b"good\0one"]


def encode(bodies, seed, free_after=0):
    """Encode frames into a ring that is freed frame by frame; return them as read there."""
    dut = COBSEncoder()
    ring = bytearray(BUFFER_BYTES)
    frames = []
    rng = random.Random(seed)

    async def drive(ctx):
        for body in bodies:
            for byte in body:
                await pause(ctx, rng, 3)
                await put(ctx, dut.frames, {"data": byte, "end": 0})
            await put(ctx, dut.frames, {"data": 0xEE, "end": 1})

    async def memory(ctx):
        while True:
            *_, write, address, data = await ctx.tick().sample(dut.write, dut.address, dut.data)
            if write:
                ring[address] = data

    async def consume(ctx):
        tail = 0
        for _ in [b"the lone delimiter", *bodies]:
            if rng.random() < 0.3:
                await wait(ctx, free_after + 1)
            while ctx.get(dut.committed) == tail:
                await ctx.tick()
            frame = bytearray()
            while True:
                assert tail != ctx.get(dut.committed), "a frame without its delimiter"
                byte = ring[tail]
                tail = (tail + 1) % BUFFER_BYTES
                if byte == 0:
                    break
                frame.append(byte)
            frames.append(bytes(frame))
            ctx.set(dut.tail, tail)

    simulate(dut, drive, consume, background=[memory])
    assert frames[0] == b"", "a lone delimiter comes first"
    return frames[1:]


@pytest.mark.parametrize("seed", [1, 2])
def test_encoder_agrees_with_the_package(seed):
    bodies = EDGE_CASES + random_bodies(seed, 40)
    decoded = [cobs.decode(frame) for frame in encode(bodies, seed)]
    assert decoded == bodies


def test_encoder_waits_for_room():
    """Frames that fill the ring several times over, freed late."""
    bodies = [bytes([n]) * 200 for n in range(12)]
    assert encode(bodies, 3, free_after=2000) == [cobs.encode(body) for body in bodies]


def test_frame_that_fills_the_ring_to_the_last_byte_waits():
    dut = COBSEncoder()

    async def drive(ctx):
        # A delimiter, 200 bytes and two more, 306 bytes and three more: the whole ring.
        for body in (b"a" * 200, b"b" * 306):
            for byte in body:
                await put(ctx, dut.frames, {"data": byte, "end": 0})
            await put(ctx, dut.frames, {"data": 0, "end": 1})
        await wait(ctx, 20)
        assert ctx.get(dut.committed) == 203
        ctx.set(dut.tail, 1)
        await wait(ctx, 5)
        assert ctx.get(dut.committed) == 0  # round the ring

    simulate(dut, drive)
