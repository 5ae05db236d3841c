"""The link on its pins: frames in, frames out, with damage, losses and repetitions."""

import random
import struct
from binascii import crc_hqx

import cocotb
import pytest
from cobs import cobs
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout

from models.protocol import PROTOCOL_VERSION, Command, Status
from sim.benches import PERIOD_NS, data
from sim.benches.wires import Line, start


class Host:
    """Speaks the protocol as its text says; the engine behind the link has nothing to count."""

    def __init__(self, dut, divisor):
        self.dut = dut
        self.line = Line(dut, divisor)
        self.halves = [0] * 256
        self.next = 0
        self.updates = 0  # how often the engine was asked to bring its counters up to date
        cocotb.start_soon(self._memory())
        cocotb.start_soon(self._engine())

    async def _engine(self):
        """Take commands after a while, and be busy for a while with each."""
        dut = self.dut
        first, width = data()["operation"]
        while True:
            await RisingEdge(dut.clk)
            if dut.engine__command__valid.value == 1:
                command = int(dut.engine__command__payload.value)
                assert command >> first & (1 << width) - 1 == data()["tally"]
                await ClockCycles(dut.clk, random.randrange(5))
                dut.engine__command__ready.value = 1
                await RisingEdge(dut.clk)
                dut.engine__command__ready.value = 0
                dut.engine__busy.value = 1
                self.updates += 1
                await ClockCycles(dut.clk, random.randrange(1, 200))
                dut.engine__busy.value = 0

    async def _memory(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            address = int(dut.engine__score_address.value)
            dut.engine__score_data.value = self.halves[address]
            if dut.engine__score_write.value == 1:
                self.halves[address] = int(dut.engine__score_write_data.value)

    @staticmethod
    def encode(sequence, code, payload=b"", acknowledge=0):
        body = bytes([sequence % 256, acknowledge % 256, code]) + payload
        return cobs.encode(body + crc_hqx(body, 0xFFFF).to_bytes(2, "little")) + b"\0"

    async def response(self):
        """Return (sequence, status, code, payload) of the next response."""
        frame = await with_timeout(self.line.frame(), 200_000 * PERIOD_NS, "ns")
        raw = cobs.decode(frame)
        assert crc_hqx(raw[:-2], 0xFFFF) == int.from_bytes(raw[-2:], "little")
        return raw[0], Status(raw[1]), raw[2], raw[3:-2]

    async def sync(self, sequence=200):
        await self.line.send(b"\0" + self.encode(sequence, Command.SYNC, b"\x12\x34"))
        expected = (sequence, Status.OK, Command.SYNC, bytes([0x12, 0x34, PROTOCOL_VERSION]))
        assert await self.response() == expected
        self.next = sequence + 1


async def begin(dut):
    inputs = (
        "command__ready", "busy", "network_valid", "inputs_count", "outputs_count", "mode",
        "label", "image_words", "crc32", "score_data", "state_data", "inputs__ready",
    )  # fmt: skip
    await start(dut, rx=1, **{f"engine__{name}": 0 for name in inputs})
    host = Host(dut, data()["divisor"])
    await host.sync()
    return host


def counters(payload):
    return dict(
        zip(
            ("cycles", "steps", "events", "errors", "requests"),
            struct.unpack("<QQQII", payload[:32]),
            strict=True,
        )
    )


@cocotb.test()
async def requests_at_both_ends_of_the_baud_rate(dut):
    host = await begin(dut)
    for error in data()["errors"]:
        sequence = host.next
        await host.line.send(host.encode(sequence, 77, b"payload\0" * 20, sequence), error)
        expected = (sequence % 256, Status.UNKNOWN_COMMAND, 77, b"")
        assert await host.response() == expected
        host.next += 1


@cocotb.test()
async def a_burst_is_answered_in_order(dut):
    """More answers than the ring of answers holds, until some are acknowledged."""
    host = await begin(dut)
    first = host.next
    burst = [host.encode(first + n, Command.COUNTERS, acknowledge=first) for n in range(8)]
    await host.line.send(b"".join(burst))
    for n in range(9):
        if n == 7:
            with pytest.raises(SimTimeoutError):
                await with_timeout(host.line.frame(), 20_000 * PERIOD_NS, "ns")
            await host.line.send(host.encode(first + 8, Command.COUNTERS, acknowledge=first + n))
        sequence, status, _, payload = await host.response()
        assert (sequence, status) == ((first + n) % 256, Status.OK)
        # SYNC and n requests before this one.
        assert counters(payload)["requests"] == 1 + n
    assert host.updates == 9


@cocotb.test()
async def damaged_frames_are_counted_and_dropped(dut):
    host = await begin(dut)
    good = host.encode(host.next, Command.COUNTERS, acknowledge=host.next)
    for _ in range(5):
        damaged = bytearray(good)
        damaged[random.randrange(1, len(good) - 2)] ^= 1 << random.randrange(8)
        await host.line.send(bytes(damaged).rstrip(b"\0").replace(b"\0", b"\1") + b"\0")
        await ClockCycles(dut.clk, 500)
    await host.line.send(good)
    _, status, _, payload = await host.response()
    assert status == Status.OK
    assert counters(payload)["errors"] == 5


@cocotb.test()
async def a_repeated_request_gets_its_answer_again_and_is_not_carried_out(dut):
    host = await begin(dut)
    sequence = host.next
    first = host.encode(sequence, Command.COUNTERS, acknowledge=sequence)
    await host.line.send(first)
    answer = await host.response()
    await host.line.send(first)
    assert await host.response() == answer
    await host.line.send(host.encode(sequence + 1, Command.COUNTERS, acknowledge=sequence + 1))
    sequence_2, _, _, payload = await host.response()
    assert sequence_2 == (sequence + 1) % 256
    assert counters(payload)["requests"] == 2, "SYNC and one request"


@cocotb.test()
async def sync_in_the_middle_of_things(dut):
    host = await begin(dut)
    first = host.next
    for n in range(4):
        await host.line.send(host.encode(first + n, Command.COUNTERS, acknowledge=first))
    await host.line.send(host.encode(9, Command.SYNC, b"zz"))
    while True:
        frame = await host.line.frame()
        # The answer that SYNC cut off comes as a damaged frame.
        try:
            raw = cobs.decode(frame)
        except cobs.DecodeError:
            continue
        if raw[0] == 9 and crc_hqx(raw[:-2], 0xFFFF) == int.from_bytes(raw[-2:], "little"):
            break
    await host.line.send(host.encode(10, Command.COUNTERS, acknowledge=10))
    sequence, status, _, _ = await host.response()
    assert (sequence, status) == (10, Status.OK)
