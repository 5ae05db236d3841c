"""The flash reader against a model of the flash, alone and in the link."""

import random
import zlib
from dataclasses import dataclass

import pytest

from hdl.core.parameters import EngineParameters
from hdl.link.flash import BIT_CYCLES, FlashReader
from hdl.link.link import Link
from host.flash import network_frames
from models.protocol import Command, DeviceFlags
from tests.hdl.link.bench import request, simulate, unframe, wait
from tests.hdl.link.engine_model import EngineModel
from tests.hdl.link.flash_model import FlashModel

OFFSET = 0x02A5C3
DIVISOR = 4  # of the UART


def read(image, valid_after=None, late=2, most_bytes_log2=9):
    """Return what was read of `image`, and the reader's report at the end."""
    dut = FlashReader(OFFSET, most_bytes_log2)
    flash = FlashModel(dict(enumerate(image, OFFSET)), late)
    got: list[int] = []
    report = {}

    async def bench(ctx):
        for cycle in range((1 << most_bytes_log2) * 8 * BIT_CYCLES + 10):
            report["cycles"] = cycle
            pins = ctx.get(dut.pins.selected), ctx.get(dut.pins.sck), ctx.get(dut.pins.copi)
            ctx.set(dut.pins.cipo, flash.tick(*pins))
            if ctx.get(dut.bytes.valid):
                got.append(ctx.get(dut.bytes.payload))
                ctx.set(dut.network_valid, valid_after is not None and len(got) >= valid_after)
            await ctx.tick()
            if not ctx.get(dut.busy):
                break
        report.update(
            busy=ctx.get(dut.busy),
            loaded=ctx.get(dut.loaded),
            failed=ctx.get(dut.failed),
        )
        await ctx.tick()
        assert not ctx.get(dut.pins.selected), "the flash is left alone at the end"

    simulate(dut, bench)
    return bytes(got), report, flash


@pytest.mark.parametrize("late", [1, 3, BIT_CYCLES // 2 - 2])
def test_bytes_until_a_frame_begins_with_the_end(late):
    rng = random.Random(late)
    # The end's value within a frame is not the end.
    image = b"\0" + bytes(rng.randrange(1, 256) for _ in range(40)) + b"\xff\0\0\x01\xff\0\0"
    got, report, flash = read(image + b"\xff" + b"more", valid_after=len(image) - 1, late=late)
    assert got == image
    assert (report["busy"], report["loaded"], report["failed"]) == (0, 1, 0)
    assert flash.commands == [0xAB, 0x03]
    assert flash.awake_at is not None


def test_an_image_after_which_there_is_no_network_is_reported():
    got, report, _ = read(b"\0\x01\0\xff")
    assert got == b"\0\x01\0"
    assert (report["busy"], report["loaded"], report["failed"]) == (0, 0, 1)


def test_an_erased_flash_is_neither_good_nor_bad():
    got, report, _ = read(b"", valid_after=0)
    assert got == b""
    assert (report["busy"], report["loaded"], report["failed"]) == (0, 0, 0)


def test_a_flash_that_never_ends_is_left_after_a_while():
    got, report, _ = read(bytes(10_000), most_bytes_log2=6)
    assert 0 < len(got) <= 64 - 32 + 1 and not any(got)
    assert (report["busy"], report["failed"]) == (0, 1)
    assert report["cycles"] <= 64 * 8 * BIT_CYCLES + 3


@dataclass
class SomeWords:
    """As much of a `models.image.Image` as a load needs."""

    words: tuple[int, ...]
    word_bytes: int

    def to_bytes(self):
        return b"".join(word.to_bytes(self.word_bytes, "little") for word in self.words)

    @property
    def crc32(self):
        return zlib.crc32(self.to_bytes())


WORDS = SomeWords(tuple(0x1122334455667700 + n * 0x0101 for n in range(31)), 8)


def power_up(contents, early=b""):
    """Return the engine model and the flags that IDENTIFY answers after the flash has been read.

    `early` is sent on the UART while it is read.
    """
    link = Link(EngineParameters(lanes=16), DIVISOR * 1_000_000, 1_000_000, OFFSET)
    engine = EngineModel(link.engine)
    engine.valid, engine.image_words = False, len(WORDS.words)
    flash = FlashModel(dict(enumerate(contents, OFFSET)))
    received = bytearray()

    async def flash_pins(ctx):
        pins = link.flash
        while True:
            sampled = ctx.get(pins.selected), ctx.get(pins.sck), ctx.get(pins.copi)
            ctx.set(pins.cipo, flash.tick(*sampled))
            await ctx.tick()

    async def send(ctx, data):
        for byte in data:
            for level in (0, *(byte >> n & 1 for n in range(8)), 1):
                ctx.set(link.rx, level)
                await wait(ctx, DIVISOR)

    async def receive(ctx):
        while True:
            while ctx.get(link.tx):
                await ctx.tick()
            await wait(ctx, DIVISOR + DIVISOR // 2)
            byte = 0
            for n in range(8):
                byte |= ctx.get(link.tx) << n
                await wait(ctx, DIVISOR)
            received.append(byte)

    async def bench(ctx):
        ctx.set(link.rx, 1)
        # Well within what is read.
        await wait(ctx, 60 * 8 * BIT_CYCLES)
        await send(ctx, early)
        rest = max(0, len(contents) + 1 - 28)
        await wait(ctx, rest * 8 * BIT_CYCLES - 10 * DIVISOR * len(early))
        received.clear()
        await send(ctx, b"\0" + request(77, Command.SYNC, b"ab"))
        await send(ctx, request(78, Command.IDENTIFY, acknowledge=78))
        await wait(ctx, 4000)

    simulate(link, bench, background=[*engine.processes, flash_pins, receive])
    sync, identity = unframe(bytes(received))
    assert sync[0] == 77 and identity[0] == 78
    return engine, DeviceFlags(identity[3 + 24])


def stored(engine):
    return tuple(engine.store.get(n) for n in range(len(WORDS.words)))


def test_a_network_in_the_flash_is_loaded_at_power_up():
    """Whatever the host sends at the same time."""
    engine, flags = power_up(network_frames(WORDS), early=request(9, Command.SYNC, b"xy"))
    assert stored(engine) == WORDS.words
    assert engine.log.count(("CONFIGURE",)) == 1 and engine.valid
    assert DeviceFlags.FLASH_LOADED | DeviceFlags.NETWORK_VALID in flags
    assert DeviceFlags.FLASH_FAILED not in flags


def test_a_damaged_network_in_the_flash_is_not_taken_and_reported():
    good = network_frames(WORDS)
    damaged = bytearray(good)
    damaged[random.Random(2).randrange(20, good.index(bytes(16)))] ^= 0x10
    engine, flags = power_up(bytes(damaged))
    assert ("CONFIGURE",) not in engine.log
    assert flags & ~DeviceFlags.SPRAM == DeviceFlags.FLASH_FAILED


def test_an_engine_refuses_what_its_flash_holds():
    """Whole frames, but of fewer words than the header in the store says."""
    engine, flags = power_up(network_frames(SomeWords(WORDS.words[:-1], 8)))
    assert ("CONFIGURE",) not in engine.log
    assert DeviceFlags.FLASH_FAILED in flags and DeviceFlags.NETWORK_VALID not in flags


def test_an_erased_flash_leaves_the_link_to_the_host():
    engine, flags = power_up(b"")
    assert not engine.store
    assert not flags & (DeviceFlags.FLASH_LOADED | DeviceFlags.FLASH_FAILED)
