"""A standalone board: the real RTL with a flash at its pins, from power-up to answers."""

from pathlib import Path

import numpy as np
import pytest

from host.device import Device
from host.flash import flash_contents
from host.frames import DELIMITER, Frame, FrameReceiver, encode
from models import file
from models.golden import GoldenModel
from models.image import compile_image
from models.protocol import Command
from models.random_networks import random_inputs
from sim.lockstep import LockstepBoard

pytestmark = pytest.mark.usefixtures("verilator")

ROOT = Path(__file__).resolve().parent.parent
NETWORK = file.load(ROOT / "models" / "zoo" / "digits.safetensors")
IMAGE = compile_image(NETWORK, 16)
OFFSET = 0x20000
BITSTREAM = bytes(range(256)) * 400


def written(folder, contents):
    path = folder / "flash.bin"
    path.write_bytes(contents)
    return path


def test_a_board_with_a_network_in_its_flash_answers_without_a_load(tmp_path):
    contents = written(tmp_path, flash_contents(BITSTREAM, OFFSET, IMAGE))
    x = random_inputs(1, NETWORK, 5, 8)
    with LockstepBoard("--flash", str(contents)) as board:
        line = board.connect()
        # A host that does not know of the power-up must not go on where the flash's requests ended.
        for number in range(256):
            line.send(DELIMITER + encode(Frame(number, number, Command.COUNTERS)))
            answers = FrameReceiver().feed(line.receive(0.0005))
            assert Command.COUNTERS not in [answer.code for answer in answers], number
        for _ in range(2):
            identity = board.engine(line).identify()
            assert (identity.flash, identity.network_valid) == ("loaded", True)
            assert (identity.image_words, identity.image_crc32) == (len(IMAGE.words), IMAGE.crc32)
            line.reconfigure()  # power goes and comes back
        with Device(board.engine(line)) as device:
            sent = []
            device.load(NETWORK, lambda *report: sent.append(report))
            assert len(sent) == 1, "nothing was sent: the board holds it"
            scores = [result.scores for result in device.run_many(x)]
            np.testing.assert_array_equal(scores, GoldenModel(NETWORK).run(x).scores)


@pytest.mark.parametrize("case", ["erased", "damaged", "other lanes"])
def test_a_board_without_a_good_network_in_its_flash_says_so_and_takes_one(tmp_path, case):
    contents = bytearray(flash_contents(BITSTREAM, OFFSET, IMAGE))
    if case == "erased":
        del contents[OFFSET:]
    elif case == "damaged":
        contents[OFFSET + 2000] ^= 4
    else:
        contents = bytearray(flash_contents(BITSTREAM, OFFSET, compile_image(NETWORK, 12)))
    flash = "none" if case == "erased" else "failed"
    x = random_inputs(2, NETWORK, 2, 8)
    with LockstepBoard("--flash", str(written(tmp_path, contents))) as board:
        with Device(board.engine(board.connect())) as device:
            identity = device.identify()
            assert (identity.flash, identity.network_valid) == (flash, False)
            device.load(NETWORK)
            scores = [result.scores for result in device.run_many(x)]
            np.testing.assert_array_equal(scores, GoldenModel(NETWORK).run(x).scores)
            assert device.identify().flash == flash, "as it was at power-up"


def test_a_half_frame_and_silence_do_not_keep_the_board_from_a_host_without_a_delimiter(tmp_path):
    """The watchdog's 2^22 cycles: after fewer, the first request joins the half frame."""
    with LockstepBoard() as board:
        line = board.connect()
        for silence, heard in ((4_000_000, False), (4_300_000, True)):
            board.session(line)
            line.send(b"\x05half")
            line.receive(silence / board.clock_hz)
            line.send(bytes.fromhex("0101010534122eea00"))
            answer = line.receive(0.001)
            assert bool(answer) == heard, silence
