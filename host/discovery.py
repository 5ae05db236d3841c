"""Which serial ports there are, and which of them answer as a board."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from serial.tools import list_ports

from host.device import Device
from host.errors import DeviceError
from host.results import Identity

#: USB vendor and product id of the boards' converter, and the interface behind which the link is:
#: of an FT2232H (iCEBreaker) the second, since the first is the flash's.
KNOWN_PORTS = {(0x0403, 0x6010): 1}

#: Seconds without an answer, and repetitions: a board answers within a millisecond.
_TIMEOUT, _RETRIES = 0.15, 1


@dataclass(frozen=True)
class Found:
    """A port that may be a board's.

    Attributes
    ----------
    port : str
        What `Device.open` takes.
    description : str
        The operating system's.
    serial_number : str or None
        The USB converter's.
    identity : Identity or None
        The device's, if one answered.
    problem : str
        Why there is none; empty otherwise.
    """

    port: str
    description: str
    serial_number: str | None
    identity: Identity | None
    problem: str


def discover(
    ports: Iterable[Any] | None = None, open_device: Callable[..., Device] = Device.open
) -> list[Found]:
    """Ask every port that may be a board's who it is, all at the same time.

    Takes half a second or so where something is connected that does not answer. It opens each
    port and sends SYNC, so a board that another program talks to is reported as busy.

    Parameters
    ----------
    ports : iterable of pyserial's ListPortInfo, optional
        The machine's, if not given. Those with other USB ids than `KNOWN_PORTS` are left alone.
    open_device : callable, optional
        `Device.open`, or what stands for it in a test.

    Returns
    -------
    list of Found
        By port.
    """
    known = list_ports.comports() if ports is None else ports
    named = (port for port in known if port.device and _may_be_ours(port))
    likely = sorted(named, key=lambda port: port.device)
    if not likely:
        return []

    def ask(port: Any) -> Found:
        identity, problem = None, ""
        try:
            with open_device(port.device, timeout=_TIMEOUT, retries=_RETRIES) as device:
                identity = device.identify()
        except DeviceError as error:
            problem = str(error)
        except Exception as error:  # a driver's whim at one port is no reason to hide the others
            problem = f"{type(error).__name__}: {error}"
        return Found(port.device, port.description or "", port.serial_number, identity, problem)

    with ThreadPoolExecutor(len(likely)) as pool:
        return list(pool.map(ask, likely))


def _may_be_ours(port: Any) -> bool:
    """Tell by USB ids, and by the interface where the operating system says which it is."""
    interface = KNOWN_PORTS.get((port.vid, port.pid))
    if interface is None:
        return False
    found = _interface(port)
    return found is None or found == interface


def _interface(port: Any) -> int | None:
    """Return the number of the converter's interface, from 0, or None if nothing tells it."""
    # Linux: "1-2:1.1" is interface 1.
    _, separator, number = (port.location or "").rpartition(":1.")
    if separator and number.isdecimal():
        return int(number)
    if sys.platform != "win32":
        return None
    # There the driver appends the interface's letter to the serial number.
    letter = (port.serial_number or "")[-1:]
    return {"A": 0, "B": 1}.get(letter)
