"""Windows, smoothing, refractory period, and what counts as a hit or a false alarm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.log_mel import RATE, log_mel
from models.spotting import (
    BACKGROUND,
    Detection,
    Detector,
    SpottingError,
    Windows,
    Word,
    check_truth,
    confidences,
    judge,
    read_words,
    write_words,
)
from models.tasks import continuous, spoken_digits
from models.tasks.data import TaskError
from models.wav import read_wav
from tests.models.speech import write_recordings

FRAMES = np.arange(100.0)[:, None]


@given(
    window=st.integers(1, 20),
    share=st.floats(0.01, 1),
    pieces=st.lists(st.integers(0, 30), max_size=8),
)
def test_windows_are_the_last_frames_every_hop_in_any_pieces(window, share, pieces):
    hop = max(1, round(share * window))
    windows, found, at = Windows(window, hop), [], 0
    for size in [*pieces, len(FRAMES)]:
        found += windows.push(FRAMES[at : at + size])
        at += size
    wanted = range(window - 1, len(FRAMES), hop)
    assert [int(w[-1, 0]) for w in found] == list(wanted)
    assert [windows.last_frame(number) for number in range(len(found))] == list(wanted)
    for one in found:
        assert np.array_equal(one[:, 0], np.arange(one[0, 0], one[0, 0] + window))


@pytest.mark.parametrize("window, hop", [(0, 0), (4, 0), (4, 5), (-1, 1)])
def test_impossible_windows_are_refused(window, hop):
    with pytest.raises(SpottingError, match=f"1 <= hop <= window, not {window} and {hop}"):
        Windows(window, hop)


def test_confidences_are_the_softmax_of_the_mean_logits():
    scores = np.array([4096 * 10, 0, -4096 * 20])  # at hb = 7 a logit of 1 is 4096
    wanted = np.exp([1.0, 0.0, -2.0])
    np.testing.assert_allclose(confidences(scores, 7, 10), wanted / wanted.sum())
    np.testing.assert_allclose(confidences(scores // 10, 7), wanted / wanted.sum())
    np.testing.assert_allclose(confidences(scores // 160, 3), wanted / wanted.sum())
    assert confidences(np.array([1 << 40, 0]), 7).tolist() == [1, 0]


LABELS = ("yes", "no", BACKGROUND)
YES, NO, NOTHING = np.eye(3)


def detections(windows, **settings):
    """Of windows that end at 1, 2, 3 ... seconds."""
    settings = {"smoothing": 1, "threshold": 0.6, "refractory": 0.0} | settings
    detector = Detector(LABELS, **settings)
    found = [detector.push(float(time), one) for time, one in enumerate(windows, 1)]
    return [(one.time, one.label, one.confidence) for one in found if one is not None]


def test_a_word_at_the_threshold_is_detected_with_its_confidence():
    windows = [np.array([0.6, 0.3, 0.1]), np.array([0.59, 0.3, 0.11]), np.array([0.1, 0.7, 0.2])]
    assert detections(windows) == [(1, "yes", 0.6), (3, "no", 0.7)]


def test_background_is_never_detected():
    assert detections([NOTHING] * 5) == []


def test_smoothing_averages_the_last_windows_and_waits_for_them():
    windows = [YES, YES, NO, YES, YES, YES]
    assert [time for time, *_ in detections(windows, smoothing=3, threshold=0.99)] == [6]
    found = detections(windows, smoothing=3)
    assert [(time, label) for time, label, _ in found] == [(t, "yes") for t in (3, 4, 5, 6)]
    assert found[0][2] == pytest.approx(2 / 3)


def test_one_bad_window_is_smoothed_away():
    assert detections([NOTHING, NOTHING, YES, NOTHING, NOTHING], smoothing=3) == []


@pytest.mark.parametrize(
    "refractory, times", [(0, [1, 2, 3, 4, 5]), (1.5, [1, 3, 5]), (2, [1, 3, 5]), (9, [1])]
)
def test_after_a_detection_there_is_none_for_the_refractory_period(refractory, times):
    assert [time for time, *_ in detections([YES] * 5, refractory=refractory)] == times


def test_the_refractory_period_holds_for_all_words():
    assert [label for _, label, _ in detections([YES, NO, NO], refractory=2)] == ["yes", "no"]


@pytest.mark.parametrize(
    "setting, value, message",
    [
        ("smoothing", 0, "smoothing must be at least 1 window, not 0"),
        ("threshold", 0.0, r"threshold must be in \(0, 1\], not 0.0"),
        ("threshold", 1.1, r"threshold must be in \(0, 1\], not 1.1"),
        ("threshold", float("nan"), r"threshold must be in \(0, 1\], not nan"),
        ("refractory", -1.0, "refractory must be at least 0 seconds, not -1.0"),
        ("refractory", float("inf"), "refractory must be at least 0 seconds, not inf"),
    ],
)
def test_impossible_detectors_are_refused(setting, value, message):
    with pytest.raises(SpottingError, match=message):
        Detector(LABELS, **{setting: value})


def test_other_classes_than_labels_are_refused():
    with pytest.raises(SpottingError, match=r"must have shape \[3\], one for each label, not \[2"):
        Detector(LABELS).push(1.0, np.array([0.5, 0.5]))


WORDS = [Word(10, 11, "yes"), Word(20, 21, "no"), Word(21.5, 22, "yes")]


def rates(*found, words=WORDS, seconds=1800.0):
    one = judge([Detection(time, label, 0.9) for time, label in found], words, seconds, span=1.0)
    assert one.words == one.hits + one.wrong + one.misses
    return one.hits, one.wrong, one.misses, one.false_alarms


def test_nothing_detected_is_all_missed():
    assert rates() == (0, 0, 3, 0)


def test_a_detection_made_from_sound_of_its_word_is_a_hit():
    assert rates((10.1, "yes"), (20.8, "no"), (22.1, "yes")) == (3, 0, 0, 0)
    assert rates((11.99, "yes")) == (1, 0, 2, 0)


@pytest.mark.parametrize("time", [5, 9.9, 12.0, 12.1, 30])
def test_a_detection_where_no_word_is_is_a_false_alarm(time):
    assert rates((time, "yes")) == (0, 0, 3, 1)


def test_a_detection_belongs_to_the_word_that_it_heard_most_of():
    assert rates((21.6, "no")) == (1, 0, 2, 0)  # it heard 0.4 s of "no", 0.1 s of "yes"
    assert rates((21.9, "no")) == (0, 1, 2, 0)  # 0.1 s of "no", 0.4 s of "yes"


def test_another_label_is_wrong_and_no_false_alarm():
    assert rates((10.5, "no")) == (0, 1, 2, 0)


def test_a_second_detection_of_a_word_is_a_false_alarm():
    assert rates((10.5, "yes"), (11.2, "yes")) == (1, 0, 2, 1)
    assert rates((10.5, "no"), (11.2, "yes")) == (1, 0, 2, 1)


def test_false_alarms_are_counted_by_the_hour():
    found = [Detection(t, "yes", 1.0) for t in (1, 100)]
    assert judge(found, WORDS, 1800.0, 1.0).false_alarms_an_hour == 4
    assert judge(found, [], 3600.0, 1.0).false_alarms_an_hour == 2


def test_impossible_truths_are_refused():
    with pytest.raises(SpottingError, match="the sound must be longer than 0 seconds, not 0"):
        judge([], [], 0, 1)
    with pytest.raises(SpottingError, match="span of a detection must be longer than 0"):
        judge([], [], 1, 0)
    overlap = [Word(1, 3, "yes"), Word(2, 4, "no")]
    with pytest.raises(SpottingError, match="'no' begins at 2 s and 'yes' ends at 3 s"):
        judge([], overlap, 10, 1)


def test_words_that_are_written_are_read(tmp_path):
    words = [Word(0.25, 0.5, "yes"), Word(1.0, 2.0, "no, thank you")]
    write_words(tmp_path / "w.csv", words)
    assert read_words(tmp_path / "w.csv") == words
    assert (tmp_path / "w.csv").read_text().startswith("start,end,label\n0.2500,0.5000,yes\n")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected the header start,end,label, found nothing"),
        ("begin,end,label\n", "expected the header start,end,label, found begin,end,label"),
        ("start,end,label\n1,2\n", "line 2: expected start,end,label with .*, found '1,2'"),
        ("start,end,label\n1,2,yes\n2,1,no\n", "line 3: .* found '2,1,no'"),
        ("start,end,label\n-1,2,yes\n", "line 2: "),
        ("start,end,label\n1,nan,yes\n", "line 2: "),
        ("start,end,label\n1,x,yes\n", "line 2: "),
        ("start,end,label\n1,2,yes,9\n", "line 2: "),
    ],
)
def test_spoilt_lists_of_words_are_refused(tmp_path, text, message):
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(SpottingError, match=f"w.csv: {message}"):
        read_words(tmp_path / "w.csv")


def test_a_list_of_words_must_be_of_the_networks_labels_and_of_the_sound():
    words = [Word(0.25, 0.5, "yes"), Word(1.0, 2.0, "no")]
    labels = ("no", "yes", BACKGROUND)
    check_truth("w.csv", words, labels)
    check_truth("w.csv", words, labels, 2.0)
    with pytest.raises(SpottingError, match="w.csv: line 3: .* labels, yes, maybe, found 'no'"):
        check_truth("w.csv", words, ("yes", "maybe"))
    with pytest.raises(SpottingError, match="w.csv: line 3: .* sound's 1.900 s, found 'no' from 1"):
        check_truth("w.csv", words, labels, 1.9)


# -- continuous sounds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def recordings(folder):
    return spoken_digits.find(folder)[:20]


def test_a_silent_sound_holds_the_recordings_where_it_says(recordings):
    sound = continuous.compose(recordings, np.random.default_rng(1), snr=None)
    rest = sound.samples.copy()
    for recording, word in zip(recordings, sound.words, strict=True):
        start, end = round(word.start * RATE), round(word.end * RATE)
        wanted = read_wav(recording.path)
        assert end - start == len(wanted) and word.label == str(recording.digit)
        np.testing.assert_allclose(sound.samples[start:end], wanted, atol=1)
        rest[start:end] = 0
    assert not rest.any()
    gaps = np.diff([0.0, *(t for w in sound.words for t in (w.start, w.end)), sound.seconds])[::2]
    assert len(gaps) == 21 and gaps.min() >= 0.3 and gaps.max() <= 3.0


@pytest.mark.parametrize("snr", [0.0, 10.0, 30.0])
def test_noise_lies_below_the_voices_by_its_decibels(recordings, snr):
    noisy = continuous.compose(recordings, np.random.default_rng(1), snr)
    voiced = np.zeros(len(noisy.samples), bool)
    for word in noisy.words:
        voiced[round(word.start * RATE) : round(word.end * RATE)] = True
    power = noisy.samples.astype(float) ** 2
    noise = power[~voiced].mean()
    found = 10 * np.log10((power[voiced].mean() - noise) / noise)
    assert found == pytest.approx(snr, abs=1.5)


def test_a_sound_is_as_long_as_wanted(recordings):
    sound = continuous.compose(recordings, np.random.default_rng(1), seconds=12.0)
    assert sound.seconds == 12.0 and sound.words[-1].end <= 12.0 and len(sound.words) < 20


def test_sounds_without_a_word_are_refused(recordings):
    with pytest.raises(TaskError, match="a recording that fits into the sound, found 0.3 seconds"):
        continuous.compose(recordings, np.random.default_rng(1), seconds=0.3)
    with pytest.raises(TaskError, match="pause must be at least 0.3 seconds, not 0.1"):
        continuous.compose(recordings, np.random.default_rng(1), pause=0.1)


def test_windows_to_train_on_hold_their_word_or_little_of_any(folder):
    task = continuous.load(folder)
    assert task.outputs == 11 and task.labels[10] == BACKGROUND
    for part in (task.train, task.validation, task.test):
        assert part.x.shape[1:] == (continuous.WINDOW, 32) and part.lengths is None
        counts = np.bincount(part.y, minlength=11)
        assert counts[:10].min() > 0 and abs(counts[10] / len(part) - 0.5) < 0.1
    again = continuous.load(folder)
    assert again.train.x.tobytes() == task.train.x.tobytes()
    assert continuous.load(folder, seed=1).train.x.tobytes() != task.train.x.tobytes()


def test_the_command_writes_a_sound_and_its_words(folder, tmp_path, capsys):
    sound, words = tmp_path / "new" / "a.wav", tmp_path / "a.csv"
    arguments = [str(folder), str(sound), str(words), "--minutes", "0.5"]
    assert continuous.main(arguments) == 0
    listed = read_words(words)
    assert f"30.0 s with {len(listed)} words" in capsys.readouterr().out
    samples = read_wav(sound)
    assert len(samples) == 30 * RATE and len(log_mel(samples)) == 1 + (30 * RATE - 256) // 128
    first = sound.read_bytes()
    assert continuous.main(arguments) == 0 and sound.read_bytes() == first
    assert continuous.main([*arguments, "--seed", "1"]) == 0 and sound.read_bytes() != first


@pytest.mark.parametrize(
    "options, message",
    [
        (["--minutes", "0"], "--minutes must be above 0 and at most 1440, not 0.0"),
        (["--snr", "nan"], "--snr must be from -20 to 100 dB, not nan"),
        (["--left-out", "eve"], "left_out must be one of ann, bob, not 'eve'"),
        (["--pause", "0"], "pause must be at least 0.3 seconds"),
    ],
)
def test_the_command_refuses_what_cannot_be(folder, tmp_path, capsys, options, message):
    arguments = [str(folder), str(tmp_path / "a.wav"), str(tmp_path / "a.csv"), *options]
    assert continuous.main(arguments) == 2
    assert f"error: {message}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
