"""Words in a continuous sound: windows of frames, smoothed confidences, detections, their rates.

Every `hop` frames the last `window` frames are a sequence of their own, which a network takes from
the zero state, as it was trained: so any device runs it as it is, and a mistake is forgotten with
its window. The price is that each frame is computed window / hop times over.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.spec import FRACTION_BITS
from models.writing import write_whole

__all__ = [
    "BACKGROUND",
    "Detection",
    "Detector",
    "Rates",
    "SpottingError",
    "Windows",
    "Word",
    "check_truth",
    "confidences",
    "judge",
    "read_words",
    "write_words",
]

BACKGROUND = "background"
"""Label of the class that is no word; a network need not have one."""
_HEADER = ["start", "end", "label"]
_FIRST_LINE = 2
"""Of a list's words; its header stands before."""
_ROUNDING = 1e-3
"""Seconds that a list's times may be off, since they are written rounded."""


class SpottingError(ValueError):
    """A setting or a list of words that is not possible; says what was expected and found."""


@dataclass(frozen=True)
class Word:
    """Where a word truly is: seconds from the sound's start, and its label."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Detection:
    """A word found.

    Parameters
    ----------
    time : float
        Seconds from the sound's start to the end of the window that decided.
    label : str
    confidence : float
        Smoothed, `threshold` to 1.
    """

    time: float
    label: str
    confidence: float


class Windows:
    """Frames one by one, windows as they fill.

    Parameters
    ----------
    window, hop : int
        Frames, 1 <= hop <= window.
    """

    def __init__(self, window: int, hop: int) -> None:
        if not 1 <= hop <= window:
            raise SpottingError(
                f"window and hop must be frames with 1 <= hop <= window, not {window} and {hop}"
            )
        self.window, self.hop = window, hop
        self._frames: deque[NDArray[np.float64]] = deque(maxlen=window)
        self._wanted = window

    def push(self, frames: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        """Take frames [k, I]; yield the windows [window, I] that they complete, in order."""
        for frame in frames:
            self._frames.append(frame)
            self._wanted -= 1
            if not self._wanted:
                self._wanted = self.hop
                yield np.stack(self._frames)

    def last_frame(self, number: int) -> int:
        """The last frame, counted from 0, of the window with that number, counted from 0."""
        return self.window - 1 + number * self.hop


def confidences(scores: ArrayLike, hb: int, steps: int = 1) -> NDArray[np.float64]:
    """Shares of belief, adding up to 1: softmax of what the network was trained by.

    Parameters
    ----------
    scores : integers [C]
        As a device gives them.
    hb : int
        Fraction bits of the network.
    steps : int
        What a sum was summed over: the window in readout mode "sum", otherwise 1.

    Returns
    -------
    float64 [C]
    """
    logits = np.asarray(scores, np.float64) / (steps * float(1 << (hb + FRACTION_BITS)))
    share = np.exp(logits - logits.max())
    return np.asarray(share / share.sum())


class Detector:
    """Confidences of one window after the other, detections as they are made.

    Confidences are averaged over the last windows. Where that of a word reaches the threshold and
    is the largest, the word is detected, unless something was detected a moment before.

    Parameters
    ----------
    labels : sequence of str
        C names; `BACKGROUND` is never detected.
    smoothing : int
        Windows averaged, at least 1; before there are so many, nothing is detected.
    threshold : float
        Confidence, in (0, 1].
    refractory : float
        Seconds after a detection in which there is no other, at least 0.
    """

    def __init__(
        self,
        labels: Sequence[str],
        smoothing: int = 3,
        threshold: float = 0.8,
        refractory: float = 0.6,
    ) -> None:
        if smoothing < 1:
            raise SpottingError(f"smoothing must be at least 1 window, not {smoothing}")
        if not 0.0 < threshold <= 1.0:
            raise SpottingError(f"threshold must be in (0, 1], not {threshold}")
        if not 0.0 <= refractory < math.inf:
            raise SpottingError(f"refractory must be at least 0 seconds, not {refractory}")
        self.labels = tuple(labels)
        self.threshold, self.refractory = threshold, refractory
        self._last: deque[NDArray[np.float64]] = deque(maxlen=smoothing)
        self._free = -math.inf

    def push(self, time: float, confidence: NDArray[np.float64]) -> Detection | None:
        """Take the confidences [C] of the window that ends at a time, later than the one before."""
        if confidence.shape != (len(self.labels),):
            raise SpottingError(
                f"confidences must have shape [{len(self.labels)}], one for each label, not "
                f"{list(confidence.shape)}"
            )
        self._last.append(confidence)
        if len(self._last) < (self._last.maxlen or 1) or time < self._free:
            return None
        smooth = np.mean(self._last, axis=0)
        best = int(np.argmax(smooth))
        if smooth[best] < self.threshold or self.labels[best] == BACKGROUND:
            return None
        self._free = time + self.refractory
        return Detection(time, self.labels[best], float(smooth[best]))


@dataclass(frozen=True)
class Rates:
    """What became of the words of a sound, and what was detected besides.

    Parameters
    ----------
    words : int
        True ones.
    hits : int
        Words detected with their label.
    wrong : int
        Words detected with other labels only.
    misses : int
        Words not detected; words = hits + wrong + misses.
    false_alarms : int
        Detections where no word is, and second ones of a word.
    hours : float
        Length of the whole sound.
    """

    words: int
    hits: int
    wrong: int
    misses: int
    false_alarms: int
    hours: float

    @property
    def false_alarms_an_hour(self) -> float:
        """False alarms for each hour of sound."""
        return self.false_alarms / self.hours


def judge(
    detections: Iterable[Detection], words: Sequence[Word], seconds: float, span: float
) -> Rates:
    """Compare what was detected with what was said.

    A detection belongs to the word of which the sound that it was made from holds most seconds; if
    it holds none of any, it is a false alarm.

    Parameters
    ----------
    detections : iterable of Detection
    words : sequence of Word
        None begins before the one before has ended.
    seconds : float
        Length of the sound.
    span : float
        Seconds that a detection was made from, up to its time: the window, and one hop for each
        further window of the smoothing.

    Returns
    -------
    Rates

    Raises
    ------
    SpottingError
        When sound or span have no length, or words overlap.
    """
    for what, value in (("the sound", seconds), ("the span of a detection", span)):
        if not 0 < value < math.inf:
            raise SpottingError(f"{what} must be longer than 0 seconds, not {value}")
    ordered = sorted(words, key=lambda word: word.start)
    for before, after in zip(ordered, ordered[1:], strict=False):
        if after.start < before.end:
            raise SpottingError(
                f"words must not overlap, but {after.label!r} begins at {after.start:g} s and "
                f"{before.label!r} ends at {before.end:g} s"
            )
    starts, ends = (np.array([getattr(w, name) for w in ordered]) for name in ("start", "end"))
    found: list[list[str]] = [[] for _ in ordered]
    false_alarms = 0
    for detection in detections:
        held = np.minimum(ends, detection.time) - np.maximum(starts, detection.time - span)
        if len(held) and held.max() > 0:
            found[int(np.argmax(held))].append(detection.label)
        else:
            false_alarms += 1
    hits = sum(word.label in labels for word, labels in zip(ordered, found, strict=True))
    misses = sum(not labels for labels in found)
    return Rates(
        words=len(ordered),
        hits=hits,
        wrong=len(ordered) - hits - misses,
        misses=misses,
        false_alarms=false_alarms + sum(max(0, len(labels) - 1) for labels in found),
        hours=seconds / 3600,
    )


def write_words(path: str | os.PathLike[str], words: Iterable[Word]) -> None:
    """Write where words are, as CSV: start and end in seconds, label."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows((f"{word.start:.4f}", f"{word.end:.4f}", word.label) for word in words)
    write_whole(path, text.getvalue())


def read_words(path: str | os.PathLike[str]) -> list[Word]:
    """Read such a file.

    Raises
    ------
    SpottingError
        Naming file and line, what was expected, and what was found.
    OSError
        When it cannot be read.
    """
    try:
        rows = list(csv.reader(Path(path).read_text(encoding="utf-8").splitlines()))
    except (csv.Error, UnicodeDecodeError) as error:
        raise SpottingError(f"{path}: expected a CSV file, found: {error}") from error
    if not rows or rows[0] != _HEADER:
        found = ",".join(rows[0]) if rows else "nothing"
        raise SpottingError(f"{path}: expected the header {','.join(_HEADER)}, found {found}")
    words = []
    for number, row in enumerate(rows[1:], _FIRST_LINE):
        try:
            start, end, label = float(row[0]), float(row[1]), row[2]
            good = len(row) == 3 and 0 <= start < end < math.inf
        except (ValueError, IndexError):
            good = False
        if not good:
            raise SpottingError(
                f"{path}: line {number}: expected start,end,label with 0 <= start < end, found "
                f"{','.join(row)!r}"
            )
        words.append(Word(start, end, label))
    return words


def check_truth(
    path: str | os.PathLike[str],
    words: Sequence[Word],
    labels: Sequence[str],
    seconds: float | None = None,
) -> None:
    """Refuse a list of words that is not one of this network's labels or of this sound.

    Parameters
    ----------
    path : path
        Of the list, for the message.
    words : sequence of Word
        All of the list, as `read_words` gives them.
    labels : sequence of str
        The network's; `BACKGROUND` is no word, and never detected.
    seconds : float, optional
        Length of the sound, once it is known.

    Raises
    ------
    SpottingError
        Naming file and line, what was expected, and what was found.
    """
    known = [label for label in labels if label != BACKGROUND]
    for line, word in enumerate(words, _FIRST_LINE):
        if word.label not in known:
            raise SpottingError(
                f"{path}: line {line}: expected one of the network's labels, {', '.join(known)}, "
                f"found {word.label!r}"
            )
        if seconds is not None and word.end > seconds + _ROUNDING:
            raise SpottingError(
                f"{path}: line {line}: expected words within the sound's {seconds:.3f} s, found "
                f"{word.label!r} from {word.start:g} to {word.end:g} s"
            )
