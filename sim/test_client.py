"""A driver that is not ours: written from docs/link.md and what `python -m host image` prints.

It imports nothing of the product. The answers that it gets from the simulated board are compared
with the golden model's, which only the test itself knows.
"""

import binascii
import json
import socket
import struct

import numpy as np
import pytest
from cobs import cobs

from host.cli import main
from host.simulator import SimulatedBoard
from models.file import save
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network

pytestmark = pytest.mark.usefixtures("verilator")

SYNC, IDENTIFY, WRITE, ACTIVATE, STEPS = range(5)
FIRST, LAST = 1, 2


class Client:
    """One request at a time; what is not answered in a second is sent again."""

    def __init__(self, address):
        self.line = socket.create_connection(address, 30)
        self.line.settimeout(1)
        self.number, self.got = 77, b""
        assert self.ask(SYNC, b"\x12\x34", 3) == b"\x12\x34\x01"

    def ask(self, command, payload, length):
        body = bytes([self.number, self.number, command]) + payload
        body += struct.pack("<H", binascii.crc_hqx(body, 0xFFFF))
        for _ in range(30):
            self.line.sendall(b"\0" + cobs.encode(body) + b"\0")
            try:
                while True:
                    answer = self.frame()
                    if answer[0] == self.number and answer[2] == command:
                        assert answer[1] == 0 and len(answer) == 3 + length, answer
                        self.number = (self.number + 1) % 256
                        return answer[3:]
            except TimeoutError:
                continue
        raise AssertionError("no answer")

    def frame(self):
        while True:
            while b"\0" not in self.got:
                self.got += self.line.recv(4096)
            piece, self.got = self.got.split(b"\0", 1)
            if piece:
                frame = cobs.decode(piece)
                assert binascii.crc_hqx(frame[:-2], 0xFFFF) == int.from_bytes(frame[-2:], "little")
                return frame[:-2]

    def load(self, facts, image):
        told = self.ask(IDENTIFY, b"", 33)
        assert told[0] == 1 and told[1] == facts["lanes"] and told[3] == facts["word_bytes"]
        size = facts["word_bytes"]
        for address in range(0, facts["words"], 30):
            words = image[address * size : (address + 30) * size]
            self.ask(WRITE, struct.pack("<H", address) + words, 0)
        answer = self.ask(ACTIVATE, struct.pack("<HI", facts["words"], facts["crc32"]), 4)
        assert struct.unpack("<I", answer) == (facts["crc32"],)

    def classify(self, facts, x):
        size = 6 + 4 * facts["outputs"] + 4
        for at, step in enumerate(x):
            last = at == len(x) - 1
            flags = FIRST * (at == 0) | LAST * last
            answer = self.ask(STEPS, bytes([flags]) + step.tobytes(), size if last else 4)
        return struct.unpack(f"<HI{facts['outputs']}iI", answer)


@pytest.mark.parametrize("units, planes", [((14,), 1), ((9, 12), 2)])
def test_a_driver_written_from_the_document_gets_the_right_answers(tmp_path, capsys, units, planes):
    network = random_network(8, inputs=5, units=units, outputs=6, planes=planes)
    save(network, tmp_path / "n.safetensors")
    image = tmp_path / "n.img"
    assert main(["image", str(tmp_path / "n.safetensors"), "--output", str(image), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    x = random_inputs(8, network, 5, 7)
    golden = GoldenModel(network).run(x)
    board = SimulatedBoard([])
    try:
        host, port = board.url.removeprefix("socket://").split(":")
        client = Client((host, int(port)))
        client.load(facts, image.read_bytes())
        for sequence, scores in zip(x, golden.scores, strict=True):
            label, _, *found, _ = client.classify(facts, sequence)
            assert label == np.argmax(scores) and found == scores.tolist()
    finally:
        board.close()
