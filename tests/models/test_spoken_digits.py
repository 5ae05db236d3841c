"""Spoken digits: which recordings are in which part, their frames, and what folders are refused."""

import numpy as np
import pytest
import torch

from models import evaluate
from models import train as training
from models.file import load
from models.log_mel import log_mel
from models.tasks import spoken_digits
from models.tasks.data import TaskError
from models.tasks.speech_augment import Bending, augment, batches
from models.wav import read_wav, write_wav
from tests.models.speech import write_recordings
from tests.shared_data import data_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp("recordings"))


def names(recordings):
    return {(r.digit, r.speaker, r.index) for r in recordings}


def test_the_official_split_is_that_of_the_dataset():
    task = spoken_digits.load(data_of("spoken-digits"))
    assert [len(p) for p in (task.train, task.validation, task.test)] == [2400, 300, 300]
    for part in (task.train, task.validation, task.test):
        assert (np.bincount(part.y) == len(part) // 10).all()
        assert np.isfinite(part.x).all() and -16 < part.x.min() and part.x.max() < 12
        assert part.lengths.min() >= 1 and part.lengths.max() == part.x.shape[1]
    assert task.labels == tuple("0123456789") and task.outputs == 10


@pytest.mark.parametrize("speaker", ["george", "yweweler"])
def test_a_speaker_left_out_is_in_the_test_part_only(speaker):
    recordings = data_of("spoken-digits")
    task = spoken_digits.load(recordings, speaker)
    assert [len(p) for p in (task.train, task.validation, task.test)] == [2250, 250, 500]
    train, validation, test = spoken_digits.shares(spoken_digits.find(recordings), speaker)
    assert {r.speaker for r in test} == {speaker}
    assert speaker not in {r.speaker for r in train + validation}


@pytest.mark.parametrize("left_out", [None, "bob"])
def test_parts_share_no_recording_and_leave_none_out(folder, left_out):
    every = spoken_digits.find(folder)
    parts = [names(part) for part in spoken_digits.shares(every, left_out)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(every) == 240


def test_the_first_five_test_and_the_next_five_validate(folder):
    train, validation, test = spoken_digits.shares(spoken_digits.find(folder))
    assert {r.index for r in test} == set(range(5))
    assert {r.index for r in validation} == set(range(5, 10))
    assert {r.index for r in train} == {10, 11}


def test_a_sequence_is_the_frames_of_its_recording(folder):
    task = spoken_digits.load(folder)
    recordings = spoken_digits.shares(spoken_digits.find(folder))[2]
    for row, recording in enumerate(recordings):
        frames, length = log_mel(read_wav(recording.path)), task.test.lengths[row]
        assert np.array_equal(task.test.x[row, :length], frames)
        assert not task.test.x[row, length:].any()
        assert task.test.y[row] == recording.digit


def test_the_normalisation_is_the_training_parts_over_valid_steps(folder):
    task = spoken_digits.load(folder)
    rows = [x[:n] for x, n in zip(task.train.x, task.train.lengths, strict=True)]
    np.testing.assert_allclose(task.normalisation.mean, np.concatenate(rows).mean(axis=0))
    deviation = np.concatenate(rows).std(axis=0)
    np.testing.assert_allclose(task.normalisation.scale, 1 / (3 * deviation))


def test_an_unknown_speaker_is_refused_with_those_there_are(folder):
    with pytest.raises(TaskError, match="left_out must be one of ann, bob, not 'eve'"):
        spoken_digits.load(folder, "eve")


def test_the_only_speaker_cannot_be_left_out(tmp_path):
    write_recordings(tmp_path, ("ann",), 6, 1)
    with pytest.raises(TaskError, match="no recordings are left for training: .* found 6 by ann"):
        spoken_digits.load(tmp_path, "ann")
    with pytest.raises(TaskError, match="for training: .* beyond 9, found 6 .* highest index 5"):
        spoken_digits.load(tmp_path)


def test_folders_without_recordings_are_refused(tmp_path):
    with pytest.raises(TaskError, match="absent: expected a folder of recordings, found no"):
        spoken_digits.load(tmp_path / "absent")
    (tmp_path / "readme.txt").write_text("no sound")
    with pytest.raises(TaskError, match="expected WAV files named .*, found none"):
        spoken_digits.load(tmp_path)


@pytest.mark.parametrize("name", ["hello.wav", "10_ann_1.wav", "1_ann.wav", "1_ann_x.wav"])
def test_an_odd_name_is_refused(tmp_path, name):
    write_wav(tmp_path / name, np.zeros(300, np.int16))
    with pytest.raises(TaskError, match=f"expected a name like 7_jackson_32.wav .* '{name}'"):
        spoken_digits.load(tmp_path)


def test_a_bad_recording_is_named(tmp_path):
    write_recordings(tmp_path, ("ann",), 12, 1)
    write_wav(tmp_path / "0_ann_3.wav", np.zeros(100, np.int16))
    with pytest.raises(TaskError, match="0_ann_3.wav: expected at least 32 ms of sound, found 12"):
        spoken_digits.load(tmp_path)
    write_wav(tmp_path / "0_ann_3.wav", np.zeros(1000, np.int16), 44100)
    with pytest.raises(TaskError, match="0_ann_3.wav: expected 8000 Hz"):
        spoken_digits.load(tmp_path)
    (tmp_path / "0_ann_3.wav").unlink()
    (tmp_path / "0_ann_3.wav").mkdir()
    with pytest.raises(TaskError, match="0_ann_3.wav: cannot be read: Is a directory"):
        spoken_digits.load(tmp_path)


def test_bending_nothing_changes_nothing(folder):
    part = spoken_digits.load(folder).train
    same = augment(part, np.random.default_rng(0), Bending(0, 0, 0, 0, 0))
    np.testing.assert_allclose(same.x, part.x, atol=1e-9)
    assert np.array_equal(same.lengths, part.lengths) and np.array_equal(same.y, part.y)


def test_bent_sequences_differ_but_are_drawn_again_by_the_same_seed(folder):
    part = spoken_digits.load(folder).train
    one, two, three = (augment(part, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.x.tobytes() == two.x.tobytes() and one.x.shape[0] == len(part)
    assert one.x.shape != three.x.shape or not np.allclose(one.x, three.x)
    for row, length in enumerate(one.lengths):
        assert 1 <= length <= one.x.shape[1] and not one.x[row, length:].any()
        assert np.isfinite(one.x[row]).all()


def test_warped_frequencies_move_a_tone_to_another_band(folder):
    part = spoken_digits.load(folder).train
    warped = augment(part, np.random.default_rng(0), Bending(0.15, 0, 0, 0, 0))
    before = part.x[:, 8].argmax(axis=1)
    moved = warped.x[:, 8].argmax(axis=1) - before
    assert (moved != 0).mean() > 0.3 and np.abs(moved).max() <= 4
    assert np.array_equal(warped.lengths, part.lengths)


def test_noise_fills_what_was_quiet_and_leaves_what_was_loud(folder):
    part = spoken_digits.load(folder).train
    noisy = augment(part, np.random.default_rng(0), Bending(0, 0, 0, 1.0, 0))
    valid = np.arange(part.x.shape[1]) < part.lengths[:, None]
    assert (noisy.x >= part.x - 1e-9)[valid].all()
    assert (noisy.x > part.x + 0.01)[valid].mean() > 0.1
    loud = valid[..., None] & (part.x > -1)
    assert np.abs(noisy.x - part.x)[loud].max() < 0.4


def test_a_pass_takes_every_sequence_once_in_batches_of_like_lengths(folder):
    part = spoken_digits.load(folder, "bob").train
    still = Bending(0, 0, 0, 0, 0)
    found = list(batches(part, 16, np.random.default_rng(0), still))
    assert [len(one) for one in found].count(16) == len(part) // 16
    rows = [x[:n].tobytes() for one in found for x, n in zip(one.x, one.lengths, strict=True)]
    wanted = [x[:n] for x, n in zip(part.x, part.lengths, strict=True)]
    assert len(rows) == len(part)
    np.testing.assert_allclose(
        sorted(np.frombuffer(row).sum() for row in rows), sorted(x.sum() for x in wanted)
    )
    padded = sum(one.x.shape[0] * one.x.shape[1] for one in found)
    assert padded < 1.4 * part.lengths.sum() < len(part) * part.x.shape[1]


def test_they_train_from_the_command_line_on_bent_recordings(folder, tmp_path, capsys, monkeypatch):
    torch.set_num_threads(1)
    output = tmp_path / "s.safetensors"
    arguments = ["spoken-digits", "--data", str(folder), "--output", str(output)]
    budget = ["--epochs", "4", "--units", "16", "--no-compiled", "--learning-rate", "0.02"]
    seen = []
    whole = spoken_digits.batches

    def watched(part, size, rng):
        for batch in whole(part, size, rng):
            seen.append(batch)
            yield batch

    monkeypatch.setattr(spoken_digits, "batches", watched)
    assert training.main([*arguments, *budget]) == 0
    assert "bit for bit" in capsys.readouterr().out
    task = spoken_digits.load(folder)
    assert len(seen) == 4 * -(-len(task.train) // 64)
    assert not any((x[:5] == task.train.x[0, :5]).all() for batch in seen for x in batch.x)
    evaluation = ["spoken-digits", "--data", str(folder)]
    assert evaluate.main([str(output), *evaluation]) == 0
    assert "agree              yes" in capsys.readouterr().out
    assert evaluate.main([str(output), *evaluation, "--left-out", "eve"]) == 2
    assert "left_out must be one of ann, bob, not 'eve'" in capsys.readouterr().err
    assert evaluate.main([str(output), "digits", "--left-out", "ann"]) == 2
    assert "left out of spoken digits only" in capsys.readouterr().err


def test_what_listens_trains_by_name(folder, tmp_path):
    output = tmp_path / "w.safetensors"
    arguments = ["spoken-digits-stream", "--data", str(folder), "--output", str(output)]
    budget = ["--epochs", "1", "--units", "8", "--no-compiled"]
    assert training.main([*arguments, *budget]) == 0
    network = load(output)
    assert network.spec.outputs == 11 and network.spec.labels[-1] == "background"
