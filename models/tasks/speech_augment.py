"""Other voices from the same recordings: log-mel frames bent as speakers and rooms bend them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.log_mel import LOWEST_HZ, RATE
from models.tasks.data import Part

__all__ = ["Bending", "augment", "batches"]


@dataclass(frozen=True)
class Bending:
    """How far each sequence may be bent, drawn anew each time; 0 leaves it as it is.

    Parameters
    ----------
    warp : float
        Largest share by which frequencies are stretched: other lengths of the vocal tract.
    tempo : float
        Largest share by which time is stretched.
    tilt : float
        Largest rise or fall from the lowest band to the highest, in nats: other microphones.
    noise : float
        Share of sequences whose quiet is filled up, as noise would, to 3 to 10 nats below 0.
    crop : int
        Most frames cut off at either end, never more than a quarter of a sequence in all.
    """

    warp: float = 0.1
    tempo: float = 0.1
    tilt: float = 1.0
    noise: float = 0.3
    crop: int = 2


_JITTER = 3.0
"""Frames by which lengths may be mistaken, so that the same sequences do not always meet."""


def batches(
    part: Part, size: int, rng: np.random.Generator, bending: Bending | None = None
) -> Iterator[Part]:
    """One shuffled pass over a part, every sequence bent anew, batches of like lengths.

    Sequences of unequal lengths are padded to the longest of their batch; drawn together by their
    lengths, they need half as many steps as in batches drawn from all.

    Parameters
    ----------
    part : Part
        As for `augment`.
    size : int
        Sequences in a batch; the last of them has what is left.
    rng : numpy Generator
    bending : Bending, optional
    """
    assert part.lengths is not None
    order = rng.permutation(len(part))
    near = part.lengths[order] + rng.uniform(-_JITTER, _JITTER, len(part))
    order = order[np.argsort(near, kind="stable")]
    starts = range(0, len(part), size)
    for number in rng.permutation(len(starts)):
        rows = order[starts[number] : starts[number] + size]
        yield augment(part.take(rows), rng, bending)


def augment(part: Part, rng: np.random.Generator, bending: Bending | None = None) -> Part:
    """Sequences of frames, each bent at random.

    Parameters
    ----------
    part : Part
        Log-mel frames (`models.log_mel`), x float64 [N, T, bands], with lengths.
    rng : numpy Generator
    bending : Bending, optional

    Returns
    -------
    Part
        x [N, the longest, bands], 0 beyond each one's length; y as it was.
    """
    bending = bending or Bending()
    bands = part.x.shape[2]
    assert part.lengths is not None
    count, old = len(part), part.lengths

    def within(most: float) -> NDArray[np.float64]:
        return rng.uniform(-most, most, count)

    cut = rng.integers(0, bending.crop + 1, (2, count))
    cut = np.minimum(cut, old // 8)
    left = old - cut.sum(axis=0)
    lengths = np.maximum(1, np.rint(left * (1 + within(bending.tempo)))).astype(np.int64)
    steps = np.arange(lengths.max())
    # The first and the last frame stay what they are.
    ratio = (left - 1) / np.maximum(lengths - 1, 1)
    when = np.minimum(cut[0][:, None] + steps * ratio[:, None], (old - 1 - cut[1])[:, None])
    where = _warped_bands(1 + within(bending.warp), bands)
    x = _interpolate(_interpolate(part.x[:, : old.max()], when, 1), where, 2)
    slope = np.linspace(-0.5, 0.5, bands)
    x += within(bending.tilt)[:, None, None] * slope
    if bending.noise:
        noisy = np.flatnonzero(rng.random(count) < bending.noise)
        floor = -rng.uniform(3.0, 10.0, count)[:, None] + within(bending.tilt)[:, None] * slope
        x[noisy] = np.logaddexp(x[noisy], floor[noisy, None, :])
    x[steps >= lengths[:, None]] = 0.0
    return Part(x, part.y, lengths)


def _warped_bands(factors: NDArray[np.float64], bands: int) -> NDArray[np.float64]:
    """Where, in bands, each band's centre lies when frequencies are multiplied: [N, bands]."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(hertz / 700.0))

    low, high = mel(np.array([LOWEST_HZ, RATE / 2]))
    step = (high - low) / (bands + 1)
    hertz = 700.0 * np.expm1((low + step * np.arange(1, bands + 1)) / 1127.0)
    return np.clip((mel(factors[:, None] * hertz) - low) / step - 1, 0, bands - 1)


def _interpolate(
    x: NDArray[np.float64], where: NDArray[np.float64], axis: int
) -> NDArray[np.float64]:
    """Values between neighbours along an axis, at the places [N, k] of each sequence."""
    low = np.minimum(where.astype(np.int64), x.shape[axis] - 1)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    shape = [len(x), 1, 1]
    shape[axis] = -1
    share = (where - low).reshape(shape)
    below, above = (np.take_along_axis(x, i.reshape(shape), axis) for i in (low, high))
    return np.asarray(below + share * (above - below))
