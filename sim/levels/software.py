"""The two levels without hardware: the QAT module in floating point, the golden model in integers.

They share no arithmetic: the QAT module is rebuilt from the network file by
`models.qat.from_network` and computes with PyTorch in float32; the golden model with NumPy in
int64. The QAT module's numbers, as integers, are what every other level is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.golden import GoldenModel
from models.network import Network
from models.spec import FRACTION_BITS
from sim.levels.traces import Int, LevelError, Trace, Unavailable

#: Sequences computed at once; bounds memory.
_BATCH = 64


def qat_traces(
    network: Network, x: NDArray[np.int8], lengths: NDArray[np.int64]
) -> Iterator[Trace]:
    """Yield the QAT module's trace of every sequence.

    Parameters
    ----------
    network : Network
    x : int8 [N, T, I]
    lengths : int64 [N], 1 to T

    Raises
    ------
    Unavailable
        If PyTorch is missing.
    LevelError
        If the module gives a number that is off its grid.
    """
    try:
        import torch

        from models.qat import from_network
    except ImportError as error:
        raise Unavailable(
            "the QAT module needs PyTorch, which is not installed: pip install 'addgate[train]'"
        ) from error
    module = from_network(network)
    hb, mode = network.spec.hb, network.spec.readout.mode
    for start in range(0, len(x), _BATCH):
        part, valid = x[start : start + _BATCH], lengths[start : start + _BATCH]
        with torch.no_grad():
            output = module(torch.from_numpy(part.copy()), torch.from_numpy(valid.copy()))
        states = _on_grid("state", [s.numpy() for s in output.states], hb)
        last = _on_grid("state", [h.numpy() for h in output.h_n], hb)
        logits = _on_grid("logit", [output.logits.numpy()], hb + FRACTION_BITS)
        scores = _on_grid("score", [output.scores.numpy()], hb + FRACTION_BITS)
        for n, length in enumerate(valid):
            yield _trace(mode, states[n], logits[n], scores[n], last[n], int(length))


def golden_traces(
    network: Network, x: NDArray[np.int8], lengths: NDArray[np.int64]
) -> Iterator[Trace]:
    """Yield the integer golden model's trace of every sequence; parameters as `qat_traces`."""
    model = GoldenModel(network)
    for start in range(0, len(x), _BATCH):
        part, valid = x[start : start + _BATCH], lengths[start : start + _BATCH]
        run = model.run(part, valid)
        states = np.concatenate(run.states, axis=2).astype(np.int64)
        last = np.concatenate(run.state.h, axis=1).astype(np.int64)
        logits = run.logits.astype(np.int64)
        for n, length in enumerate(valid):
            yield _trace(
                network.spec.readout.mode, states[n], logits[n], run.scores[n], last[n],
                int(length), int(run.labels[n]),
            )  # fmt: skip


def _on_grid(what: str, parts: list[NDArray[np.floating]], bits: int) -> Int:
    """Return float arrays, joined along their last axis, as multiples of 2**-bits."""
    scaled = np.concatenate(parts, axis=-1).astype(np.float64) * float(1 << bits)
    whole = np.rint(scaled)
    if not np.array_equal(scaled, whole):
        where = tuple(int(i) for i in np.argwhere(scaled != whole)[0])
        raise LevelError(
            f"the QAT module's {what} at {list(where)} is {scaled[where]!r} grid steps, "
            "which is no whole number"
        )
    return whole.astype(np.int64)


def _trace(
    mode: str, states: Int, logits: Int, score: Int, last: Int, length: int,
    label: int | None = None,
) -> Trace:  # fmt: skip
    answers = np.cumsum(logits[:length], axis=0) if mode == "sum" else logits[:length]
    return Trace(
        states=dict(enumerate(states[:length])),
        answers=answers,
        labels=np.argmax(answers, axis=1),
        answer=score,
        label=int(np.argmax(score)) if label is None else label,
        state=last,
    )
