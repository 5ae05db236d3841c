"""Spoken digits, from a folder of recordings such as the Free Spoken Digit Dataset.

The files are named as there: ``{digit}_{speaker}_{index}.wav``, 8 kHz, 16 bit, one channel.
A sequence is a recording's log-mel frames (`models.log_mel`), 16 ms a step, 32 numbers each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.log_mel import BANDS, log_mel
from models.tasks.data import Part, TaskData, TaskError, normalise
from models.tasks.speech_augment import batches
from models.wav import SpeechError, read_wav

__all__ = ["LABELS", "Recording", "find", "load", "part_of", "samples_of", "shares"]

LABELS = tuple(str(digit) for digit in range(10))
HELD_BACK = 5
"""Recordings of each digit and speaker in a test or validation part."""

_NAME = re.compile(r"([0-9])_([^_]+)_([0-9]+)\.wav")


@dataclass(frozen=True, order=True)
class Recording:
    """A file and what its name says.

    Parameters
    ----------
    digit : int
    speaker : str
    index : int
        Of that digit by that speaker.
    path : Path
    """

    digit: int
    speaker: str
    index: int
    path: Path


def find(folder: str | os.PathLike[str]) -> list[Recording]:
    """The recordings in a folder, by digit, speaker and index.

    Raises
    ------
    TaskError
        When there is no such folder, no WAV file in it, or one of another name.
    """
    source = Path(folder)
    if not source.is_dir():
        raise TaskError(f"{source}: expected a folder of recordings, found no folder")
    files = sorted(path for path in source.iterdir() if path.suffix.lower() == ".wav")
    if not files:
        raise TaskError(f"{source}: expected WAV files named DIGIT_SPEAKER_INDEX.wav, found none")
    recordings = []
    for path in files:
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise TaskError(
                f"{path}: expected a name like 7_jackson_32.wav (digit, speaker, index), found "
                f"{path.name!r}"
            )
        recordings.append(Recording(int(name[1]), name[2], int(name[3]), path))
    return sorted(recordings)


def shares(
    recordings: Sequence[Recording], left_out: str | None = None
) -> tuple[list[Recording], list[Recording], list[Recording]]:
    """Which recordings train, validate and test.

    Parameters
    ----------
    recordings : sequence of Recording
    left_out : str, optional
        A speaker. None: the official split, index 0 to 4 of each digit and speaker for testing;
        5 to 9 validate, as many as test and as like them as can be (the next five in a row of
        fifty). With a name: all of that speaker's for testing; of the others' 0 to 4 validate.

    Raises
    ------
    TaskError
        When there is no such speaker, or a part would be empty.
    """
    speakers = sorted({recording.speaker for recording in recordings})
    if left_out is None:
        test = [r for r in recordings if r.index < HELD_BACK]
        rest, first = [r for r in recordings if r.index >= HELD_BACK], HELD_BACK
    elif left_out in speakers:
        test = [r for r in recordings if r.speaker == left_out]
        rest, first = [r for r in recordings if r.speaker != left_out], 0
    else:
        raise TaskError(f"left_out must be one of {', '.join(speakers)}, not {left_out!r}")
    chosen = range(first, first + HELD_BACK)
    validation = [r for r in rest if r.index in chosen]
    train = [r for r in rest if r.index not in chosen]
    for what, part in (("training", train), ("validation", validation), ("testing", test)):
        if not part:
            raise TaskError(
                f"no recordings are left for {what}: expected several speakers' with indices from "
                f"0 beyond {first + HELD_BACK - 1}, found {len(recordings)} by "
                f"{', '.join(speakers)}, the highest index "
                f"{max(recording.index for recording in recordings)}"
            )
    return train, validation, test


def part_of(recordings: Sequence[Recording]) -> Part:
    """The frames of recordings: x float64 [N, longest, 32], 0 beyond each one's length.

    Raises
    ------
    TaskError
        Naming a recording that cannot be used.
    """
    frames: list[NDArray[np.float64]] = []
    for recording in recordings:
        samples = samples_of(recording)
        try:
            frames.append(log_mel(samples))
        except SpeechError as error:
            raise TaskError(f"{recording.path}: {error}") from error
    lengths = np.array([len(sequence) for sequence in frames], np.int64)
    x = np.zeros((len(frames), int(lengths.max()), BANDS))
    for row, sequence in zip(x, frames, strict=True):
        row[: len(sequence)] = sequence
    return Part(x, np.array([r.digit for r in recordings], np.int64), lengths)


def load(folder: str | os.PathLike[str], left_out: str | None = None) -> TaskData:
    """The spoken-digits task.

    Parameters
    ----------
    folder : path
        Of the recordings; all 3000 of the dataset take about a second.
    left_out : str, optional
        A speaker on whom to test what was trained on the others; see `shares`.

    Returns
    -------
    TaskData
        Ten classes; sequences of unequal lengths. Normalised by z-score / 3 of the training part.

    Raises
    ------
    TaskError
        Saying what was expected of the folder and what was found.
    """
    train, validation, test = (part_of(part) for part in shares(find(folder), left_out))
    return TaskData(
        name="spoken-digits",
        train=train,
        validation=validation,
        test=test,
        normalisation=normalise(train),
        target="class",
        outputs=len(LABELS),
        labels=LABELS,
        batches=batches,
    )


def samples_of(recording: Recording) -> NDArray[np.int16]:
    """Read a recording: int16 [samples].

    Raises
    ------
    TaskError
        When it cannot be read, or is no such WAV file.
    """
    try:
        return read_wav(recording.path)
    except OSError as error:
        raise TaskError(f"{recording.path}: cannot be read: {error.strerror or error}") from error
    except SpeechError as error:
        raise TaskError(str(error)) from error
