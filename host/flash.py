"""What a standalone board's flash holds: its bitstream, and the network's load as frames.

At power-up the gateware takes these frames as if a host had sent them (docs/link.md, "Standalone
boards").
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from host.errors import NetworkDoesNotFit
from host.frames import DELIMITER, Frame, encode
from models.image import Image, compile_image
from models.layout import Capacity, ImageError, check_capacity
from models.network import Network
from models.protocol import (
    CRC_BYTES,
    FLASH_END,
    HEADER_BYTES,
    MAX_FLASH_FRAME,
    Command,
)
from models.word_format import WordFormat

#: Clock cycles in which the device computes its CRC-32 over a word, per bit, and reads a byte of
#: the flash; zeros enough for the first to end stand behind the last frame.
_CYCLES_PER_BIT, _CYCLES_PER_BYTE = 1, 128

_ERASED = b"\xff"
_ADDRESS_BYTES = 2

_Kind = TypeVar("_Kind")


class BuildError(ValueError):
    """A build that the flash cannot be made from; the message says what was expected and found."""


@dataclass(frozen=True)
class Build:
    """A bitstream, and what its report says of the engine in it.

    Attributes
    ----------
    folder : Path
        Where it was read.
    board : str
    bitstream : bytes
    capacity : Capacity
        Of the engine.
    preloaded : str or None
        Name of the network that the bitstream carries.
    network_offset : int
        Where an engine that starts empty looks for a network in the flash.
    openfpgaloader : str
        The board's name for openFPGALoader.
    """

    folder: Path
    board: str
    bitstream: bytes
    capacity: Capacity
    preloaded: str | None
    network_offset: int
    openfpgaloader: str


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


def read_build(folder: Path) -> Build:
    """Read a build's `report.json` and the bitstream that it names.

    Raises
    ------
    BuildError
        If either is missing or not what it should be, or the board has no flash for a network.
    """
    path = folder / "report.json"
    data = _read(path)
    try:
        report = json.loads(data)
    except ValueError as error:
        raise BuildError(f"{path}: expected a build's report in JSON: {error}") from error

    def entry(name: str, kind: type[_Kind]) -> _Kind:
        value: Any = report
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if type(value) is not kind:
            raise BuildError(f"{path}: expected {name} as {kind.__name__}, found {value!r}")
        return value

    if entry("status", str) != "ok":
        raise BuildError(f"{path}: expected a build with status 'ok', found {report['status']!r}")
    if not report.get("flash"):
        raise BuildError(
            f"{path}: expected what the board's flash is, found none: the board has no flash, or "
            "this build is an older version's (build it again)"
        )
    bitstream = _read(folder / entry("bitstream", str))
    found = hashlib.sha256(bitstream).hexdigest()
    if found != entry("bitstream_sha256", str):
        raise BuildError(
            f"{folder / report['bitstream']}: expected the bitstream of report.json, SHA-256 "
            f"{report['bitstream_sha256']}, found {found}"
        )
    return Build(
        folder=folder,
        board=entry("board", str),
        bitstream=bitstream,
        capacity=Capacity(
            lanes=entry("lanes", int),
            store_words=entry("store.words", int),
            word_format=WordFormat(entry("events", int), entry("store.packed", bool)),
        ),
        preloaded=entry("store.network", str) if entry("store.preloaded", bool) else None,
        network_offset=entry("flash.network_offset", int),
        openfpgaloader=entry("flash.openfpgaloader", str),
    )


def standalone(build: Build, network: Network | None) -> bytes:
    """Return the flash of a board that works by itself: a build's bitstream, and a network.

    Parameters
    ----------
    build : Build
    network : Network or None
        Needed by an engine that starts empty. A bitstream that carries its network is all that
        its flash holds; then it may be left out, and otherwise must have that network's name.

    Raises
    ------
    BuildError
        If the network is missing, or is not the one in the bitstream.
    NetworkDoesNotFit
        Saying what it needs and what there is.
    """
    if build.preloaded is not None:
        if network is not None and network.spec.name != build.preloaded:
            raise BuildError(
                f"the bitstream in {build.folder} carries its network: expected "
                f"{build.preloaded!r}, or none to be named, found {network.spec.name!r}"
            )
        return build.bitstream
    if network is None:
        raise BuildError(
            f"the engine in {build.folder} starts empty: expected a network file, found none"
        )
    try:
        check_capacity(network, build.capacity)
    except ImageError as error:
        raise NetworkDoesNotFit(str(error)) from error
    image = compile_image(network, build.capacity.lanes, build.capacity.word_format)
    return flash_contents(build.bitstream, build.network_offset, image)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(
            f"{path}: cannot be read: {error.strerror} (python -m hdl.build makes a build)"
        ) from error
