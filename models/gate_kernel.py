"""The compiled loop over time steps that `models.gate.compiled` turns on: build and calls.

`gate_kernel.cpp` is compiled when it is first used, about two seconds in each process, for the
machine it runs on. It needs g++ (or the compiler that the variable CXX names).
"""

from __future__ import annotations

import ctypes
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["GateKernel", "KernelError", "has_kernel", "kernel"]

_SOURCE = Path(__file__).with_name("gate_kernel.cpp")

#: Without fused operations, so that results do not depend on whether a machine has them.
_FLAGS = (
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-trapping-math",
    "-std=c++17",
    "-shared",
    "-fPIC",
)

_MOST_THREADS = os.cpu_count() or 1

#: What PyTorch's numbers are in C++.
_NAMES = {torch.float32: "float", torch.float64: "double"}


class KernelError(RuntimeError):
    """The loop cannot be compiled; the message says why and what to do."""


@dataclass(frozen=True)
class GateKernel:
    """The loop for numbers of one type, on the CPU."""

    dtype: torch.dtype
    _library: ctypes.CDLL

    def forward(
        self,
        columns: Tensor,
        saved: Tensor,
        states: Tensor,
        valid: Tensor | None,
        settings: tuple[float, float, float, float],
    ) -> None:
        """Compute all states in place.

        Parameters
        ----------
        columns : Tensor [H, 2H]
            Recurrent weights, transposed.
        saved : Tensor [T, N, 2H]
            The inputs' part of the pre-activations; afterwards the pre-activations.
        states : Tensor [T + 1, N, H]
            The first ones are given.
        valid : Tensor, bool [T, N, 1], or None
        settings : tuple of float
            theta, steps (0 for real numbers), largest c, largest z.
        """
        self._run("gate_forward", saved, valid, settings, (columns, saved, states), ())

    def backward(
        self,
        recurrent: Tensor,
        saved: Tensor,
        states: Tensor,
        grads: Tensor,
        valid: Tensor | None,
        settings: tuple[float, float, float, float],
    ) -> tuple[Tensor, Tensor]:
        """Gradients by the pre-activations [T, N, 2H] and by the first states [N, H]."""
        to_p, to_h = torch.empty_like(saved), torch.zeros_like(states[0])
        given = (recurrent, saved, states, grads)
        self._run("gate_backward", saved, valid, settings, given, (to_p, to_h))
        return to_p, to_h

    def _run(
        self,
        name: str,
        saved: Tensor,
        valid: Tensor | None,
        settings: tuple[float, float, float, float],
        before: tuple[Tensor, ...],
        after: tuple[Tensor, ...],
    ) -> None:
        length, count, wide = saved.shape
        tensors = (*before, *after)
        assert all(t.is_contiguous() and t.dtype == self.dtype for t in tensors)
        # Kept until all shares are done: what is only pointed to may be freed.
        mask = None if valid is None else valid.contiguous()
        address = None if mask is None else mask.data_ptr()
        function = getattr(self._library, name)
        left = [tensor.data_ptr() for tensor in before]
        right = [tensor.data_ptr() for tensor in after]
        threads = max(1, min(torch.get_num_threads(), _MOST_THREADS, count // 4))
        edges = [count * number // threads for number in range(threads + 1)]

        def share(number: int) -> None:
            first, last = edges[number : number + 2]
            function(length, count, wide // 2, first, last, *left, address, *settings, *right)

        if threads == 1:
            share(0)
        else:  # ctypes lets other threads run meanwhile
            list(_pool().map(share, range(threads)))


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST_THREADS, "addgate-gate")


def has_kernel(*tensors: Tensor) -> bool:
    """Whether the loop takes tensors: all on the CPU, all float32 or all float64."""
    kinds = {(tensor.device.type, tensor.dtype) for tensor in tensors}
    return len(kinds) == 1 and kinds <= {("cpu", dtype) for dtype in _NAMES}


@functools.cache
def kernel(dtype: torch.dtype) -> GateKernel:
    """Compile the loop for float32 or float64.

    Raises
    ------
    KernelError
        If there is no compiler, or it fails.
    """
    compiler = shlex.split(os.environ.get("CXX", "")) or ["g++"]
    if shutil.which(compiler[0]) is None:
        raise KernelError(
            f"the compiled loop needs a C++ compiler, and {compiler[0]} is not installed: "
            "sudo apt-get install g++, or train without it"
        )
    real = _NAMES[dtype]
    number = ctypes.c_double if dtype == torch.float64 else ctypes.c_float
    with tempfile.TemporaryDirectory(prefix="addgate-gate-") as folder:
        output = Path(folder) / "gate.so"
        command = [*compiler, *_FLAGS, f"-DREAL={real}", str(_SOURCE), "-o", str(output)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise KernelError(
                f"the loop over time steps could not be compiled:\n{' '.join(command)}\n"
                f"{done.stderr.strip()}"
            )
        library = ctypes.CDLL(str(output))
    pointer, size = ctypes.c_void_p, ctypes.c_long
    for name, (before, after) in {"gate_forward": (3, 0), "gate_backward": (4, 2)}.items():
        function = getattr(library, name)
        arguments = [*[size] * 5, *[pointer] * (before + 1), *[number] * 4, *[pointer] * after]
        function.argtypes, function.restype = arguments, None
    return GateKernel(dtype, library)
