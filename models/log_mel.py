"""The front end of speech: sound to log-mel frames, in training, evaluation and host alike.

Every 16 ms a frame of 32 numbers: the logarithms of the energies in 32 mel bands of the last 32 ms
(Hann window, pre-emphasis 0.97, no dither), computed by kaldi-native-fbank, whose extractor is fed
piece by piece. Then two controls that look back only: of the gain, so that a loud and a quiet voice
give nearly the same frames, and of each band, half of whose recent level is taken away, so that
what is the same all the time (a microphone, a voice's colour, noise) counts for less::

    peak[t]  = max(max over bands of E[t], peak[t - 1] - DECAY * hop, QUIET)
    g[t]     = E[t] - peak[t]                                                  at most 0
    level[t] = level[t - 1] + (1 - exp(-hop / MEMORY)) * (g[t] - level[t - 1]),  at first g[0]
    frame[t] = g[t] - SHARE * level[t]

Both are this project's own; the second was chosen by speakers that training had not heard: 71 %
of their digits were told apart instead of 68 % (the three hardest of six, one seed, each trained on
four others), and 65 % with the whole level taken away (MEMORY 0.3).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.wav import SpeechError

__all__ = [
    "BANDS",
    "DECAY",
    "HOP_MS",
    "LOWEST_HZ",
    "MEMORY",
    "QUIET",
    "RATE",
    "SHARE",
    "WINDOW_MS",
    "LogMel",
    "log_mel",
]

RATE = 8000
"""Samples a second."""
BANDS = 32
WINDOW_MS, HOP_MS = 32, 16
LOWEST_HZ = 40.0
"""Lower edge of the first band; the upper edge of the last is half the rate."""
DECAY = 1.0
"""What the gain control's running maximum falls in a second, in nats of energy (4.3 dB)."""
QUIET = -6.0
"""The running maximum falls no further, so that silence stays silence: nats, of samples in [-1, 1).
The quietest recording of the Free Spoken Digit Dataset reaches -4.2."""

MEMORY = 0.15
"""Seconds over which a band's level is averaged, exponentially."""
SHARE = 0.5
"""Share of a band's level that is taken away."""


class LogMel:
    """Sound in, frames out, as soon as there is enough sound for them.

    However the samples are cut into pieces, the frames are the same bit for bit. A frame is ready
    with the last sample of its 32 ms, so the latency is that window and the piece that it came in.
    Memory: at most a window of samples and the frames of one piece, however long the sound is.

    Parameters
    ----------
    rate : int
        Samples a second; 8000 is what networks here are trained with.
    bands : int
        Numbers in a frame.

    Raises
    ------
    SpeechError
        When kaldi-native-fbank is missing, or a parameter is not possible.
    """

    def __init__(self, rate: int = RATE, bands: int = BANDS) -> None:
        if not 2000 <= rate <= 192_000:
            raise SpeechError(f"rate must be from 2000 to 192000 samples a second, not {rate}")
        if not 1 <= bands <= 128:
            raise SpeechError(f"bands must be from 1 to 128, not {bands}")
        self.rate, self.bands = rate, bands
        self._extractor = _extractor(rate, bands)
        self._given = 0
        self._peak = QUIET
        self._level: NDArray[np.float64] | None = None
        self._finished = False

    def push(self, samples: ArrayLike) -> NDArray[np.float64]:
        """Take more sound; return the frames that are ready now.

        Parameters
        ----------
        samples : int16 [n], or float [n] in [-1, 1], n >= 0

        Returns
        -------
        float64 [k, bands]
            k >= 0 frames, each after those before.

        Raises
        ------
        SpeechError
            When the samples are none, or the sound was finished.
        """
        if self._finished:
            raise SpeechError("the sound was finished: use another LogMel for the next one")
        self._extractor.accept_waveform(self.rate, _waveform(samples).tolist())
        return self._ready()

    def finish(self) -> NDArray[np.float64]:
        """End the sound; return what frames are left: float64 [k, bands].

        A window that is not full gives no frame, so k is 0, unless the extractor kept one.
        """
        if not self._finished:
            self._finished = True
            self._extractor.input_finished()
        return self._ready()

    def _ready(self) -> NDArray[np.float64]:
        count = self._extractor.num_frames_ready - self._given
        frames = np.empty((count, self.bands))
        for row in range(count):
            frames[row] = self._extractor.get_frame(self._given + row)
        self._extractor.pop(count)  # or it would keep every frame there ever was
        self._given += count
        for frame in frames:
            self._control(frame)
        return frames

    def _control(self, frame: NDArray[np.float64]) -> None:
        """Both controls, in place."""
        self._peak = max(float(frame.max()), self._peak - DECAY * HOP_MS / 1000, QUIET)
        frame -= self._peak
        if self._level is None:
            self._level = frame.copy()
        self._level += -math.expm1(-HOP_MS / 1000 / MEMORY) * (frame - self._level)
        frame -= SHARE * self._level


def log_mel(samples: ArrayLike, rate: int = RATE, bands: int = BANDS) -> NDArray[np.float64]:
    """The frames of a whole recording.

    Parameters
    ----------
    samples : int16 [n], or float [n] in [-1, 1]
        At least a window, 32 ms.
    rate, bands : int
        As of `LogMel`.

    Returns
    -------
    float64 [k, bands], k = 1 + (n - window) // hop

    Raises
    ------
    SpeechError
        When there is less sound than a window, or the samples are none.
    """
    front = LogMel(rate, bands)
    frames = np.concatenate([front.push(samples), front.finish()])
    if not len(frames):
        found = 1000 * np.size(samples) / rate
        raise SpeechError(f"expected at least {WINDOW_MS} ms of sound, found {found:.1f} ms")
    return frames


def _extractor(rate: int, bands: int) -> Any:
    try:
        import kaldi_native_fbank as kaldi
    except ImportError as error:
        raise SpeechError(
            "speech needs kaldi-native-fbank, which is not installed: pip install 'addgate[speech]'"
        ) from error
    options = kaldi.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq = float(rate)
    frame.frame_length_ms, frame.frame_shift_ms = float(WINDOW_MS), float(HOP_MS)
    frame.window_type = "hanning"
    frame.dither = 0.0  # or no two runs would give the same frames
    frame.preemph_coeff = 0.97
    frame.remove_dc_offset = True
    frame.snip_edges = True  # full windows only
    mel.num_bins = bands
    mel.low_freq, mel.high_freq = LOWEST_HZ, 0.0  # 0: half the rate
    return kaldi.OnlineFbank(options)


def _waveform(samples: ArrayLike) -> NDArray[np.float32]:
    """Samples in [-1, 1], as floats."""
    array = np.asarray(samples)
    if array.ndim != 1:
        raise SpeechError(f"samples must have shape [n], not {list(array.shape)}")
    if array.dtype == np.int16:
        return array.astype(np.float32) / np.float32(32768)
    if array.dtype.kind != "f":
        raise SpeechError(f"samples must be int16, or floats in [-1, 1], not {array.dtype}")
    bad = ~(np.abs(array) <= 1)  # NaN is bad too
    if bad.any():
        where = int(np.argmax(bad))
        raise SpeechError(
            f"float samples must lie in [-1, 1], but sample {where} is {array[where]}"
        )
    return array.astype(np.float32)
