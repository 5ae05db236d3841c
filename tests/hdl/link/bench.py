"""What the link's tests share: frames as the protocol defines them, clocked testbenches.

Written against the protocol's text and not against the driver, so that the two check each other.
"""

import random
from binascii import crc_hqx
from collections.abc import Callable, Iterable
from typing import Any

from amaranth.hdl import Const, Elaboratable
from amaranth.sim import Simulator
from cobs import cobs

#: Nothing here takes longer; a testbench that waits for ever ends here.
MAX_CYCLES = 200_000


def frame(body: bytes) -> bytes:
    """Return `body` with its CRC, encoded, with the delimiter."""
    raw = body + crc_hqx(body, 0xFFFF).to_bytes(2, "little")
    return cobs.encode(raw) + b"\0"


def request(sequence: int, code: int, payload: bytes = b"", acknowledge: int = 0) -> bytes:
    """Return a request as it goes over the wire."""
    return frame(bytes([sequence & 0xFF, acknowledge & 0xFF, code]) + payload)


def unframe(data: bytes) -> list[bytes]:
    """Return the bodies of whole frames, CRC checked and removed; empty frames are ignored."""
    assert not data or data[-1] == 0, "the last frame is cut off"
    bodies = []
    for encoded in data.split(b"\0"):
        if encoded:
            raw = cobs.decode(encoded)
            assert crc_hqx(raw[:-2], 0xFFFF) == int.from_bytes(raw[-2:], "little")
            bodies.append(raw[:-2])
    return bodies


def simulate(
    component: Elaboratable, *benches: Callable[..., Any], background: Iterable[Any] = ()
) -> None:
    """Run testbenches on a component until all of `benches` are done."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    for process in background:
        simulator.add_testbench(process, background=True)
    for bench in benches:
        simulator.add_testbench(bench)

    async def watchdog(ctx: Any) -> None:
        await ctx.delay(MAX_CYCLES * 1e-6)
        raise AssertionError(f"not done after {MAX_CYCLES} cycles")

    simulator.add_testbench(watchdog, background=True)
    simulator.run()


# Only single ticks are awaited here: Amaranth's `repeat()` and `until()` leave an asynchronous
# generator behind when a background testbench ends in the middle of one, and CPython 3.11
# then reports errors far away from it.


async def wait(ctx: Any, cycles: int) -> None:
    """Wait for a number of cycles."""
    for _ in range(cycles):
        await ctx.tick()


async def put(ctx: Any, stream: Any, payload: Any) -> None:
    """Offer a payload until it is taken."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    ready = False
    while not ready:
        *_, ready = await ctx.tick().sample(stream.ready)
    ctx.set(stream.valid, 0)


async def get(ctx: Any, stream: Any) -> Any:
    """Take a payload."""
    always_ready = isinstance(stream.ready, Const)
    if not always_ready:
        ctx.set(stream.ready, 1)
    valid = False
    while not valid:
        *_, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
    if not always_ready:
        ctx.set(stream.ready, 0)
    return payload


async def pause(ctx: Any, rng: random.Random, longest: int) -> None:
    """Wait for up to `longest` cycles, often for none."""
    await wait(ctx, rng.choice([0, 0, rng.randint(0, longest)]))
