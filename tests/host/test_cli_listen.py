"""`listen`: the golden model's answers as detections, from a file and live, and what is refused."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from host.cli import main
from host.device import Device
from models.file import save
from models.golden import GoldenModel
from models.log_mel import log_mel
from models.network import Normalisation
from models.random_networks import random_network
from models.spotting import Detector, Windows, Word, confidences, judge, write_words
from models.wav import write_wav
from tests.host.helpers import device_for

ROOT = Path(__file__).resolve().parents[2]
WINDOW, HOP, SMOOTHING, THRESHOLD, REFRACTORY = 20, 5, 2, 0.6, 0.3
SETTINGS = ["--window=0.32", "--hop=0.08", "--smoothing=2", "--threshold=0.6", "--refractory=0.3"]
LABELS = ("yes", "no", "background")


def speaking(mode="sum", **changes):
    """A network that takes frames; its weights are drawn, since no answer need make sense here."""
    network = random_network(3, inputs=32, units=(12,), mode=mode, shifts=(3, 5))
    unit = Normalisation(np.full(32, -3.0), np.full(32, 1 / 4))
    labelled = replace(network.spec, labels=LABELS, **changes)
    return replace(network, spec=labelled, normalisation=unit)


def sound(seconds=8.0, seed=0):
    """Noise of changing loudness and colour, int16."""
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(round(seconds / 0.4)):
        tone = np.sin(2 * np.pi * rng.uniform(200, 3000) * np.arange(3200) / 8000)
        pieces.append(0.3 * tone * rng.random() + 0.02 * rng.standard_normal(3200))
    return np.rint(32767 * np.clip(np.concatenate(pieces), -1, 1)).astype(np.int16)


def expected(network, samples):
    """(time, label, confidence), by golden model, window by window."""
    detector, model, found = Detector(LABELS, SMOOTHING, THRESHOLD, REFRACTORY), None, []
    model = GoldenModel(network)
    steps = WINDOW if network.spec.readout.mode == "sum" else 1
    for number, window in enumerate(Windows(WINDOW, HOP).push(log_mel(samples))):
        scores = model.run(network.quantize(window[None])).scores[0]
        end = ((WINDOW - 1 + number * HOP) * 128 + 256) / 8000
        one = detector.push(end, confidences(scores, network.spec.hb, steps))
        if one is not None:
            found.append(one)
    return found


def lines_of(detections):
    return [f"{d.time:.3f},{d.label},{d.confidence:.4f}" for d in detections]


@pytest.fixture
def place(tmp_path):
    """A function that writes a network and a sound, and returns their paths, the sound's first."""

    def write(network, samples):
        save(network, tmp_path / "n.safetensors")
        write_wav(tmp_path / "s.wav", samples)
        return [str(tmp_path / "s.wav"), str(tmp_path / "n.safetensors")]

    return write


@pytest.fixture
def heard(capsys):
    """A function that runs `listen` and returns status, lines of answers, and messages."""

    def run(*arguments):
        status = main(["listen", *arguments])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    return run


@pytest.mark.parametrize("mode", ["sum", "last", "every"])
def test_detections_are_those_of_the_golden_model(place, heard, mode):
    network, samples = speaking(mode), sound()
    wanted = lines_of(expected(network, samples))
    status, lines, _ = heard(*place(network, samples), *SETTINGS)
    assert status == 0 and lines == ["time,label,confidence", *wanted] and len(wanted) >= 3


def test_any_device_gives_the_same(place, heard, kind, monkeypatch):
    network, samples = speaking(), sound(3.0)
    device = device_for(kind, network)
    device.load(network)
    monkeypatch.setattr(Device, "open", staticmethod(lambda where, **options: device))
    status, lines, _ = heard(*place(network, samples), *SETTINGS)
    assert status == 0 and lines[1:] == lines_of(expected(network, samples)) and lines[1:]


@pytest.mark.parametrize("size", [1, 3, 333, 100_000])
def test_a_live_sound_in_any_pieces_gives_the_same(place, heard, monkeypatch, size):
    network, samples = speaking(), sound(2.0)
    raw = io.BytesIO(samples.astype("<i2").tobytes())
    reader = SimpleNamespace(read=lambda most: raw.read(min(most, size)))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=reader))
    _, file = place(network, samples)
    status, lines, _ = heard("-", file, *SETTINGS)
    assert status == 0 and lines[1:] == lines_of(expected(network, samples)) and lines[1:]


def test_a_live_detection_is_printed_before_more_is_said(place):
    network, samples = speaking(), sound()
    first = expected(network, samples)[0]
    enough = round(first.time * 8000)  # the last sample of the window that decides
    process = subprocess.Popen(
        [sys.executable, "-m", "host", "listen", "-", place(network, samples)[1], *SETTINGS],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            process.stdin.write(samples[:enough].astype("<i2").tobytes())
            process.stdin.flush()
            # Waits for ever if the detection waits for more sound.
            lines = [process.stdout.readline().decode().rstrip() for _ in range(2)]
            assert lines == ["time,label,confidence", *lines_of([first])]
            process.stdin.close()
            assert process.wait() == 0
        finally:
            process.kill()


def test_json_has_an_object_a_line(place, heard):
    network, samples = speaking(), sound()
    _, lines, _ = heard(*place(network, samples), *SETTINGS, "--json")
    wanted = expected(network, samples)
    assert [json.loads(line) for line in lines] == [
        {"time": round(d.time, 3), "label": d.label, "confidence": round(d.confidence, 4)}
        for d in wanted
    ]


def test_with_the_truth_it_ends_with_the_rates(place, heard, tmp_path):
    network, samples = speaking(), sound()
    found = expected(network, samples)
    wrong = "no" if found[1].label == "yes" else "yes"
    words = [
        Word(found[0].time - 0.2, found[0].time, found[0].label),  # a hit
        Word(found[1].time - 0.05, found[1].time, wrong),
    ]
    write_words(tmp_path / "t.csv", words)
    rates = judge(found, words, len(samples) / 8000, span=0.4)
    assert rates.hits == rates.wrong == 1 and rates.false_alarms > 0
    arguments = [*place(network, samples), *SETTINGS, f"--truth={tmp_path / 't.csv'}"]
    _, lines, _ = heard(*arguments)
    report = dict(line.split("  ", 1) for line in lines[lines.index("") + 1 :])
    report = {name: value.strip() for name, value in report.items()}
    assert report["words"] == "2" and report["hits"] == "1 (50.0%)"
    an_hour = f"{rates.false_alarms * 3600 / 8:.1f} an hour"
    assert report["false alarms"] == f"{rates.false_alarms}, {an_hour}"
    windows = 1 + (len(log_mel(samples)) - WINDOW) // HOP
    assert report["sound"] == f"8.0 s, {windows} windows"
    facts = json.loads(heard(*arguments, "--json")[1][-1])
    assert facts["false_alarms_an_hour"] == pytest.approx(rates.false_alarms * 450)
    assert facts["hits"] + facts["wrong"] + facts["misses"] == facts["words"] == 2
    assert 0 < facts["busy"] < 1 and facts["windows"] == windows


def test_networks_without_labels_give_numbers(place, heard):
    network, samples = speaking(), sound(3.0)
    bare = replace(network, spec=replace(network.spec, labels=None))
    _, lines, _ = heard(*place(bare, samples), *SETTINGS)
    assert {line.split(",")[1] for line in lines[1:]} <= {"0", "1", "2"} and len(lines) > 1


@pytest.fixture
def live(place, heard, monkeypatch):
    """A function that runs `listen` on samples from standard input."""

    def run(samples, *more):
        raw = io.BytesIO(samples.astype("<i2").tobytes())
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=raw))
        return heard("-", place(speaking(), samples)[1], *SETTINGS, *more)

    return run


#: Samples of a window of 20 frames of 32 ms, 16 ms apart.
SHORTEST = 19 * 128 + 256


@pytest.mark.parametrize("size", [0, 1, 1000, SHORTEST - 1])
def test_a_file_shorter_than_a_window_is_refused_before_a_device_is_opened(
    place, heard, monkeypatch, size
):
    monkeypatch.setattr(Device, "open", staticmethod(lambda *_, **__: pytest.fail("opened")))
    status, lines, said = heard(*place(speaking(), np.zeros(size, np.int16)), *SETTINGS)
    assert status == 2 and not lines
    assert "s.wav: expected a sound of at least one window, 2688 samples (0.336 s), " in said
    assert f"found {size} ({size / 8000:.3f} s)" in said


@pytest.mark.parametrize("size", [0, 1, 1000, SHORTEST - 1])
def test_a_live_sound_that_ends_before_a_window_is_an_error(live, size):
    status, lines, said = live(np.zeros(size, np.int16))
    assert status == 2 and lines == ["time,label,confidence"]
    assert f"expected a sound of at least one window, 2688 samples (0.336 s), found {size} " in said


def test_a_sound_of_one_window_is_heard(place, heard, live, tmp_path):
    samples = np.zeros(SHORTEST, np.int16)
    write_words(tmp_path / "t.csv", [])
    for status, lines, _ in (
        heard(*place(speaking(), samples), *SETTINGS, f"--truth={tmp_path / 't.csv'}"),
        live(samples, f"--truth={tmp_path / 't.csv'}"),
    ):
        assert status == 0 and "0.3 s, 1 windows" in " ".join(lines)


@pytest.mark.parametrize("label", ["neither", "Yes", "background", "0"])
def test_a_truth_of_other_labels_is_refused(place, heard, live, tmp_path, label):
    truth = tmp_path / "t.csv"
    write_words(truth, [Word(0.1, 0.2, "yes"), Word(0.3, 0.4, label)])
    message = f"line 3: expected one of the network's labels, yes, no, found '{label}'"
    for status, lines, said in (
        heard(*place(speaking(), sound(1.0)), *SETTINGS, f"--truth={truth}"),
        live(sound(1.0), f"--truth={truth}"),
    ):
        assert status == 2 and not lines and f"{truth}: {message}" in said


def test_a_truth_that_goes_on_after_the_sound_is_refused(place, heard, live, tmp_path):
    samples, truth = sound(2.0), tmp_path / "t.csv"
    files = place(speaking(), samples)
    long = f"{truth}: line 3: expected words within the sound's 2.000 s, found 'no' from 1.5 to "
    for end in (2.002, 9.0):
        write_words(truth, [Word(0.1, 0.2, "yes"), Word(1.5, end, "no")])
        status, lines, said = heard(*files, *SETTINGS, f"--truth={truth}")
        assert status == 2 and not lines and f"{long}{end:g} s" in said
        # How long a live sound is shows when it has ended; what was detected stands.
        status, lines, said = live(samples, f"--truth={truth}")
        assert status == 2 and "" not in lines and f"{long}{end:g} s" in said
    write_words(truth, [Word(1.5, 2.0005, "no")])  # rounded
    assert heard(*files, *SETTINGS, f"--truth={truth}")[0] == 0
    assert live(samples, f"--truth={truth}")[0] == 0


@pytest.mark.parametrize(
    "network, message",
    [
        (random_network(0, inputs=8), "takes 8 inputs a step; expected the 32 bands of a log-mel"),
        (
            random_network(0, inputs=32, outputs=1, target="value"),
            "gives values; expected one that gives classes",
        ),
        (
            replace(speaking(), normalisation=Normalisation(np.full(32, 0.5), np.ones(32))),
            "trained with another front end: expected a normalisation whose means lie around -5, "
            "as those of log-mel frames do (models.log_mel), found 0.5",
        ),
        (speaking(max_steps=19), "takes at most 19 steps, or its sum leaves 32 bits; a window has"),
    ],
    ids=["inputs", "target", "front end", "steps"],
)
def test_networks_of_another_kind_are_refused(place, heard, network, message):
    status, lines, found = heard(*place(network, sound(1.0)), *SETTINGS)
    assert status == 2 and not lines and message in found


@pytest.mark.parametrize(
    "option, message",
    [
        ("--hop=0.4", "1 <= hop <= window, not 20 and 25"),
        ("--threshold=0", "threshold must be in (0, 1], not 0.0"),
        ("--refractory=-1", "refractory must be at least 0 seconds, not -1.0"),
        ("--truth=absent.csv", "absent.csv"),
    ],
)
def test_impossible_settings_are_refused(place, heard, option, message):
    status, lines, found = heard(*place(speaking(), sound(1.0)), *SETTINGS, option)
    assert status == 2 and not lines and message in found


@pytest.mark.parametrize("value", ["0", "0.001", "61", "nan", "long"])
def test_a_window_must_be_a_length(place, capsys, value):
    with pytest.raises(SystemExit) as ended:
        main(["listen", *place(speaking(), sound(1.0)), f"--window={value}"])
    assert ended.value.code == 2
    assert f"expected seconds from 0.016 to 60, found '{value}'" in capsys.readouterr().err


def test_another_rate_is_refused_before_a_device_is_opened(place, heard, monkeypatch):
    path, file = place(speaking(), sound(1.0))
    write_wav(path, sound(1.0), 16000)
    monkeypatch.setattr(Device, "open", staticmethod(lambda *_, **__: pytest.fail("opened")))
    status, lines, found = heard(path, file, *SETTINGS)
    assert status == 2 and not lines and "expected 8000 Hz" in found and "found 16000 Hz" in found


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"RIFF\x24\x00\x00\x00WAVE", "found a WAV file: give its name"),
        (bytes(7), "expected 16-bit samples, found a byte more at the end"),
        (bytes(1), "expected 16-bit samples, found a byte more at the end"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_not_raw_sound_is_refused(place, heard, monkeypatch, raw, message, size):
    stream = io.BytesIO(raw)
    reader = SimpleNamespace(read=lambda most: stream.read(min(most, size)))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=reader))
    status, _, found = heard("-", place(speaking(), sound(1.0))[1], *SETTINGS)
    assert status == 2 and message in found


def test_a_missing_front_end_says_how_to_get_it(place, heard, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", None)
    status, _, found = heard(*place(speaking(), sound(1.0)), *SETTINGS)
    assert status == 2 and "pip install 'addgate[speech]'" in found
