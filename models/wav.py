"""WAV files of one channel of 16-bit samples, by the standard library's reader."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.writing import write_whole

__all__ = ["SpeechError", "read_wav", "write_wav"]


class SpeechError(ValueError):
    """Audio that cannot be used; says what was expected and what was found."""


def read_wav(path: str | os.PathLike[str], rate: int = 8000) -> NDArray[np.int16]:
    """Read a recording.

    Parameters
    ----------
    path : path of a WAV file
        PCM, 16 bit, one channel.
    rate : int
        Samples a second that it must have.

    Returns
    -------
    int16 [samples]

    Raises
    ------
    SpeechError
        Naming the file, what was expected, and what was found.
    OSError
        When it cannot be read.
    """
    try:
        with wave.open(os.fspath(path), "rb") as file:
            found = (file.getframerate(), 8 * file.getsampwidth(), file.getnchannels())
            frames, raw = file.getnframes(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise SpeechError(
            f"{path}: expected a WAV file of PCM samples, found: {error or 'an early end'}"
        ) from error
    if found != (rate, 16, 1):
        raise SpeechError(
            f"{path}: expected {rate} Hz, 16 bit, 1 channel; found {found[0]} Hz, {found[1]} bit, "
            f"{found[2]} channel{'s' * (found[2] != 1)}"
        )
    if len(raw) != 2 * frames:
        raise SpeechError(
            f"{path}: expected {frames} samples, as its header says, found {len(raw) // 2}"
        )
    return np.frombuffer(raw, "<i2").astype(np.int16)


def write_wav(path: str | os.PathLike[str], samples: NDArray[np.int16], rate: int = 8000) -> None:
    """Write a recording of one channel, whole or not at all.

    Parameters
    ----------
    path : path in a folder that is there
    samples : int16 [samples]
    rate : int
        Samples a second.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    write_whole(Path(path), buffer.getvalue())
