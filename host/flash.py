"""What a standalone board's flash holds: its bitstream, and the network's load as frames.

At power-up the gateware takes these frames as if a host had sent them (docs/link.md, "Standalone
boards").
"""

from __future__ import annotations

import struct

from host.frames import DELIMITER, Frame, encode
from models.image import Image
from models.protocol import (
    CRC_BYTES,
    FLASH_END,
    HEADER_BYTES,
    MAX_FLASH_FRAME,
    Command,
)

#: Clock cycles in which the device computes its CRC-32 over a word, per bit, and reads a byte of
#: the flash; zeros enough for the first to end stand behind the last frame.
_CYCLES_PER_BIT, _CYCLES_PER_BYTE = 1, 128

_ERASED = b"\xff"
_ADDRESS_BYTES = 2


def network_frames(image: Image) -> bytes:
    """Return the bytes that load a network at power-up, the flash's image of it.

    They are SYNC, WRITE as often as needed, and ACTIVATE; each request acknowledges all responses
    before its own. Empty frames last until the device has checked its store, and a byte of 0xFF
    ends the image.
    """
    data, size = image.to_bytes(), image.word_bytes
    room = MAX_FLASH_FRAME - HEADER_BYTES - CRC_BYTES - _ADDRESS_BYTES
    piece = room // size * size
    requests = [(Command.SYNC, bytes(2))]
    for start in range(0, len(data), piece):
        address = struct.pack("<H", start // size)
        requests.append((Command.WRITE, address + data[start : start + piece]))
    requests.append((Command.ACTIVATE, struct.pack("<HI", len(image.words), image.crc32)))
    frames = b"".join(
        encode(Frame(number % 256, number % 256, command, payload))
        for number, (command, payload) in enumerate(requests)
    )
    # Twice as long as it takes, and what is done around it.
    check = (8 * len(data) * _CYCLES_PER_BIT) // _CYCLES_PER_BYTE
    return DELIMITER + frames + DELIMITER * (2 * check + 16) + bytes([FLASH_END])


def flash_contents(bitstream: bytes, network_offset: int, image: Image) -> bytes:
    """Return the flash from address 0: the bitstream, erased bytes, the network.

    Parameters
    ----------
    bitstream : bytes
    network_offset : int
        Where the gateware looks for the network.
    image : Image
        For the lanes and the word format of the bitstream's engine.

    Raises
    ------
    ValueError
        If the bitstream reaches beyond `network_offset`.
    """
    if len(bitstream) > network_offset:
        raise ValueError(
            f"the bitstream has {len(bitstream)} bytes, and the network lies at {network_offset}"
        )
    return bitstream.ljust(network_offset, _ERASED) + network_frames(image)
