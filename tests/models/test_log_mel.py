"""The front end: the frames of a formula, whatever the pieces, and a gain control that waits."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import log_mel as module
from models.log_mel import BANDS, DECAY, MEMORY, QUIET, RATE, SHARE, LogMel, log_mel
from models.wav import SpeechError

WINDOW, HOP = 256, 128


def sound(seed, length, loud=0.1):
    """Noise that grows and fades, as floats in [-1, 1]."""
    rng = np.random.default_rng(seed)
    swell = np.exp(np.cumsum(rng.normal(0, 0.02, length)) - 1)
    return np.clip(loud * swell * rng.standard_normal(length), -1, 1)


def energies(samples):
    """Log energies of 32 mel bands, by their definition, in float64."""
    starts = range(0, len(samples) - WINDOW + 1, HOP)
    windows = np.stack([samples[start : start + WINDOW] for start in starts])
    windows = windows - windows.mean(axis=1, keepdims=True)
    before = np.concatenate([windows[:, :1], windows[:, :-1]], axis=1)
    windows = windows - 0.97 * before
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))
    power = np.abs(np.fft.rfft(windows * hann, axis=1)) ** 2

    def mel(hertz):
        return 1127 * np.log(1 + np.asarray(hertz) / 700)

    edges = np.linspace(mel(40), mel(RATE / 2), BANDS + 2)
    place = mel(np.arange(WINDOW // 2) * RATE / WINDOW)
    rising = (place - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - place) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0, np.minimum(rising, falling))
    assert (weights.sum(axis=1) > 0).all()
    return np.log(np.maximum(power[:, :-1] @ weights.T, np.finfo(np.float32).eps))


def controlled(logs):
    """The controls of gain and bands, by their definition."""
    peak, level, frames = QUIET, None, []
    kept = np.exp(-0.016 / MEMORY)
    for frame in logs:
        peak = max(frame.max(), peak - DECAY * 0.016, QUIET)
        gained = frame - peak
        level = gained if level is None else kept * level + (1 - kept) * gained
        frames.append(gained - SHARE * level)
    return np.array(frames)


@pytest.mark.parametrize("loud", [0.3, 1e-2, 1e-4])
def test_frames_are_those_of_the_formula(loud):
    samples = sound(1, 8000, loud)
    np.testing.assert_allclose(log_mel(samples), controlled(energies(samples)), atol=2e-3)


PIECES = st.lists(st.integers(0, 700), max_size=12)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1000), pieces=PIECES)
def test_frames_are_the_same_bit_for_bit_in_any_pieces(seed, pieces):
    samples = np.rint(32767 * sound(seed, 3000)).astype(np.int16)
    front, found, at = LogMel(), [], 0
    for size in [*pieces, len(samples)]:
        found.append(front.push(samples[at : at + size]))
        at = min(at + size, len(samples))
        # Each frame at once: with the last sample of its window, and no later.
        assert sum(map(len, found)) == max(0, 1 + (at - WINDOW) // HOP)
    found.append(front.finish())
    assert np.concatenate(found).tobytes() == log_mel(samples).tobytes()


def test_frames_are_the_same_when_computed_again():
    samples = sound(2, 4000)
    assert log_mel(samples).tobytes() == log_mel(samples).tobytes()


def test_integers_and_their_floats_give_the_same_frames():
    samples = np.rint(32767 * sound(3, 4000)).astype(np.int16)
    assert log_mel(samples).tobytes() == log_mel(samples / 32768).tobytes()


def test_frames_do_not_depend_on_what_follows():
    samples = sound(4, 4000)
    assert log_mel(samples[:2000]).tobytes() == log_mel(samples)[:14].tobytes()


def test_a_quieter_voice_gives_the_same_frames():
    samples = sound(5, 8000, 0.3)
    np.testing.assert_allclose(log_mel(samples), log_mel(samples / 8), atol=5e-3)


def test_silence_is_far_below_any_voice():
    frames = log_mel(np.zeros(8000, np.int16))
    assert frames.max() < -4.5  # half of 10 nats below the quietest gain: E is log(eps) there


def test_the_gain_control_recovers_from_a_bang():
    voice = sound(6, RATE * 8, 0.01)
    bang = voice.copy()
    bang[:1000] = np.clip(100 * bang[:1000], -1, 1)
    before, after = log_mel(voice), log_mel(bang)
    difference = np.abs(before - after).max(axis=1)
    assert difference[10] > 2 and difference[-1] < 1e-4


def test_no_memory_of_long_sound_is_kept():
    front = LogMel()
    for _ in range(100):
        front.push(np.zeros(HOP, np.int16))
    # Frames given are gone from the extractor, or asking for one would succeed.
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        front._extractor.get_frame(50)


def test_other_rates_and_bands():
    frames = LogMel(16000, 40).push(np.zeros(16000, np.int16))
    assert frames.shape == (1 + (16000 - 512) // 256, 40)


def test_nothing_gives_no_frame():
    front = LogMel()
    assert front.push(np.zeros(0, np.int16)).shape == (0, BANDS)
    assert front.finish().shape == (0, BANDS)
    assert front.finish().shape == (0, BANDS)


def test_less_than_a_window_is_refused():
    assert log_mel(np.zeros(WINDOW, np.int16)).shape == (1, BANDS)
    with pytest.raises(SpeechError, match=r"at least 32 ms of sound, found 31.9 ms"):
        log_mel(np.zeros(WINDOW - 1, np.int16))


def test_sound_after_its_end_is_refused():
    front = LogMel()
    front.finish()
    with pytest.raises(SpeechError, match="was finished"):
        front.push(np.zeros(1, np.int16))


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.zeros((2, 2), np.int16), r"shape \[n\], not \[2, 2\]"),
        (np.zeros(2, np.int32), "must be int16, or floats in .*, not int32"),
        (np.array([0.0, 1.5]), "sample 1 is 1.5"),
        (np.array([np.nan]), "sample 0 is nan"),
    ],
)
def test_what_is_no_sound_is_refused(samples, message):
    with pytest.raises(SpeechError, match=message):
        LogMel().push(samples)


@pytest.mark.parametrize(
    "arguments, message", [((100,), "rate must be"), ((8000, 0), "bands must be")]
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(SpeechError, match=message):
        LogMel(*arguments)


def test_a_missing_library_says_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", None)
    with pytest.raises(SpeechError, match=r"pip install 'addgate\[speech\]'"):
        LogMel()


def test_the_names_say_what_the_extractor_does():
    assert (module.WINDOW_MS * RATE, module.HOP_MS * RATE) == (WINDOW * 1000, HOP * 1000)
