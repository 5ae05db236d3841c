"""The UART: bytes over a line, at both ends of the tolerated baud rate."""

import random

import pytest
from amaranth.hdl import Module

from hdl.link.uart import MIN_DIVISOR, QUIET_LOG2, UARTReceiver, UARTTransmitter, divisor
from tests.hdl.link.bench import get, put, simulate, wait

TEXT = bytes([0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x7E])


def receive(edges, divisor_=16, quiet_log2=QUIET_LOG2):
    """Feed line levels, each for a (fractional) number of cycles; return bytes and errors."""
    dut = UARTReceiver(divisor_, quiet_log2)
    received, errors = [], 0

    async def drive(ctx):
        time = 0.0
        now = 0
        for level, cycles in edges:
            ctx.set(dut.rx, level)
            time += cycles
            if round(time) > now:
                await wait(ctx, round(time) - now)
                now = round(time)
        await wait(ctx, 4 * divisor_)

    async def watch(ctx):
        nonlocal errors
        while True:
            *_, valid, byte, error = await ctx.tick().sample(
                dut.bytes.valid, dut.bytes.payload, dut.framing_error
            )
            if valid:
                received.append(byte)
            errors += error

    simulate(dut, drive, background=[watch])
    return bytes(received), errors


def levels(data, cycles):
    """Return the line's levels for bytes sent without a pause."""
    return [(bit, cycles) for byte in data for bit in [0, *((byte >> i) & 1 for i in range(8)), 1]]


@pytest.mark.parametrize("error", [-0.025, 0.0, 0.025])
@pytest.mark.parametrize("bit", [16, 101])
def test_receiver_bears_baud_error(bit, error):
    data = TEXT * 2 if bit == 16 else TEXT
    assert receive([(1, 3), *levels(data, bit * (1 + error)), (1, bit)], bit) == (data, 0)


@pytest.mark.parametrize("error", [-0.01, -0.004, 0.0, 0.004, 0.01])
def test_receiver_at_the_smallest_divisor(error):
    """An edge may be seen a cycle early or late; there is hardly time between two bytes."""
    data = TEXT * 4
    edges = [(1, 9), *levels(data, MIN_DIVISOR * (1 + error)), (1, 9)]
    assert receive(edges, MIN_DIVISOR) == (data, 0)


def test_glitch_is_not_a_start_bit():
    assert receive([(1, 20), (0, 5), (1, 40), *levels(b"a", 16)]) == (b"a", 0)


def test_missing_stop_bit_drops_the_byte_and_recovers():
    broken = levels(b"x", 16)[:-1] + [(0, 16)]
    assert receive([*broken, (0, 100), (1, 50), *levels(b"ok", 16)]) == (b"ok", 1)


@pytest.mark.parametrize("cycles", [MIN_DIVISOR, 16])
def test_loop_without_pauses(cycles):
    transmitter, receiver = UARTTransmitter(cycles), UARTReceiver(cycles)
    data = TEXT + random.Random(1).randbytes(50)
    received = []
    spent = 0

    m = Module()
    m.submodules.transmitter, m.submodules.receiver = transmitter, receiver
    m.d.comb += receiver.rx.eq(transmitter.tx)

    async def send(ctx):
        nonlocal spent
        for byte in data:
            await put(ctx, transmitter.bytes, byte)

    async def watch(ctx):
        nonlocal spent
        for _ in data:
            received.append(await get(ctx, receiver.bytes))

    async def count(ctx):
        nonlocal spent
        while len(received) < len(data):
            await ctx.tick()
            spent += 1

    simulate(m, send, watch, count)
    assert bytes(received) == data
    assert spent <= (len(data) * 10 + 2) * cycles, "a byte takes ten bits"


def test_divisor():
    assert divisor(48_000_000, 3_000_000) == 16
    with pytest.raises(ValueError, match="at least 48000000 Hz"):
        divisor(20_000_000, 12_000_000)
    with pytest.raises(ValueError, match="off by"):
        divisor(48_000_000, 5_000_000)
    with pytest.raises(ValueError, match="'divisor' must be at least 4, not 3"):
        UARTReceiver(3)
    with pytest.raises(ValueError, match="positive"):
        divisor(0, 1)


def test_watchdog_delivers_one_zero_after_a_quiet_line():
    """And what comes then, even in the very same cycle, is heard whole."""
    bit, quiet_log2 = 16, 9
    seen = set()
    # Silence counts from the middle of the stop bit.
    for gap in (bit, 400, *range(496, 516), 1500, 4000):
        edges = [(1, 3), *levels(b"\x55", bit), (1, gap), *levels(TEXT, bit), (1, bit)]
        got, errors = receive(edges, bit, quiet_log2)
        zeros = got[1 : -len(TEXT)]
        assert got == b"\x55" + zeros + TEXT and not errors, gap
        if gap <= 400 or gap >= 1500:
            assert zeros == bytes(gap >= 1500), gap
        seen.add(zeros)
    assert seen == {b"", b"\0"}
