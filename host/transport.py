"""A way to send and receive bytes: a serial port or a pyserial URL, with typed errors."""

from __future__ import annotations

import errno
import select
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports

from host.errors import DeviceBusy, DeviceError, DeviceNotFound, LinkError

_CHUNK = 4096

#: Where Linux has the settings of USB converters, by the names of their ports.
_USB_SERIAL = Path("/sys/bus/usb-serial/devices")

#: A write that takes longer means that nothing drains the port.
_WRITE_TIMEOUT = 5.0


class Transport(Protocol):
    """What a session needs from the line."""

    def send(self, data: bytes) -> None:
        """Send bytes; raise LinkError if the line is gone."""

    def receive(self, timeout: float) -> bytes:
        """Return what has come, waiting at most `timeout` seconds for the first byte."""

    def now(self) -> float:
        """Return a clock in seconds that only moves forward."""

    def close(self) -> None:
        """Give the line back."""


class SerialTransport:
    """A port or URL that pyserial opens.

    Parameters
    ----------
    where : str
        A port ("/dev/ttyUSB1", "COM3") or a pyserial URL ("socket://127.0.0.1:5000").
    baud : int
        Baud rate.

    Raises
    ------
    DeviceNotFound, DeviceBusy, DeviceError
        If it cannot be opened.
    """

    def __init__(self, where: str, baud: int = 3_000_000) -> None:
        self.where = where
        try:
            self._port: Any = serial.serial_for_url(
                where, baudrate=baud, timeout=0, write_timeout=_WRITE_TIMEOUT, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError, OverflowError) as error:
            raise _open_error(where, error) from error
        if not quicken(where):
            # Whoever may not write the setting may still ask the kernel, where it is Linux.
            with suppress(AttributeError, NotImplementedError, OSError, ValueError):
                self._port.set_low_latency_mode(True)
        try:
            self._descriptor: int | None = self._port.fileno()
        except (AttributeError, OSError):
            self._descriptor = None

    def send(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"the connection to {self.where} broke: {error}") from error

    def receive(self, timeout: float) -> bytes:
        """Return what has come, waiting at most `timeout` seconds for the first byte."""
        try:
            if self._descriptor is not None:
                # Waiting here, and reading without waiting, takes whatever has come in one
                # call; pyserial's own waiting read returns byte by byte or waits for a count.
                ready, _, _ = select.select([self._descriptor], [], [], max(timeout, 0))
                return bytes(self._port.read(_CHUNK)) if ready else b""
            self._port.timeout = max(timeout, 0)
            first = bytes(self._port.read(1))
            return first + bytes(self._port.read(self._port.in_waiting)) if first else b""
        except (serial.SerialException, OSError, TypeError, ValueError) as error:
            # pyserial raises TypeError or ValueError where its port vanishes under a read.
            raise LinkError(f"the connection to {self.where} broke: {error}") from error

    def now(self) -> float:
        """Return a clock in seconds that only moves forward."""
        return time.monotonic()

    def close(self) -> None:
        """Close the port."""
        try:
            self._port.close()
        except (serial.SerialException, OSError):
            pass  # it is gone, which is what was wanted


def quicken(where: str, folder: Path = _USB_SERIAL) -> bool:
    """Have an FTDI converter send what it has after 1 ms, not 16; return whether it will.

    Only Linux lets a program do so, and only one that may write there (udev's rules say who).
    Nothing depends on it but the time that a single answer takes.
    """
    try:
        (folder / Path(where).resolve().name / "latency_timer").write_text("1")
    except (OSError, ValueError):
        return False
    return True


def _open_error(where: str, error: Exception) -> DeviceError:
    number = getattr(error, "errno", None)
    text = str(error).lower()
    if number == errno.EBUSY or "lock" in text or "busy" in text:
        return DeviceBusy(f"{where} is in use by another program ({error})")
    if number in (errno.EACCES, errno.EPERM) or "access is denied" in text:
        return DeviceBusy(
            f"{where} may not be opened: in use, or you lack the right "
            f"(on Linux: join group dialout, or add a udev rule) ({error})"
        )
    if "://" in where:
        if where.startswith("socket:") and not _names_host_and_port(where):
            return DeviceNotFound(
                f"cannot open {where!r}: expected socket://HOST:PORT, the port from 1 to 65535"
            )
        return DeviceNotFound(f"cannot open {where!r}: {error}")
    ports = sorted(port.device for port in list_ports.comports())
    known = ", ".join(ports) if ports else "none"
    return DeviceNotFound(f"cannot open {where!r}: {error}. Serial ports found: {known}")


def _names_host_and_port(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return bool(parts.hostname and parts.port)
    except ValueError:  # the port is no number, or too large a one
        return False
