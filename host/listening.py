"""A device that listens: sound in, windows of frames to the device, detections out.

`models.spotting` says what a window is and how its answer becomes a detection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from host.device import Device
from host.errors import InputError
from models.log_mel import BANDS, HOP_MS, RATE, WINDOW_MS, LogMel
from models.network import Network, NetworkError
from models.spotting import Detection, Detector, Windows, confidences

__all__ = ["Listener", "as_frames", "check_length", "check_network", "labels_of", "raw_samples"]

#: Of the digits it is -3.7.
_LOWEST = -10.0
_RIFF = b"RIFF"
_PIECE = 4096
"""Most bytes taken at once from a live sound, a quarter of a second."""


def as_frames(seconds: float) -> int:
    """The nearest number of frames, one or more."""
    return max(1, round(1000 * seconds / HOP_MS))


def labels_of(network: Network) -> tuple[str, ...]:
    """What a network calls its classes; their numbers, if it does not say."""
    spec = network.spec
    return spec.labels or tuple(str(number) for number in range(spec.outputs))


def check_network(network: Network, window: int) -> None:
    """Refuse a network that cannot have been trained on windows of these frames.

    Parameters
    ----------
    network : Network
    window : int
        Frames.

    Raises
    ------
    NetworkError
        Saying what was expected and what was found.
    """
    spec = network.spec
    if spec.inputs != BANDS:
        raise NetworkError(
            f"network {spec.name!r} takes {spec.inputs} inputs a step; expected the {BANDS} bands "
            "of a log-mel frame"
        )
    if spec.target != "class":
        raise NetworkError(f"network {spec.name!r} gives values; expected one that gives classes")
    # Most bands lie below the loudest at most times, so the mean of training data was below 0.
    mean = float(network.normalisation.mean.mean())
    if not _LOWEST < mean < 0:
        raise NetworkError(
            f"network {spec.name!r} was trained with another front end: expected a normalisation "
            f"whose means lie around {_LOWEST / 2:g}, as those of log-mel frames do "
            f"(models.log_mel), found {mean:g}"
        )
    if spec.max_steps is not None and window > spec.max_steps:
        raise NetworkError(
            f"network {spec.name!r} takes at most {spec.max_steps} steps, or its sum leaves 32 "
            f"bits; a window has {window}"
        )


def check_length(samples: int, window: int) -> None:
    """Refuse a sound that does not fill a window, of which nothing can be said.

    Parameters
    ----------
    samples : int
        Of the whole sound.
    window : int
        Frames.

    Raises
    ------
    InputError
        Saying what was expected and what was found.
    """
    shortest = (WINDOW_MS + (window - 1) * HOP_MS) * RATE // 1000
    if samples < shortest:
        raise InputError(
            f"expected a sound of at least one window, {shortest} samples ({shortest / RATE:.3f} "
            f"s), found {samples} ({samples / RATE:.3f} s)"
        )


def raw_samples(stream: BinaryIO) -> Iterator[NDArray[np.int16]]:
    """Samples from a stream of 16-bit little-endian numbers, as soon as they come.

    Raises
    ------
    ValueError
        When it is a WAV file, or ends within a sample.
    """
    # A pipe's reader would wait for a whole piece, where read1 takes what is there.
    read = getattr(stream, "read1", stream.read)
    rest, first = b"", True
    while data := read(_PIECE):
        rest += data
        if first and len(rest) < len(_RIFF):
            continue  # may be one still
        if first and rest.startswith(_RIFF):
            raise ValueError(
                "standard input: expected raw 16-bit samples, found a WAV file: give its name"
            )
        first = False
        whole = len(rest) - len(rest) % 2
        yield np.frombuffer(rest[:whole], "<i2").astype(np.int16)
        rest = rest[whole:]
    if len(rest) % 2:
        raise ValueError("standard input: expected 16-bit samples, found a byte more at the end")
    yield np.frombuffer(rest, "<i2").astype(np.int16)


class Listener:
    """Detections in a sound, as they are made.

    Parameters
    ----------
    device : Device
        With a network that `check_network` takes.
    windows : Windows
    detector : Detector

    Attributes
    ----------
    samples, answered : int
        Samples heard, and windows that the device has answered.
    busy : float
        Seconds of device time that they took.
    """

    def __init__(self, device: Device, windows: Windows, detector: Detector) -> None:
        self.samples, self.answered, self.busy = 0, 0, 0.0
        self._device, self._windows, self._detector = device, windows, detector

    @property
    def seconds(self) -> float:
        """Length of the sound heard."""
        return self.samples / RATE

    def listen(self, pieces: Iterable[NDArray[np.int16]], ahead: int = 16) -> Iterator[Detection]:
        """Hear pieces of sound; yield each detection when its window is answered.

        Parameters
        ----------
        pieces : iterable of int16 [n]
            8 kHz.
        ahead : int
            Windows taken before their answers are given: 1 for a live sound.

        Raises
        ------
        InputError
            When the sound ends before a window is full; otherwise as `Device.run_many`.
        WrongNetwork, LinkError
            As `Device.run_many`.
        """
        spec = self._device.network.spec
        steps = self._windows.window if spec.readout.mode == "sum" else 1
        for result in self._device.run_many(self._heard(pieces), ahead=ahead):
            frame = self._windows.last_frame(self.answered)
            time = (frame * HOP_MS + WINDOW_MS) / 1000
            self.answered += 1
            self.busy += result.seconds
            assert result.scores is not None
            found = self._detector.push(time, confidences(result.scores, spec.hb, steps))
            if found is not None:
                yield found

    def _heard(self, pieces: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.float64]]:
        front = LogMel()
        for piece in pieces:
            self.samples += len(piece)
            yield from self._windows.push(front.push(piece))
        yield from self._windows.push(front.finish())
        check_length(self.samples, self._windows.window)
