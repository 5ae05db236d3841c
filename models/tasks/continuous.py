"""`python -m models.tasks.continuous FOLDER OUT.wav OUT.csv`: a long sound with spoken digits.

Recordings one after the other, pauses between them, noise under all of it: what a detector
(`models.spotting`) meets, with the truth beside it. And windows of such sounds as a task to train
on, with a class for what is no word.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.log_mel import HOP_MS, RATE, log_mel
from models.spotting import BACKGROUND, Word, write_words
from models.tasks import spoken_digits
from models.tasks.data import Part, TaskData, TaskError, normalise
from models.tasks.spoken_digits import LABELS, Recording
from models.wav import write_wav
from models.writing import check_output

__all__ = ["Sound", "WINDOW", "compose", "load", "main"]

WINDOW = 48
"""Frames of a window, 0.77 s: nine in ten recordings of the dataset are shorter than 0.6 s."""
INSIDE, OUTSIDE = 0.9, 0.4
"""A window is of a word if it holds this share of it, and of none if it holds less than that."""
SHORTEST_PAUSE = 0.3


@dataclass(frozen=True, eq=False)
class Sound:
    """A sound and its words.

    Parameters
    ----------
    samples : int16 [n]
    words : list of Word
        In order, seconds.
    """

    samples: NDArray[np.int16]
    words: list[Word]

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / RATE


def compose(
    recordings: Sequence[Recording],
    rng: np.random.Generator,
    snr: float | None = 20.0,
    pause: float = 3.0,
    seconds: float | None = None,
) -> Sound:
    """Put recordings, in the order given, into one sound.

    Parameters
    ----------
    recordings : sequence of Recording
    rng : numpy Generator
    snr : float or None
        Decibels that the mean power of each recording lies above that of the noise, which is
        pink and the same throughout; recordings are made equally loud (-26 dB of full scale) for
        that. None: silence, and the recordings as loud as they are.
    pause : float
        Longest pause, seconds; they are drawn from U(0.3, pause), one before each recording and
        one at the end.
    seconds : float, optional
        No recording is begun that would end later, and the sound is this long; by default it
        ends with the pause after the last recording.

    Raises
    ------
    TaskError
        When the pause is too short, or no recording fits.
    """
    if not SHORTEST_PAUSE <= pause < float("inf"):
        raise TaskError(f"pause must be at least {SHORTEST_PAUSE} seconds, not {pause}")
    pieces: list[NDArray[np.float64]] = []
    words: list[Word] = []
    at = 0
    for recording in recordings:
        gap = round(rng.uniform(SHORTEST_PAUSE, pause) * RATE)
        voice = spoken_digits.samples_of(recording) / 32768
        if snr is not None:
            voice *= _LOUD / max(float(np.sqrt(np.mean(voice**2))), 1e-6)
        end = at + gap + len(voice)
        if seconds is not None and end > seconds * RATE:
            break
        pieces += [np.zeros(gap), voice]
        words.append(Word((at + gap) / RATE, end / RATE, LABELS[recording.digit]))
        at = end
    if not words:
        raise TaskError(f"expected a recording that fits into the sound, found {seconds} seconds")
    length = at + round(rng.uniform(SHORTEST_PAUSE, pause) * RATE)
    sound = np.zeros(length if seconds is None else round(seconds * RATE))
    sound[:at] = np.concatenate(pieces)
    if snr is not None:
        sound += _LOUD * 10 ** (-snr / 20) * _pink(rng, len(sound))
    return Sound(np.rint(32767 * np.clip(sound, -1, 1)).astype(np.int16), words)


def load(folder: str | os.PathLike[str], left_out: str | None = None, seed: int = 0) -> TaskData:
    """Windows of continuous sounds, made of the parts of `spoken_digits.load`.

    Parameters
    ----------
    folder : path
    left_out : str, optional
        As of `spoken_digits.load`.
    seed : int
        Of pauses, noise and windows.

    Returns
    -------
    TaskData
        Eleven classes, the digits and `BACKGROUND`; x [N, 48, 32], two windows of each word and
        two of none for each word. The noise under a stretch of fifty words lies 5 to 40 dB below
        them, or there is none.

    Raises
    ------
    TaskError
        As `spoken_digits.load`.
    """
    recordings = spoken_digits.shares(spoken_digits.find(folder), left_out)
    train, validation, test = (
        _windows(part, np.random.default_rng([seed, number]))
        for number, part in enumerate(recordings)
    )
    return TaskData(
        name="spoken-digits-stream",
        train=train,
        validation=validation,
        test=test,
        normalisation=normalise(train),
        target="class",
        outputs=len(LABELS) + 1,
        labels=(*LABELS, BACKGROUND),
    )


_LOUD = 0.05
"""Root mean square of a recording in noise: -26 dB of full scale."""
_STRETCH = 50
"""Recordings under which the noise is the same."""


def _pink(rng: np.random.Generator, length: int) -> NDArray[np.float64]:
    """Noise whose power falls as 1 / frequency, of unit power."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, length)
    return np.asarray(noise / noise.std())


def _windows(recordings: Sequence[Recording], rng: np.random.Generator) -> Part:
    """Two windows of each word, and two of none for each word."""
    order = rng.permutation(len(recordings))
    x: list[NDArray[np.float64]] = []
    y: list[int] = []
    for start in range(0, len(order), _STRETCH):
        some = [recordings[row] for row in order[start : start + _STRETCH]]
        snr = None if rng.random() < 0.2 else float(rng.uniform(5.0, 40.0))
        sound = compose(some, rng, snr, pause=2.0)
        every = sliding_window_view(log_mel(sound.samples), WINDOW, axis=0).swapaxes(1, 2)
        label = _labels(sound.words, len(every))
        for word in range(len(some)):
            rows = np.flatnonzero(label == word)
            x += [every[row] for row in rng.permutation(rows)[:2]]
            y += [some[word].digit] * min(2, len(rows))
        rows = rng.permutation(np.flatnonzero(label == _NOTHING))[: 2 * len(some)]
        x += [every[row] for row in rows]
        y += [len(LABELS)] * len(rows)
    return Part(np.array(x), np.array(y, np.int64))


_NOTHING, _UNCLEAR = -1, -2


def _labels(words: Sequence[Word], count: int) -> NDArray[np.int64]:
    """The word of each window [count], or what else it is of."""
    begin = np.arange(count) * HOP_MS / 1000
    end = begin + WINDOW * HOP_MS / 1000
    label = np.full(count, _NOTHING)
    for number, word in enumerate(words):
        # A word longer than a window can only be held by so much.
        most = min(word.end - word.start, WINDOW * HOP_MS / 1000)
        held = (np.minimum(end, word.end) - np.maximum(begin, word.start)) / most
        free = label == _NOTHING
        label[(held >= INSIDE) & free] = number
        label[(held > OUTSIDE) & (held < INSIDE)] = _UNCLEAR
        label[(held > OUTSIDE) & ~free] = _UNCLEAR  # two words in one window
    return label


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.tasks.continuous",
        description="Make a long sound of the folder's test recordings, drawn at random, and a "
        "list of its words (CSV: start, end, label).",
        epilog="example:\n  python -m models.tasks.continuous recordings build/long.wav "
        "build/long.csv --minutes 10 --snr 20\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="recordings named DIGIT_SPEAKER_INDEX.wav")
    add("sound", metavar="OUT.wav", type=Path)
    add("words", metavar="OUT.csv", type=Path)
    add("--minutes", type=float, default=10.0, help="length (default 10)")
    add("--seed", type=int, default=0, help="of order, pauses and noise (default 0)")
    add("--snr", type=float, default=20.0, metavar="DB", help="voice over noise (default 20)")
    add("--silence", action="store_true", help="no noise, and the recordings as loud as they are")
    add("--pause", type=float, default=3.0, metavar="S", help="longest, in seconds (default 3)")
    add("--left-out", metavar="NAME", help="use this speaker's recordings, all of them")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 0, or 2 on bad input."""
    options = _parser().parse_args(argv)
    try:
        if not 0 < options.minutes <= 24 * 60:
            raise TaskError(f"--minutes must be above 0 and at most 1440, not {options.minutes}")
        if not -20 <= options.snr <= 100:
            raise TaskError(f"--snr must be from -20 to 100 dB, not {options.snr}")
        for path in (options.sound, options.words):
            check_output(path)
        test = spoken_digits.shares(spoken_digits.find(options.folder), options.left_out)[2]
        rng = np.random.default_rng(options.seed)
        # Enough of them, since no pause is shorter, and no recording shorter than a window.
        wanted = round(options.minutes * 60 / SHORTEST_PAUSE) + 1
        drawn = [test[row] for row in rng.integers(0, len(test), wanted)]
        snr = None if options.silence else options.snr
        sound = compose(drawn, rng, snr, options.pause, 60 * options.minutes)
        write_wav(options.sound, sound.samples)
        write_words(options.words, sound.words)
    except (TaskError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{sound.seconds:.1f} s with {len(sound.words)} words: {options.sound}, {options.words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
