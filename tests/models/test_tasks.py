"""Tasks: what they hold, how they are split, and which arrays are refused."""

import sys

import numpy as np
import pytest

from models.tasks import adding, arrays, digits
from models.tasks.data import (
    Part,
    TaskData,
    TaskError,
    check_value_range,
    folds,
    normalise,
    split,
    without_validation,
)


def test_digits_are_the_real_ones_split_as_promised():
    task = digits.load()
    assert (len(task.train), len(task.validation), len(task.test)) == (1144, 203, 450)
    assert task.test.x.shape == (450, 8, 8)
    for part in (task.train, task.validation, task.test):
        shares = np.bincount(part.y, minlength=10) / len(part)
        assert np.abs(shares - 0.1).max() < 0.015  # stratified
        assert (part.x.min(), part.x.max()) == (0, 16)
    pictures = np.concatenate([p.x for p in (task.train, task.validation, task.test)])
    assert len(pictures) == 1797
    # Every picture is in one part only: the three together are all of them.
    from sklearn.datasets import load_digits

    assert np.isclose(pictures.sum(), load_digits().images.sum())
    again = digits.load()
    assert np.array_equal(task.test.x, again.test.x) and np.array_equal(task.test.y, again.test.y)


def test_digits_by_pixels_are_the_same_digits_in_the_same_parts():
    rows, pixels = digits.load(), digits.load("pixels")
    assert (rows.name, pixels.name) == ("digits", "digits-pixels")
    for part, other in zip(
        (rows.train, rows.validation, rows.test),
        (pixels.train, pixels.validation, pixels.test),
        strict=True,
    ):
        assert other.x.shape == (len(part), 64, 1)
        # Pixel 8 r + c is column c of row r.
        assert np.array_equal(other.x[:, 8 * 3 + 5, 0], part.x[:, 3, 5])
        assert np.array_equal(other.x.reshape(part.x.shape), part.x)
        assert np.array_equal(other.y, part.y)
    assert (pixels.normalisation.mean.tolist(), pixels.normalisation.scale.tolist()) == (
        [0],
        [1 / 16],
    )


def test_digits_without_scikit_learn_say_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(TaskError, match=r"scikit-learn.*pip install 'addgate\[demo\]'"):
        digits.load()


@pytest.mark.parametrize("length", [2, 3, 50])
def test_adding_marks_one_number_in_each_half(length):
    part = adding.sample(np.random.default_rng(1), 200, length)
    numbers, marks = part.x[..., 0], part.x[..., 1]
    assert part.x.shape == (200, length, 2)
    assert (marks[:, : length // 2].sum(axis=1) == 1).all()
    assert (marks[:, length // 2 :].sum(axis=1) == 1).all()
    assert np.allclose((numbers * marks).sum(axis=1), part.y)
    assert 0 <= numbers.min() and numbers.max() < 1


def test_adding_has_fixed_and_different_parts():
    one, two = adding.load(20), adding.load(20)
    assert np.array_equal(one.test.x, two.test.x) and len(one.test) == 1000
    assert not np.array_equal(one.test.x, one.validation.x)
    with pytest.raises(TaskError, match="length of at least 2, not 1"):
        adding.load(1)


def write(tmp_path, **changes):
    rng = np.random.default_rng(0)
    good = {"x": rng.normal(size=(40, 6, 3)), "y": np.arange(40) % 4}
    merged = {k: v for k, v in {**good, **changes}.items() if v is not None}
    np.savez(tmp_path / "mine.npz", **merged)
    return tmp_path / "mine.npz"


def test_arrays_become_a_task(tmp_path):
    task = arrays.load(write(tmp_path))
    assert (task.name, task.target, task.outputs) == ("mine", "class", 4)
    assert (len(task.train), len(task.validation), len(task.test)) == (28, 6, 6)
    values = arrays.load(write(tmp_path, y=np.linspace(0, 1, 40)))
    assert (values.target, values.outputs) == ("value", 1)


def test_normalisation_comes_from_the_training_part_only(tmp_path):
    path = write(tmp_path)
    task = arrays.load(path)
    mine = task.train.x.reshape(-1, 3)
    assert np.allclose(task.normalisation.mean, mine.mean(axis=0))
    assert np.allclose(task.normalisation.scale, 1 / (3 * mine.std(axis=0)))


def test_normalisation_looks_at_valid_steps_only_and_bears_constant_features():
    x = np.random.default_rng(0).normal(size=(20, 5, 2))
    x[..., 1] = 7.0
    lengths = np.full(20, 3)
    padded = x.copy()
    padded[:, 3:] = 1e6
    normalisation = normalise(Part(padded, np.zeros(20), lengths))
    assert np.allclose(normalisation.mean, [x[:, :3, 0].mean(), 7.0])
    assert normalisation.scale[1] == 1.0
    assert (normalisation.quantize(x, 7)[..., 1] == 0).all()


def test_padding_may_hold_anything(tmp_path):
    x = np.ones((40, 6, 3))
    x[:, 4:] = np.nan
    part = arrays.read(write(tmp_path, x=x, lengths=np.full(40, 4)))
    assert (part.x[:, 4:] == 0).all() and (part.x[:, :4] == 1).all()


NAN = np.zeros((40, 6, 3))
NAN[3, 2, 1] = np.nan
ODD = np.arange(40) / 40.0
ODD[7] = np.inf


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "missing: x"),
        ({"y": None}, "missing: y"),
        ({"z": np.zeros(3)}, "unknown: z"),
        ({"x": NAN}, r"x\[3, 2, 1\] is nan"),
        ({"x": np.full((40, 6, 3), -np.inf)}, r"x\[0, 0, 0\] is -inf"),
        ({"x": np.zeros((40, 6))}, r"x must have shape \[N, T, I\].*\[40, 6\]"),
        ({"x": np.zeros((40, 0, 3))}, "none of them 0"),
        ({"x": np.full((40, 6, 3), "a")}, "x must hold real numbers, not <U1"),
        ({"x": np.zeros((40, 6, 3), complex)}, "x must hold real numbers, not complex128"),
        ({"y": np.arange(39)}, r"y must have shape \[40\].*not \[39\]"),
        ({"y": np.zeros((40, 1))}, r"y must have shape \[40\].*not \[40, 1\]"),
        ({"y": ODD}, r"y\[7\] is inf"),
        ({"y": np.full(40, "a")}, "y must hold integers"),
        ({"y": np.arange(40) % 4 - 1}, "numbered from 0, but one is -1"),
        ({"y": np.arange(40) % 2 * 2}, "largest is 2, but class 1 never occurs"),
        ({"y": np.zeros(40, int)}, "at least 2 classes, found only class 0"),
        ({"y": np.arange(40) % 4 * 10**9}, "below 65535, but one is 3000000000"),
        ({"lengths": np.arange(40)}, "from 1 to T = 6, but lie from 0 to 39"),
        ({"lengths": np.full(40, 2.0)}, "lengths must be 40 integers, not float64"),
        ({"lengths": np.full(39, 2)}, "lengths must be 40 integers"),
        ({"x": np.zeros((5, 6, 3)), "y": np.arange(5) % 2}, "at least 10 sequences, not 5"),
        ({"x": np.zeros((40, 6, 258))}, "at most 257 features .* not 258"),
        ({"x": np.array([None] * 40)}, "plain arrays"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, changes, message):
    with pytest.raises(TaskError, match=f"mine.npz.*{message}"):
        arrays.load(write(tmp_path, **changes))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "mine.npz"
    with pytest.raises(TaskError, match="cannot be read: No such file"):
        arrays.load(path)
    for data in (b"", b"hello", b"PK\x03\x04 but no zip", b"\x80\x04\x95pickle"):
        path.write_bytes(data)
        with pytest.raises(TaskError, match="must be an .npz"):
            arrays.load(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(TaskError, match="not a single array"):
        arrays.load(path)


@pytest.mark.parametrize("seed", range(5))
def test_split_is_stratified_disjoint_and_repeatable(seed):
    y = np.random.default_rng(seed).choice(3, 200, p=[0.6, 0.3, 0.1])
    part = Part(np.arange(200.0).reshape(-1, 1, 1), y)
    left, taken = split(part, 0.25, seed, classes=True)
    assert (len(left), len(taken)) == (150, 50)
    assert sorted(np.concatenate([left.x, taken.x]).ravel().tolist()) == list(range(200))
    for label in range(3):
        assert abs((taken.y == label).sum() - (y == label).sum() / 4) <= 1.5
    assert np.array_equal(split(part, 0.25, seed, classes=True)[1].x, taken.x)


def test_in_folds_every_sequence_validates_once_and_never_trains_there():
    task = digits.load()
    cuts = folds(task, 3)
    assert [len(cut.validation) for cut in cuts] == [449, 449, 449]
    pictures = [part.x for part in (task.train, task.validation)]
    wanted = {x.tobytes() for x in np.concatenate(pictures)}
    seen = [{x.tobytes() for x in cut.validation.x} for cut in cuts]
    assert set.union(*seen) == wanted and sum(map(len, seen)) == len(wanted)
    for cut, own in zip(cuts, seen, strict=True):
        assert not own & {x.tobytes() for x in cut.train.x}
        assert len(cut.train) == 898 and cut.test is task.test


def test_folds_keep_lengths_beside_their_sequences(tmp_path):
    lengths = np.arange(90) % 5 + 1
    x = np.repeat(lengths[:, None, None], 5, axis=1).astype(float)
    np.savez(tmp_path / "l.npz", x=x, y=lengths % 2, lengths=lengths)
    for cut in folds(arrays.load(tmp_path / "l.npz"), 4):
        assert (cut.train.x[:, 0, 0] == cut.train.lengths).all()
        assert (cut.validation.x[:, 0, 0] == cut.validation.lengths).all()


@pytest.mark.parametrize("count", [1, 1348])
def test_other_numbers_of_folds_are_refused(count):
    with pytest.raises(TaskError, match=f"2 to 1347 folds, one sequence each, not {count}"):
        folds(digits.load(), count)


def test_without_validation_all_but_the_test_digits_are_for_training():
    task = digits.load()
    joined = without_validation(task)
    assert (len(joined.train), len(joined.validation), len(joined.test)) == (1347, 0, 450)
    assert np.array_equal(joined.train.x[:1144], task.train.x)
    assert np.array_equal(joined.train.x[1144:], task.validation.x)
    assert np.array_equal(joined.train.y[1144:], task.validation.y)
    assert joined.test is task.test and joined.normalisation is task.normalisation
    for fold, other in zip(folds(task, 3), folds(joined, 3), strict=True):
        assert np.array_equal(fold.train.x, other.train.x)
        assert np.array_equal(fold.validation.y, other.validation.y)


def test_without_validation_lengths_stay_beside_their_sequences(tmp_path):
    lengths = np.arange(40) % 5 + 1
    x = np.repeat(lengths[:, None, None], 5, axis=1)
    np.savez(tmp_path / "l.npz", x=x, y=np.arange(40) % 2, lengths=lengths)
    task = without_validation(arrays.load(tmp_path / "l.npz"))
    assert len(task.train) == 40 - len(task.test) and not len(task.validation)
    assert np.array_equal(task.train.x[:, 0, 0], task.train.lengths)


def test_split_refuses_to_leave_nothing():
    with pytest.raises(TaskError, match="too few"):
        split(Part(np.zeros((2, 1, 1)), np.zeros(2)), 0.1, 0, classes=False)


def test_float_targets_out_of_reach_are_refused_with_a_way_out():
    check_value_range(np.array([-8.0, 8.0]), 7)
    check_value_range(np.array([100.0]), 3)
    with pytest.raises(TaskError, match=r"\[-8, 8\] at hb = 7.*divide y by 3.12"):
        check_value_range(np.array([1.0, -20.0]), 7)


def test_parts_of_unequal_lengths_are_joined_for_training():
    rng = np.random.default_rng(0)

    def part(count, steps):
        return Part(rng.normal(size=(count, steps, 2)), np.arange(count), np.full(count, steps))

    train, validation = part(3, 5), part(2, 8)
    task = TaskData("t", train, validation, train, normalise(train), "class", 3)
    joined = without_validation(task).train
    assert joined.x.shape == (5, 8, 2) and joined.lengths.tolist() == [5, 5, 5, 8, 8]
    assert np.array_equal(joined.x[:3, :5], train.x) and not joined.x[:3, 5:].any()
    assert np.array_equal(joined.x[3:], validation.x)
