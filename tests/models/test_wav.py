"""WAV files: what is written is read, and what is no such file is named."""

import wave

import numpy as np
import pytest

from models.wav import SpeechError, read_wav, write_wav

SAMPLES = np.array([0, 1, -1, 32767, -32768], np.int16)


def test_what_is_written_is_read(tmp_path):
    write_wav(tmp_path / "a.wav", SAMPLES)
    found = read_wav(tmp_path / "a.wav")
    assert found.dtype == np.int16 and found.tolist() == SAMPLES.tolist()


@pytest.mark.parametrize(
    "rate, width, channels, message",
    [
        (16000, 2, 1, "expected 8000 Hz, 16 bit, 1 channel; found 16000 Hz, 16 bit, 1 channel"),
        (8000, 1, 1, "found 8000 Hz, 8 bit, 1 channel"),
        (8000, 2, 2, "found 8000 Hz, 16 bit, 2 channels"),
    ],
)
def test_another_format_is_named(tmp_path, rate, width, channels, message):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes(8 * width * channels))
    with pytest.raises(SpeechError, match=f"a.wav: .*{message}"):
        read_wav(tmp_path / "a.wav")


def test_another_rate_may_be_expected(tmp_path):
    write_wav(tmp_path / "a.wav", SAMPLES, 16000)
    assert len(read_wav(tmp_path / "a.wav", 16000)) == len(SAMPLES)


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\x04\x00\x00\x00WAVE"])
def test_what_is_no_wav_file_is_named(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(SpeechError, match="a.wav: expected a WAV file of PCM samples, found: "):
        read_wav(tmp_path / "a.wav")


def test_a_file_cut_short_is_named(tmp_path):
    write_wav(tmp_path / "a.wav", SAMPLES)
    raw = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(raw[:-4])
    with pytest.raises(SpeechError, match="expected 5 samples, as its header says, found 3"):
        read_wav(tmp_path / "a.wav")
