"""Commands: requests in, engine driven, responses out."""

import random
import struct

import pytest

from hdl.core.parameters import EngineParameters
from hdl.core.readout import COUNTERS
from hdl.core.signatures import Mode
from hdl.link.commands import CommandUnit
from models.protocol import PROTOCOL_VERSION, Command, DeviceFlags, Region, Status, StepFlags
from models.word_format import PLAIN, WordFormat
from tests.hdl.link.bench import get, pause, put, simulate, wait
from tests.hdl.link.engine_model import STATES, EngineModel

CLOCK = 48_000_000


class Bench:
    """Sends requests as the receiver stores them; collects the responses.

    A request is (code, payload), or a function that is called with the engine model.
    """

    def __init__(self, requests, lanes=16, weights="bram", seed=0, errors=0, form=PLAIN, **network):
        parameters = EngineParameters(
            lanes=lanes,
            weights=weights,
            store_words=16384 if weights == "spram" else 1000,
            events=form.events,
            packed=form.packed,
        )
        self.dut = CommandUnit(parameters, CLOCK)
        self.engine = EngineModel(self.dut.engine, seed=seed, **network)
        self.rng = random.Random(seed)
        self.requests = requests
        self.responses = []
        self.errors = errors
        simulate(self.dut, self._run, background=[*self.engine.processes, self._feed, self._errors])

    async def _feed(self, ctx):
        self.queue = bytearray()
        while True:
            if self.queue:
                await put(ctx, self.dut.requests, self.queue.pop(0))
            else:
                await ctx.tick()

    async def _errors(self, ctx):
        while True:
            ctx.set(self.dut.link_errors, self.errors)
            *_, counted = await ctx.tick().sample(self.dut.error_counted)
            self.errors -= counted

    async def _run(self, ctx):
        await wait(ctx, 3)
        sequence = 0
        for request in self.requests:
            if callable(request):
                request(self.engine)
                self.engine._report(ctx)
                continue
            code, payload = request
            length = (len(payload) - 1) % 1024
            self.queue += length.to_bytes(2, "little") + bytes([sequence % 256, code]) + payload
            response = bytearray()
            while True:
                await pause(ctx, self.rng, 8)
                item = await get(ctx, self.dut.responses)
                if item.end:
                    break
                response.append(item.data)
            assert response[0] == sequence % 256
            assert response[2] == code
            self.responses.append((Status(response[1]), bytes(response[3:])))
            sequence += 1
        await wait(ctx, 200)
        assert not self.queue


def steps(flags, rows):
    return (Command.STEPS, bytes([flags]) + b"".join(bytes(x & 0xFF for x in r) for r in rows))


def rows(count, inputs=4, seed=1):
    rng = random.Random(seed)
    return [[rng.randint(-127, 127) for _ in range(inputs)] for _ in range(count)]


def record(engine_total, cycles, outputs=3):
    scores = [engine_total + n for n in range(outputs)]
    return struct.pack(f"<HI{outputs}i", engine_total % outputs, cycles, *scores)


def test_sync_tells_nonce_and_version():
    bench = Bench([(Command.SYNC, b"\x12\x34")])
    assert bench.responses == [(Status.OK, bytes([0x12, 0x34, PROTOCOL_VERSION]))]
    assert bench.engine.log == []


@pytest.mark.parametrize("weights", ["bram", "spram"])
def test_identify(weights):
    bench = Bench([(Command.IDENTIFY, b"")], weights=weights, lanes=16)
    ((status, payload),) = bench.responses
    words = {"bram": 1000, "spram": 16384}[weights]
    capacity = bench.dut.parameters.capacity
    sizes = (capacity.accumulator_words, capacity.state_units, capacity.input_size)
    flags = DeviceFlags.NETWORK_VALID | (DeviceFlags.SPRAM if weights == "spram" else 0)
    assert status == Status.OK
    assert payload == struct.pack(
        "<BBBBIHHHHHHIBII", PROTOCOL_VERSION, 16, 5, 8, words, *sizes, capacity.outputs,
        511, 511, 48000, flags, bench.engine.image_words, bench.engine.crc(),
    )  # fmt: skip
    assert bench.engine.log == [("CHECK",)]


@pytest.mark.parametrize(
    "form, size, flags",
    [
        (WordFormat(packed=True), 8, DeviceFlags.PACKED),
        (WordFormat(events=1), 6, DeviceFlags.ONE_EVENT),
        (WordFormat(1, True), 6, DeviceFlags.PACKED | DeviceFlags.ONE_EVENT),
    ],
)
def test_identify_tells_how_words_hold_weights(form, size, flags):
    bench = Bench([(Command.IDENTIFY, b"")], weights="spram", lanes=20, form=form)
    ((status, payload),) = bench.responses
    assert status == Status.OK
    assert payload[1:4] == bytes([20, 5, size])
    assert payload[24] == flags | DeviceFlags.NETWORK_VALID | DeviceFlags.SPRAM


def test_identify_without_network_tells_zeroes_and_checks_nothing():
    def no_network(engine):
        engine.valid = False

    bench = Bench([no_network, (Command.IDENTIFY, b"")])
    ((status, payload),) = bench.responses
    assert payload[-9:] == bytes(9)
    assert bench.engine.log == []


@pytest.mark.parametrize("lanes", [12, 16, 20, 24])
def test_write_and_activate(lanes):
    parameters = EngineParameters(lanes=lanes)
    rng = random.Random(lanes)
    words = [rng.getrandbits(4 * lanes) for _ in range(5)]
    data = b"".join(word.to_bytes(parameters.word_bytes, "little") for word in words)
    half = 2 * parameters.word_bytes
    bench_words = {700 + n: word for n, word in enumerate(words)}
    seen = []

    def look(engine):
        seen.append(engine.valid)
        engine.store = {n: engine.store[700 + n] for n in range(5)}

    requests = [
        (Command.WRITE, struct.pack("<H", 700) + data[:half]),
        (Command.WRITE, struct.pack("<H", 702) + data[half:]),
        look,
        (Command.IDENTIFY, b""),
    ]
    bench = Bench(requests, lanes=lanes)
    assert seen == [False], "a write invalidates the network"
    assert bench.engine.store == {n - 700: word for n, word in bench_words.items()}
    crc = bench.engine.crc()
    activate = (Command.ACTIVATE, struct.pack("<HI", 5, crc))
    bench = Bench([*requests[:3], activate, (Command.RESET, b"")], lanes=lanes)
    assert bench.responses[2:] == [(Status.OK, struct.pack("<I", crc)), (Status.OK, b"")]
    assert bench.engine.log == [("CHECK",), ("CONFIGURE",), ("RESET",)]
    assert bench.engine.valid


@pytest.mark.parametrize("words, flip", [(6, 0), (5 + 256, 0), (5, 1), (5, 1 << 31)])
def test_activate_refuses_a_wrong_size_or_checksum(words, flip):
    crc = Bench([]).engine.crc()
    request = (Command.ACTIVATE, struct.pack("<HI", words, crc ^ flip))
    bench = Bench([request, (Command.RESET, b"")])
    assert bench.responses == [
        (Status.BAD_NETWORK, struct.pack("<I", crc)),
        (Status.NO_NETWORK, b""),
    ]
    assert bench.engine.log == [("CHECK",)]
    assert not bench.engine.valid


def test_activate_refuses_a_wrong_header():
    def wrong(engine):
        engine.acceptable = False

    crc = Bench([]).engine.crc()
    bench = Bench([wrong, (Command.ACTIVATE, struct.pack("<HI", 5, crc))])
    assert bench.responses == [(Status.BAD_NETWORK, struct.pack("<I", crc))]
    assert bench.engine.log == [("CHECK",), ("CONFIGURE",)]


@pytest.mark.parametrize("count, inputs", [(1, 4), (5, 4), (3, 1), (1, 257), (7, 37)])
def test_steps_without_an_answer(count, inputs):
    data = rows(count, inputs)
    bench = Bench([steps(0, data)], inputs=inputs)
    assert bench.engine.log == [("STEP", 0, row) for row in data]
    cycles = bench.engine.counter(0)
    assert bench.responses == [(Status.OK, struct.pack("<I", cycles))]
    assert bench.engine.worst_bubble <= 2
    assert bench.engine.counter(2) == count, "steps are counted"


def test_first_resets_and_last_answers():
    data = rows(4)
    flags = StepFlags.FIRST | StepFlags.LAST
    bench = Bench([steps(flags, data[:3]), steps(0, data[3:])])
    expected = [("RESET",), *(("STEP", n == 2, row) for n, row in enumerate(data[:3]))]
    assert bench.engine.log == [*expected, ("STEP", 0, data[3])]
    total = sum(map(sum, data[:3]))
    cycles = 10 + sum(100 + n for n in (1, 2, 3))
    answer = record(total, cycles) + struct.pack("<I", cycles)
    assert bench.responses[0] == (Status.OK, answer)


@pytest.mark.parametrize(
    "mode, flags", [(Mode.EVERY, 0), (Mode.LAST, StepFlags.READOUT_ALL), (Mode.SUM, 8 | 2)]
)
@pytest.mark.parametrize("outputs", [1, 3, 10])
def test_an_answer_at_every_step(mode, flags, outputs):
    data = rows(3)
    bench = Bench([steps(flags, data)], mode=mode, outputs=outputs)
    answer, total, cycles = b"", 0, 0
    for number, row in enumerate(data):
        total += sum(row)
        cycles += 100 + number
        answer += record(total, cycles, outputs)
    assert bench.responses == [(Status.OK, answer + struct.pack("<I", cycles))]
    assert [entry[1] for entry in bench.engine.log] == [1, 1, 1]


def test_label_only():
    data = rows(2)
    flags = StepFlags.LABEL_ONLY | StepFlags.READOUT_ALL
    bench = Bench([steps(flags, data)])
    totals = [sum(data[0]), sum(data[0]) + sum(data[1])]
    answer = struct.pack("<HIHII", totals[0] % 3, 100, totals[1] % 3, 201, 201)
    assert bench.responses == [(Status.OK, answer)]


@pytest.mark.parametrize("length", [0, 1, 4, 6, 8, 258, 299])
def test_steps_of_a_wrong_length_do_nothing(length):
    bench = Bench([(Command.STEPS, bytes(length)), (Command.STEPS, bytes(5))])
    assert bench.responses[0] == (Status.BAD_LENGTH, b"")
    assert bench.responses[1][0] == Status.OK
    assert len(bench.engine.log) == 1


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_steps_of_a_network_without_inputs_are_refused(length):
    """An image can say so; ACTIVATE looks at no more than its first word."""
    bench = Bench([(Command.STEPS, bytes(length)), (Command.RESET, b"")], inputs=0)
    assert bench.responses == [(Status.BAD_LENGTH, b""), (Status.OK, b"")]
    assert bench.engine.log == [("RESET",)]


def test_without_network():
    def no_network(engine):
        engine.valid = False

    refused = [
        (Command.STEPS, bytes(5)),
        (Command.RESET, b""),
        (Command.REPLAY, b""),
        (Command.READ_STATE, bytes(4)),
        (Command.WRITE_STATE, bytes(4)),
    ]
    bench = Bench([no_network, *refused, (Command.COUNTERS, b"")])
    assert [status for status, _ in bench.responses] == [Status.NO_NETWORK] * 5 + [Status.OK]
    assert bench.engine.log == []


@pytest.mark.parametrize("code, right", [(0, 2), (1, 0), (3, 6), (5, 0), (6, 4), (8, 0), (9, 0)])
def test_every_bit_of_a_length_counts(code, right):
    wrong = [length for length in range(0, 16, 2) if length != right]
    bench = Bench([(code, bytes(length)) for length in wrong])
    assert bench.responses == [(Status.BAD_LENGTH, b"")] * len(wrong)


def test_unknown_commands_and_wrong_lengths():
    requests = [(10, b""), (255, b"some payload"), (16, bytes(2))]
    requests += [(code, bytes(3)) for code in (0, 1, 3, 5, 6, 8, 9)]
    requests += [(Command.WRITE, bytes(n)) for n in (0, 1, 2, 2 + 4, 2 + 9)]
    requests += [(Command.WRITE_STATE, bytes(n)) for n in (0, 1, 2)]
    requests += [(Command.IDENTIFY, bytes(256)), (Command.SYNC, b""), (Command.ACTIVATE, b"")]
    bench = Bench(requests)
    statuses = [status for status, _ in bench.responses]
    assert statuses == [Status.UNKNOWN_COMMAND] * 3 + [Status.BAD_LENGTH] * 18
    assert all(payload == b"" for _, payload in bench.responses)
    assert bench.engine.log == []


def test_state_of_units():
    rng = random.Random(4)
    data = rng.randbytes(200)
    bench = Bench([
        (Command.WRITE_STATE, struct.pack("<BH", Region.HIDDEN, 30) + data),
        (Command.READ_STATE, struct.pack("<BHB", Region.HIDDEN, 20, 220)),
        (Command.READ_STATE, struct.pack("<BHB", Region.HIDDEN, 40, 1)),
        (Command.READ_STATE, struct.pack("<BHB", Region.HIDDEN, 0, 0)),
    ])  # fmt: skip
    assert bench.engine.states == [0] * 30 + list(data) + [0] * (STATES - 230)
    assert bench.responses == [
        (Status.OK, b""),
        (Status.OK, bytes(10) + data + bytes(10)),
        (Status.OK, data[10:11]),
        (Status.OK, b""),
    ]


def test_state_of_scores():
    values = [-(1 << 31), (1 << 31) - 1, 0x12345678, -2]
    data = struct.pack("<4i", *values)
    bench = Bench([
        (Command.WRITE_STATE, struct.pack("<BH", Region.SCORES, 7) + data),
        (Command.READ_STATE, struct.pack("<BHB", Region.SCORES, 6, 6)),
        (Command.REPLAY, b""),
        (Command.READ_STATE, struct.pack("<BHB", 2, 0, 1)),
    ])  # fmt: skip
    assert bench.engine.halves[14:22] == list(struct.unpack("<8H", data))
    assert bench.responses == [
        (Status.OK, b""),
        (Status.OK, bytes(4) + data + bytes(4)),
        (Status.OK, b""),
        (Status.BAD_ARGUMENT, b""),
    ]
    assert bench.engine.log == [("REPLAY",)]


def test_counters():
    data = rows(6)
    requests = [(Command.RESET, b""), steps(0, data[:4]), steps(0, data[4:]), (99, b"")]

    def counted(engine):
        for number, count in ((4, 40), (5, 50), (6, 60), (7, 70)):
            engine.halves[COUNTERS + 4 * number] = count

    bench = Bench([counted, *requests, (Command.COUNTERS, b"")], errors=3)
    cycles, events = bench.engine.counter(0), bench.engine.counter(1)
    assert cycles == 10 + sum(100 + n for n in range(1, 7))
    assert events == 24
    expected = struct.pack("<QQQIIQQQQ", cycles, 6, events, 3, len(requests), 40, 60, 50, 70)
    assert bench.responses[-1] == (Status.OK, expected)
    assert bench.engine.updates == 3, "for two answers to STEPS and for the counters"


def test_counters_carry():
    def near_overflow(engine):
        steps_errors = slice(COUNTERS + 8, COUNTERS + 16)
        engine.halves[steps_errors] = [0xFFFF, 0xFFFF, 0xFFFF, 5, 0xFFFF, 1, 0x00FF, 0]

    bench = Bench([near_overflow, steps(0, rows(1)), (Command.COUNTERS, b"")], errors=1)
    _, step_count, _, errors, requests = struct.unpack("<QQQII", bench.responses[1][1][:32])
    assert step_count == 6 << 48
    assert errors == 2 << 16
    # The error was counted before the first request, which was counted before this one.
    assert requests == 0x100
