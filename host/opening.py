"""From what a user calls a device to an engine that is ready."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from typing import Any

from host.emulator import Emulator
from host.engine import Engine
from host.errors import DeviceNotFound
from host.link_engine import LinkEngine
from host.session import Session
from host.transport import SerialTransport
from models.network import Network

#: The devices that have a name of their own; anything else is a port or a URL.
_IN_PROGRAM = ("emulator", "simulator")

_COMMON = {"network"}
_SIZE = {"lanes", "weights", "events", "packed", "clock_hz"}
_LINK = {"baud", "timeout", "retries"}
_OPTIONS = {
    "emulator": _COMMON | _SIZE | {"store_words"},
    "simulator": _COMMON | _SIZE | _LINK | {"seed", "trace", "start_timeout"},
    "port": _COMMON | _LINK,
}

DEFAULT_BAUD = 3_000_000

#: Seconds without progress before a repetition, and repetitions. A board answers within
#: milliseconds; what stands behind a URL may be a simulation, which takes its time.
_PORT_PATIENCE = (0.15, 15)
_URL_PATIENCE = (2.0, 2)
_SIMULATOR_PATIENCE = (15.0, 3)


def open_engine(where: str, options: dict[str, Any]) -> Engine:
    """Return the engine behind `where`; see `host.device.Device.open` for the options.

    Raises
    ------
    DeviceNotFound
        Where `where` is nearly "emulator" or "simulator", and no port.
    TypeError
        For an option that this kind of device does not have.
    """
    kind = where if where in _IN_PROGRAM else "port"
    if kind == "port":
        _check_name(where)
    unknown = sorted(options.keys() - _OPTIONS[kind])
    if unknown:
        raise TypeError(
            f"{where!r} does not take {', '.join(unknown)}; it takes "
            f"{', '.join(sorted(_OPTIONS[kind]))}"
        )
    rest = {name: value for name, value in options.items() if name != "network"}
    if kind == "emulator":
        return Emulator(**rest)
    if kind == "simulator":
        return _open_simulator(options.get("network"), **rest)
    patience = _URL_PATIENCE if "://" in where else _PORT_PATIENCE
    return _open_link(where, patience, **rest)


def _check_name(where: str) -> None:
    """Refuse a misspelt "emulator" or "simulator", which would be tried as a port's name."""
    if re.search(r"[/\\]|^com\d+$", where.lower()) or os.path.exists(where):
        return  # a path, a URL or COM3
    meant = difflib.get_close_matches(where.strip().lower(), _IN_PROGRAM, n=1)
    if meant:
        raise DeviceNotFound(
            f"expected 'emulator', 'simulator', a serial port such as /dev/ttyUSB1 or COM3, or a "
            f"URL such as socket://127.0.0.1:5000; found {where!r}. Did you mean {meant[0]!r}?"
        )


def _open_link(
    where: str,
    patience: tuple[float, int],
    baud: int = DEFAULT_BAUD,
    timeout: float | None = None,
    retries: int | None = None,
    on_close: Callable[[], None] | None = None,
) -> LinkEngine:
    if baud < 1:
        raise ValueError(f"baud must be at least 1, not {baud}")
    transport = SerialTransport(where, baud)
    session = Session(
        transport,
        timeout=patience[0] if timeout is None else timeout,
        retries=patience[1] if retries is None else retries,
        seconds_per_byte=10 / baud,
    )
    try:
        session.open()
        return LinkEngine(session, on_close)
    except BaseException:
        session.close()
        raise


def _open_simulator(
    network: Network | str | os.PathLike[str] | None,
    lanes: int = 16,
    weights: str | None = None,
    events: int = 2,
    packed: bool = False,
    clock_hz: int = 48_000_000,
    baud: int = DEFAULT_BAUD,
    seed: int = 1,
    trace: str | None = None,
    start_timeout: float | None = None,
    **link: Any,
) -> Engine:
    from host.simulator import START_TIMEOUT, SimulatedBoard

    arguments = ["--lanes", str(lanes), "--clock-hz", str(clock_hz), "--baud", str(baud)]
    arguments += ["--seed", str(seed), "--events", str(events)]
    if packed:
        arguments += ["--packed"]
    if weights is not None:
        arguments += ["--weights", weights]
    if trace is not None:
        arguments += ["--trace", os.path.abspath(trace)]
    # Only block RAM can start with a network; for SPRAM the driver loads it afterwards.
    if network is not None and not isinstance(network, Network) and weights == "bram":
        arguments += ["--network", os.path.abspath(network)]
    board = SimulatedBoard(arguments, start_timeout or START_TIMEOUT)
    try:
        return _open_link(board.url, _SIMULATOR_PATIENCE, baud, on_close=board.close, **link)
    except BaseException:
        board.close()
        raise
