"""The whole system through its UART pins, against the driver's emulator."""

import json
import struct
from functools import cache

import numpy as np
import pytest

from hdl.core.parameters import EngineParameters
from hdl.system import System
from host.emulator import Emulator
from host.frames import Frame, decode, encode
from models.image import compile_image
from models.protocol import PROTOCOL_VERSION, Command, DeviceFlags, Region, Status, StepFlags
from models.random_networks import random_inputs, random_network
from models.spec import FRACTION_BITS
from sim.runner import run_bench

LANES, STORE_WORDS, DIVISOR, CLOCK = 12, 256, 4, 48_000_000
NETWORK = random_network(11, inputs=4, units=(9, 6), outputs=3, mode="sum", shuffled=True)
UNITS = sum(NETWORK.spec.units)
NONCE = struct.pack("<H", 0xBEEF)
FIRST = 250  # sequence numbers pass 255


@cache
def system():
    image = compile_image(NETWORK, LANES)
    parameters = EngineParameters(lanes=LANES, store_words=STORE_WORDS, image=image)
    return System(parameters, CLOCK, CLOCK // DIVISOR)


class Conversation:
    """Requests in order, each with the frames that must come back."""

    def __init__(self):
        self.exchanges = []
        self.sent = []
        self.following = FIRST

    def ask(self, code, payload=b"", number=None, frames=1):
        if number is None:
            number, self.following = self.following, (self.following + 1) & 0xFF
        request = encode(Frame(number, number, code, payload))
        self.send(request, frames)
        self.sent.append(request)

    def send(self, data, frames):
        self.exchanges.append({"send": data.hex(), "frames": frames})

    def hold(self, simulator, folder):
        """Return a list of received frames for each exchange."""
        results = folder / "received.json"
        run_bench(
            system(),
            "sim.benches.system",
            simulator,
            name="system",
            case=f"system-{folder.name}",
            data={"divisor": DIVISOR, "exchanges": self.exchanges, "results": str(results)},
        )
        received = json.loads(results.read_text())
        return [[decode(bytes.fromhex(frame)) for frame in frames] for frames in received]


@pytest.fixture
def conversation():
    made = Conversation()
    made.ask(Command.SYNC, NONCE)
    return made


def steps_payload(answer):
    """A response to STEPS as docs/link.md has it."""
    records = [
        struct.pack("<HI", record.label, record.busy)
        + (b"" if record.scores is None else record.scores.astype("<i4").tobytes())
        for record in answer.answer.records
    ]
    return b"".join(records) + struct.pack("<I", answer.answer.busy)


def test_sync_and_identify_say_what_the_system_is(simulator, conversation, tmp_path):
    conversation.ask(Command.IDENTIFY)
    (sync,), (identity,) = conversation.hold(simulator, tmp_path)
    assert sync == Frame(FIRST, Status.OK, Command.SYNC, NONCE + bytes([PROTOCOL_VERSION]))
    assert (identity.sequence, identity.second) == (FIRST + 1, Status.OK)
    image = compile_image(NETWORK, LANES)
    assert struct.unpack("<4BI", identity.payload[:8]) == (
        PROTOCOL_VERSION, LANES, FRACTION_BITS, image.word_bytes, STORE_WORDS,
    )  # fmt: skip
    assert struct.unpack("<IBII", identity.payload[20:]) == (
        CLOCK // 1000, DeviceFlags.NETWORK_VALID, len(image.words), image.crc32,
    )  # fmt: skip


def test_steps_state_and_counters_equal_the_emulators(simulator, conversation, tmp_path):
    """Reading the state in the middle of a sequence changes nothing."""
    emulator = Emulator(LANES, "bram", CLOCK)
    emulator.load(NETWORK, compile_image(NETWORK, LANES), None)
    x = random_inputs(3, NETWORK, 1, 7)[0]
    expected = []

    def steps(part, flags):
        conversation.ask(Command.STEPS, bytes([flags]) + part.tobytes())
        expected.append(steps_payload(emulator.submit(part, flags)))

    def read(region, offset, count):
        conversation.ask(Command.READ_STATE, struct.pack("<BHB", region, offset, count))
        h, scores = emulator.read_state(True)
        memory = h[NETWORK.state_order]
        values = memory if region == Region.HIDDEN else scores.astype("<i4")
        expected.append(values[offset : offset + count].tobytes())

    steps(x[:3], StepFlags.FIRST | StepFlags.READOUT_ALL)
    read(Region.HIDDEN, 0, UNITS)
    read(Region.HIDDEN, 5, UNITS - 5)
    steps(x[3:4], StepFlags.LABEL_ONLY | StepFlags.READOUT_ALL)
    read(Region.SCORES, 1, 2)
    steps(x[4:5], StepFlags(0))
    steps(x[5:], StepFlags.LAST)
    h, _ = emulator.read_state(False)
    saved = h[::-1].copy()
    conversation.ask(Command.RESET)
    memory = saved[NETWORK.state_order].tobytes()
    conversation.ask(Command.WRITE_STATE, struct.pack("<BH", Region.HIDDEN, 0) + memory)
    scores = np.array([5, -6, 7], "<i4")
    conversation.ask(Command.WRITE_STATE, struct.pack("<BH", Region.SCORES, 0) + scores.tobytes())
    conversation.ask(Command.REPLAY)
    emulator.write_state(saved, scores)
    expected += [b""] * 4
    steps(x[:2], StepFlags.LAST)
    read(Region.HIDDEN, 0, UNITS)
    conversation.ask(Command.COUNTERS)
    counters = emulator.counters()
    counted = (counters.cycles, counters.steps, counters.events, 0)

    _, *answers = conversation.hold(simulator, tmp_path)
    for number, ((answer,), payload) in enumerate(zip(answers[:-1], expected, strict=True)):
        assert answer.second == Status.OK
        assert answer.payload == payload, f"answer {number}"
    payload = answers[-1][0].payload
    assert struct.unpack("<QQQI", payload[:28]) == counted
    adding, reading, starved, idle = struct.unpack("<4Q", payload[32:])
    assert (adding, reading) == (counters.adding, counters.reading)
    assert starved < counters.cycles < idle, "the line is much slower than the engine"


def test_damaged_frame_is_not_answered_but_counted(simulator, conversation, tmp_path):
    good = encode(Frame(FIRST + 1, FIRST + 1, Command.RESET))
    conversation.send(good[:3] + bytes([good[3] ^ 0x10]) + good[4:], frames=0)
    conversation.ask(Command.COUNTERS)
    _, damaged, (counters,) = conversation.hold(simulator, tmp_path)
    assert damaged == []
    assert counters.sequence == FIRST + 1
    assert struct.unpack("<QQQI", counters.payload[:28]) == (0, 0, 0, 1)


def test_repeated_request_is_answered_again_and_not_done_again(simulator, conversation, tmp_path):
    step = bytes([StepFlags.READOUT_ALL]) + random_inputs(4, NETWORK, 1, 1)[0].tobytes()
    conversation.ask(Command.STEPS, step)
    conversation.ask(Command.STEPS, step, number=FIRST + 1)
    conversation.ask(Command.COUNTERS)
    _, (first,), (again,), (counters,) = conversation.hold(simulator, tmp_path)
    assert again == first
    assert struct.unpack("<QQ", counters.payload[:16])[1] == 1
