"""What can go wrong with a device, as types a program can tell apart."""

from __future__ import annotations


class DeviceError(RuntimeError):
    """Any failure of a device or of the way to it; the message says what and what to do."""


class DeviceNotFound(DeviceError):
    """There is no such port, or nothing listens at the address."""


class DeviceBusy(DeviceError):
    """The port is in use by another program, or may not be opened by this user."""


class DeviceTimeout(DeviceError):
    """The device did not answer within the stated time, repetitions included."""


class LinkError(DeviceError):
    """The connection broke (unplugged, closed) or the device breaks the protocol's rules."""


class ProtocolMismatch(DeviceError):
    """The device speaks another version of the protocol."""


class DeviceRefused(DeviceError):
    """The device answered a request with an error status.

    Attributes
    ----------
    status : int
        The status byte, see `models.protocol.Status`.
    payload : bytes
        What came with it.
    """

    def __init__(self, message: str, status: int = -1, payload: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.payload = payload


class NoNetwork(DeviceError):
    """There is no network on the device; load one first."""


class NetworkDoesNotFit(DeviceError):
    """The network needs more than the device has."""


class WrongNetwork(DeviceError):
    """What the device holds is not what it should hold, or a state is another network's."""


class InputError(DeviceError, ValueError):
    """A sequence that the loaded network cannot take."""


class ProgrammerError(DeviceError):
    """The board's flash could not be written: no programmer, or it failed."""


class SimulatorError(DeviceError):
    """The simulated board could not be built or started, or ended by itself."""
