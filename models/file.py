"""The network file: a `.safetensors` of integer tensors with the spec as YAML in its header.

Loading executes nothing, needs no PyTorch, and checks everything before use: sizes, a SHA-256
over spec and tensors, names, types, shapes, values and bounds. Saving is deterministic: one
network, one sequence of bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from models.network import LayerWeights, Network, Normalisation, ReadoutWeights
from models.spec import MAX_FAN_IN, MAX_LAYERS, MAX_OUTPUTS, MAX_PLANES, NetworkError, NetworkSpec
from models.writing import write_whole

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "NetworkFileError",
    "check_path",
    "digest",
    "load",
    "save",
]

FORMAT = "addgate-network"
#: Of a file without orders, and of one that holds an order of each layer's units: readers that know
#: no orders refuse it by its version.
FORMAT_VERSION, ORDERED_VERSION = 1, 2

_METADATA = ("digest", "format", "format_version", "spec")
_HEADER_LIMIT = 1 << 20
# The largest legal network: full layers and a readout of MAX_OUTPUTS rows, 4 planes each. (Biases
# are reckoned once a plane here: an order fits what they leave.)
_FILE_LIMIT = _HEADER_LIMIT + MAX_PLANES * MAX_FAN_IN * (
    MAX_LAYERS * 4 * (MAX_FAN_IN + 2) + 2 * MAX_OUTPUTS
)
_TYPES = {"int8": "I8", "uint8": "U8", "int16": "I16", "float64": "F64"}


class NetworkFileError(NetworkError):
    """A file that is not a whole, unaltered network; says what was expected and found."""


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network whole: a full disk or a kill leaves what was there before.

    Parameters
    ----------
    network : Network
    path : path ending in .safetensors

    Raises
    ------
    NetworkFileError
        When the name does not end in .safetensors.
    OSError
        When the file cannot be written.
    """
    write_whole(check_path(path), _encode(network))


def check_path(path: str | os.PathLike[str]) -> Path:
    """Refuse a name that `save` would refuse: a network file ends in .safetensors."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise NetworkFileError(f"a network file's name must end in .safetensors, not {target.name}")
    return target


def load(path: str | os.PathLike[str]) -> Network:
    """Read and check a network file.

    Parameters
    ----------
    path : path of a file that `save` wrote

    Returns
    -------
    Network

    Raises
    ------
    NetworkFileError
        When the file is absent, truncated, oversized, altered, of another format version, or
        describes a network that the numeric contract does not allow.
    """
    source = Path(path)
    try:
        size = source.stat().st_size
        if size > _FILE_LIMIT:
            raise NetworkFileError(
                f"{source}: a network file holds at most {_FILE_LIMIT} bytes, this one {size}"
            )
        data = source.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"{source}: cannot be read: {error.strerror or error}") from error
    try:
        return _decode(data)
    except NetworkError as error:
        raise NetworkFileError(f"{source}: {error}") from error


def digest(network: Network) -> str:
    """SHA-256, in hexadecimal, over spec and tensors, as the network's file holds it.

    Two networks have the same one only if their files are the same byte for byte.
    """
    return _digest(network.spec.to_yaml(), network.tensors())


def _encode(network: Network) -> bytes:
    # safetensors' own writer puts the metadata in random order; this header is always the same.
    spec, tensors = network.spec.to_yaml(), network.tensors()
    header: dict[str, Any] = {
        "__metadata__": {
            "digest": _digest(spec, tensors),
            "format": FORMAT,
            "format_version": str(ORDERED_VERSION if network.reordered else FORMAT_VERSION),
            "spec": spec,
        }
    }
    body = b""
    # Widest type first keeps every tensor aligned to its own size.
    for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name)):
        raw = _little_endian(tensors[name])
        header[name] = {
            "dtype": _TYPES[tensors[name].dtype.name],
            "shape": list(tensors[name].shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def _decode(data: bytes) -> Network:
    metadata = _metadata(data)
    try:
        tensors = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise NetworkFileError(
            f"the tensors must fill the file exactly as its header says: {error}"
        ) from error
    found = _digest(metadata["spec"], tensors)
    if found != metadata["digest"]:
        raise NetworkFileError(
            f"the contents were altered: SHA-256 must be {metadata['digest']}, but is {found}"
        )
    spec = NetworkSpec.from_yaml(metadata["spec"])
    ordered = metadata["format_version"] == str(ORDERED_VERSION)
    names = _names(spec, ordered)
    missing, extra = sorted(names - tensors.keys()), sorted(tensors.keys() - names)
    if missing or extra:
        raise NetworkFileError(
            f"the tensors must be those of the spec; missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(extra) or 'none'}"
        )

    def part(prefix: str) -> dict[str, NDArray[Any]]:
        length = len(prefix) + 1
        return {name[length:]: a for name, a in tensors.items() if name.startswith(prefix + ".")}

    numbers = range(len(spec.layers))
    order = tuple(tensors.pop(f"layers.{number}.order") for number in numbers) if ordered else ()
    layers = []
    for number in numbers:
        try:
            layers.append(LayerWeights(**part(f"layers.{number}")))
        except NetworkError as error:
            raise NetworkFileError(f"layer {number}: {error}") from error
    readout, normalisation = ReadoutWeights(**part("readout")), Normalisation(**part("input"))
    return Network(spec, tuple(layers), readout, normalisation, order)


def _metadata(data: bytes) -> dict[str, str]:
    """The header's metadata, after checking that header and body are whole."""
    if len(data) < 8:
        raise NetworkFileError(
            f"a network file begins with an 8-byte header length, but there are {len(data)} bytes"
        )
    length = int.from_bytes(data[:8], "little")
    if length > _HEADER_LIMIT:
        raise NetworkFileError(
            f"not a safetensors file: a header has at most {_HEADER_LIMIT} bytes, this one "
            f"claims {length}"
        )
    if length > len(data) - 8:
        raise NetworkFileError(
            f"truncated: the header should have {length} bytes, but {len(data) - 8} follow"
        )
    try:
        header = json.loads(data[8 : 8 + length].decode())
        ends = [e["data_offsets"][1] for name, e in header.items() if name != "__metadata__"]
        wanted = 8 + length + max(ends, default=0)
    except (ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise NetworkFileError(f"not a safetensors file: its header is unreadable: {error}") from (
            error
        )
    if len(data) != wanted:
        kind = "truncated" if len(data) < wanted else "oversized"
        raise NetworkFileError(f"{kind}: should be {wanted} bytes, is {len(data)}")
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        found = metadata.get("format") if isinstance(metadata, dict) else None
        raise NetworkFileError(
            f"not an addgate network: its format must be {FORMAT!r}, not {found!r}"
        )
    if metadata.get("format_version") not in (str(FORMAT_VERSION), str(ORDERED_VERSION)):
        raise NetworkFileError(
            f"format version must be {FORMAT_VERSION} or {ORDERED_VERSION}, not "
            f"{metadata.get('format_version')}"
        )
    if sorted(metadata) != list(_METADATA) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise NetworkFileError(
            f"the metadata must be exactly {', '.join(_METADATA)}, not "
            f"{', '.join(sorted(metadata))}"
        )
    return metadata


def _names(spec: NetworkSpec, ordered: bool) -> set[str]:
    names = {"readout.R", "readout.R_shift", "readout.b", "input.mean", "input.scale"}
    for number in range(len(spec.layers)):
        names |= {f"layers.{number}.{name}" for name in ("W", "W_shift", "U", "U_shift", "b")}
        names |= {f"layers.{number}.order"} if ordered else set()
    return names


def _digest(spec: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over the spec and every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256()
    for piece in (spec.encode(), *_described(tensors)):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


def _described(tensors: Mapping[str, NDArray[Any]]) -> list[bytes]:
    pieces = []
    for name in sorted(tensors):
        array = tensors[name]
        pieces += [f"{name} {array.dtype.name} {array.shape}".encode(), _little_endian(array)]
    return pieces


def _little_endian(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
