"""The worked example of docs/link.md, made by the driver's own frames.

``python -m tests.host.link_example`` writes it into the document; a test compares the two.
"""

from __future__ import annotations

import struct
from pathlib import Path

from host.frames import Frame, encode
from models.protocol import Command, Status, StepFlags

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "link.md"
BEGIN, END = "<!-- example: begin -->\n", "<!-- example: end -->"


def exchanges() -> list[tuple[str, str, Frame]]:
    """Return (who sends, what it means, frame): a device of 16 lanes, a network of I = 4, C = 3."""
    identity = struct.pack(
        "<4BI6HIBII", 1, 16, 5, 8, 16384, 128, 256, 512, 112, 511, 511, 48000, 2, 0, 0
    )
    words = struct.pack("<H2Q", 16, 0x0000ADD1, 0x8000000100000003)
    steps = bytes([StepFlags.FIRST | StepFlags.LAST]) + struct.pack(
        "<8b", 1, -1, 127, 0, 0, 0, 0, 5
    )
    record = struct.pack("<HI3iI", 2, 1234, -7, 0, 70000, 1234)
    counters = struct.pack("<QQQIIQQQQ", 1234, 2, 57, 1, 7, 600, 300, 0, 9999)
    return [
        ("host", "SYNC, sequence 0, nonce 0x1234", Frame(0, 0, Command.SYNC, b"\x34\x12")),
        ("device", "nonce, version 1", Frame(0, Status.OK, Command.SYNC, b"\x34\x12\x01")),
        ("host", "IDENTIFY", Frame(1, 1, Command.IDENTIFY)),
        ("device", "16 lanes, SPRAM, no network", Frame(1, Status.OK, Command.IDENTIFY, identity)),
        ("host", "RESET", Frame(2, 2, Command.RESET)),
        ("device", "status 3: there is no network", Frame(2, Status.NO_NETWORK, Command.RESET)),
        ("host", "WRITE two words at address 16", Frame(3, 3, Command.WRITE, words)),
        ("device", "done", Frame(3, Status.OK, Command.WRITE)),
        ("host", "later: STEPS, FIRST and LAST, two of four", Frame(9, 9, Command.STEPS, steps)),
        (
            "device",
            "label 2, busy 1234, scores -7, 0, 70000; busy 1234",
            Frame(9, Status.OK, Command.STEPS, record),
        ),
        ("host", "COUNTERS; response 9 arrived, 10 is wanted", Frame(10, 10, Command.COUNTERS)),
        ("device", "1234 cycles, 2 steps, 57 events", Frame(10, 0, Command.COUNTERS, counters)),
    ]  # fmt: skip


def example() -> str:
    """Return the example as Markdown."""
    lines = ["```text"]
    for who, meaning, frame in exchanges():
        lines.append(f"{who}: {meaning}")
        data = encode(frame).hex(" ").split(" ")
        lines += ["    " + " ".join(data[at : at + 24]) for at in range(0, len(data), 24)]
    return "\n".join([*lines, "```"]) + "\n"


def parts() -> tuple[str, str, str]:
    """Return the document before, in and after its example."""
    before, rest = DOCUMENT.read_text().split(BEGIN)
    inside, after = rest.split(END)
    return before, inside, after


if __name__ == "__main__":
    start, _, finish = parts()
    DOCUMENT.write_text(start + BEGIN + example() + END + finish)
