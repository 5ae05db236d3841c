"""`listen`: words in a sound, from a file or as it comes from a microphone."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from host.cli.common import EXIT_OK, Commands, add_device_command, count, open_device, print_facts
from host.errors import InputError
from host.listening import (
    Listener,
    as_frames,
    check_length,
    check_network,
    labels_of,
    raw_samples,
)
from models.file import load
from models.log_mel import HOP_MS, RATE
from models.spotting import Detection, Detector, Rates, Windows, check_truth, judge, read_words
from models.wav import read_wav

_EXAMPLES = """\
python -m host listen long.wav spoken.safetensors --truth long.csv
arecord -f S16_LE -r 8000 -t raw | python -m host listen - spoken.safetensors --device /dev/ttyUSB1
"""

_DETAILS = """
SOUND is a WAV file of 8 kHz, 16 bit, one channel, or - for such samples, raw, on standard input.
Every hop, the last window of log-mel frames is a sequence of its own for the device; its answers
become confidences, averaged over some windows. docs/howto/keyword-spotting.md says more.

Detections are CSV with a header: time (seconds, the end of the window that decided), label,
confidence. With --truth, a list of the words (CSV: start,end,label in seconds), it ends with how
many were found and with the false alarms an hour; the labels must be the network's, and the words
lie within the sound. With --json each is an object a line. A sound shorter than a window is an
error.
"""

#: Windows taken before their answers are given: from a file, and from a live sound.
_AHEAD_FILE, _AHEAD_LIVE = 16, 1
_PIECE = 8000


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_device_command(
        commands,
        "listen",
        _perform,
        "detect words in a sound, from a file or live",
        _EXAMPLES,
        _DETAILS,
    )
    command.add_argument("sound", metavar="SOUND", help="WAV file; -: raw standard input")
    command.add_argument("file", metavar="NETWORK", help="network file (.safetensors)")
    setting = command.add_argument
    setting("--window", type=_seconds, default=0.768, metavar="S", help="length (default 0.768)")
    setting("--hop", type=_seconds, default=0.128, metavar="S", help="between them (default 0.128)")
    setting("--smoothing", type=count, default=3, metavar="N", help="windows averaged (default 3)")
    setting(
        "--threshold", type=float, default=0.8, metavar="C", help="least confidence (default 0.8)"
    )
    setting(
        "--refractory",
        type=float,
        default=0.6,
        metavar="S",
        help="after a detection there is none for so long (default 0.6)",
    )
    setting("--truth", metavar="FILE.csv", help="the words that are in the sound")


def _perform(options: argparse.Namespace) -> int:
    network = load(options.file)
    window, hop = as_frames(options.window), as_frames(options.hop)
    windows = Windows(window, hop)
    check_network(network, window)
    detector = Detector(
        labels_of(network), options.smoothing, options.threshold, options.refractory
    )
    words = None if options.truth is None else read_words(options.truth)
    # A file is read now, so that a bad one is refused before the device is opened.
    samples = None if options.sound == "-" else _recorded(options.sound, window)
    if words is not None:
        known = None if samples is None else len(samples) / RATE
        check_truth(options.truth, words, detector.labels, known)
    pieces, ahead = (_live(), _AHEAD_LIVE) if samples is None else (_pieces(samples), _AHEAD_FILE)
    found = []
    with open_device(options, network=network) as device:
        listener = Listener(device, windows, detector)
        if not options.json:
            print("time,label,confidence", flush=True)
        for detection in listener.listen(pieces, ahead):
            print(_line(detection, options.json), flush=True)
            if words is not None:
                found.append(detection)
    if words is not None:
        if samples is None:
            check_truth(options.truth, words, detector.labels, listener.seconds)
        span = (window + (options.smoothing - 1) * hop) * HOP_MS / 1000
        _report(judge(found, words, listener.seconds, span), listener, options.json)
    return EXIT_OK


def _seconds(text: str) -> float:
    """Return an argument that must be a length of at least a frame and at most a minute."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not HOP_MS / 1000 <= value <= 60:
        raise argparse.ArgumentTypeError(
            f"expected seconds from {HOP_MS / 1000} to 60, found {text!r}"
        )
    return value


def _recorded(name: str, window: int) -> NDArray[np.int16]:
    """The samples of a file, of a window of frames at least."""
    samples = read_wav(name)
    try:
        check_length(len(samples), window)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return samples


def _pieces(samples: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
    return (samples[start : start + _PIECE] for start in range(0, len(samples), _PIECE))


def _live() -> Iterator[NDArray[np.int16]]:
    if sys.stdin is None:
        raise OSError("standard input is closed: expected samples there, or a WAV file")
    return raw_samples(sys.stdin.buffer)


def _line(detection: Detection, as_json: bool) -> str:
    time, confidence = round(detection.time, 3), round(detection.confidence, 4)
    if as_json:
        return json.dumps({"time": time, "label": detection.label, "confidence": confidence})
    return f"{time:.3f},{detection.label},{confidence:.4f}"


def _report(rates: Rates, listener: Listener, as_json: bool) -> None:
    """Print what became of the words, and what the device had to do."""
    busy = listener.busy / listener.seconds
    if as_json:
        more = {"false_alarms_an_hour": rates.false_alarms_an_hour}
        print(json.dumps({**asdict(rates), **more, "windows": listener.answered, "busy": busy}))
        return
    print()
    print_facts(
        [
            ("sound", f"{listener.seconds:.1f} s, {listener.answered} windows"),
            ("words", rates.words),
            ("hits", f"{rates.hits} ({rates.hits / max(1, rates.words):.1%})"),
            ("wrong labels", rates.wrong),
            ("misses", rates.misses),
            ("false alarms", f"{rates.false_alarms}, {rates.false_alarms_an_hour:.1f} an hour"),
            ("device busy", f"{busy:.2%} of the sound's time"),
        ]
    )
