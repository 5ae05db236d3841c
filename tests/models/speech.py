"""Synthetic recordings for tests: each digit a chord of its own, each speaker a pitch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.wav import write_wav

RATE = 8000


def chord(digit: int, pitch: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Two tones and a little noise: int16."""
    time = np.arange(round(seconds * RATE)) / RATE
    tones = sum(
        np.sin(2 * np.pi * pitch * f * time) for f in (300 + 150 * digit, 2900 - 90 * digit)
    )
    loud = np.sin(np.pi * np.arange(len(time)) / len(time))
    sound = 0.2 * loud * tones + 1e-3 * rng.standard_normal(len(time))
    return np.rint(32767 * np.clip(sound, -1, 1)).astype(np.int16)


def write_recordings(
    folder: Path, speakers: tuple[str, ...] = ("ann", "bob"), indices: int = 12, digits: int = 10
) -> Path:
    """A folder like the dataset's; recordings of 0.2 to 0.5 s."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number, speaker in enumerate(speakers):
        for digit in range(digits):
            for index in range(indices):
                samples = chord(digit, 1 + 0.05 * number, rng.uniform(0.2, 0.5), rng)
                write_wav(folder / f"{digit}_{speaker}_{index}.wav", samples)
    return folder
