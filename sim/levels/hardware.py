"""A simulated board of one level, driven over its UART by the host's own driver."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from host.device import Device
from host.errors import DeviceError
from models.image import compile_image
from models.network import Network
from sim.harness.build import build_board
from sim.levels.artefacts import Artefacts
from sim.levels.cells import TOP
from sim.levels.designs import Design
from sim.levels.traces import Mismatch, Trace

#: Cycles before the first byte: the design waits for PLL and block RAM, then reads its flash.
WARM_UP = 8192

#: Seconds without an answer until the driver repeats; simulation is slow, and loses nothing.
_TIMEOUT, _RETRIES = 20.0, 2

#: The compiler's effort: a netlist is much text that runs for seconds.
_OPTIMISATION = "-O1"

_READY = "listening on "
_END_TIMEOUT = 30.0


class HardwareError(RuntimeError):
    """A level that gave no answer, or not as this network's device; as bad as a wrong one."""


class Board:
    """A design that runs; use it in a `with`.

    Parameters
    ----------
    design : Design
    build : Artefacts
    network : Network
        In the block RAM of the design; where the weight store is SPRAM it is loaded.
    trace : Path, optional
        Build with waveforms and write them between `start_waves` and `stop_waves`.

    Attributes
    ----------
    cycles, cycles_per_second : int or None
        After the end: clock cycles simulated, and how fast.
    """

    def __init__(
        self, design: Design, build: Artefacts, network: Network, trace: Path | None = None
    ) -> None:
        self.cycles: int | None = None
        self.cycles_per_second: int | None = None
        self._network = network
        self._preloaded = bool(build.report["store"]["preloaded"])
        program = build_board(
            design.verilog,
            trace=trace is not None,
            top=TOP,
            optimisation=_OPTIMISATION,
            what=f"the simulation of the {design.level}",
        )
        command = [
            str(program), "--exit-on-eof", "--cycles", "--warm-up", str(WARM_UP),
            "--clock-hz", repr(build.clock_hz), "--baud", str(build.baud),
        ]  # fmt: skip
        if trace is not None:
            command += ["--trace", os.path.abspath(trace), "--trace-paused"]
        # Its standard input is a pipe that ends with this process, however that ends.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace",
        )  # fmt: skip
        self._complaints: list[str] = []
        assert self._process.stderr is not None
        self._reader = threading.Thread(
            target=self._read_errors, args=(self._process.stderr,), daemon=True
        )
        self._reader.start()

    def __enter__(self) -> Board:
        try:
            self.device = self._open()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.device.close()
        self._end()

    def _open(self) -> Device:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(_READY):
            self._process.wait(_END_TIMEOUT)
            raise HardwareError(f"the simulation did not start: {self._said()}")
        url = line[len(_READY) :].strip()
        try:
            device = Device.open(url, timeout=_TIMEOUT, retries=_RETRIES)
        except DeviceError as error:
            raise HardwareError(f"the device does not answer: {error}{self._said()}") from error
        try:
            self._check_network(device)
            device.load(self._network)
        except DeviceError as error:
            device.close()
            raise HardwareError(f"{error}{self._said()}") from error
        except BaseException:
            device.close()
            raise
        return device

    def _check_network(self, device: Device) -> None:
        """The network rides in the bitstream: what the device reads from its store tells."""
        if not self._preloaded:
            return
        identity = device.identify()
        expected = compile_image(self._network, identity.capacity.lanes)
        found = (identity.network_valid, identity.image_words, identity.image_crc32)
        wanted = (True, len(expected.words), expected.crc32)
        if found != wanted:
            raise HardwareError(
                f"the device's store does not start with network {self._network.spec.name!r}: "
                f"expected (valid, words, CRC-32) ({wanted[0]}, {wanted[1]}, {wanted[2]:08x}), "
                f"found ({found[0]}, {found[1]}, {found[2]:08x})"
            )

    def trace(self, x: NDArray[np.int8], every_state: bool) -> Trace:
        """Run one sequence, int8 [T, I]: step by step, then once more as a whole.

        Raises
        ------
        HardwareError
            If no answer comes.
        """
        steps = len(x)
        states, answers, labels = {}, [], []
        try:
            self.device.reset()
            for step, values in enumerate(x):
                result = self.device.step(values)
                assert result.logits is not None
                answers.append(result.logits)
                labels.append(result.label)
                if every_state or step == steps - 1:
                    states[step] = self.device.state().h.astype(np.int64)
            whole = self.device.run(x)
            assert whole.logits is not None
            last = self.device.state().h.astype(np.int64)
        except DeviceError as error:
            raise HardwareError(f"{error}{self._said()}") from error
        return Trace(
            states=states,
            answers=np.stack(answers),
            labels=np.array(labels),
            answer=whole.logits,
            label=whole.label,
            state=last,
        )

    def start_waves(self) -> None:
        """Write waveforms from now on."""
        self._process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)  # the simulation looks at it every few hundred cycles

    def stop_waves(self) -> None:
        """Write no more waveforms."""
        self._process.send_signal(signal.SIGUSR2)
        time.sleep(0.1)

    def _read_errors(self, stream: IO[str]) -> None:
        for line in stream:
            self._complaints = [*self._complaints[-3:], line.strip()]

    def _said(self) -> str:
        if self._process.poll() is not None:
            self._reader.join(_END_TIMEOUT)
        return f" (the simulation said: {'; '.join(self._complaints)})" if self._complaints else ""

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            said, _ = _finish(self._process)
        except subprocess.TimeoutExpired:
            self._process.kill()
            said, _ = _finish(self._process)
        self._reader.join(_END_TIMEOUT)
        assert self._process.stderr is not None
        self._process.stderr.close()
        found = re.search(r"simulated (\d+) cycles in \S+ s: (\d+) cycles/s", said)
        if found is not None:
            self.cycles, self.cycles_per_second = int(found[1]), int(found[2])


def _finish(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Take what is left of a process's output, and wait for it."""
    assert process.stdout is not None and process.stdin is not None
    process.stdin.close()
    status = process.wait(_END_TIMEOUT)
    with process.stdout as stream:
        return stream.read(), status


def hardware_traces(
    board: Board, x: NDArray[np.int8], lengths: NDArray[np.int64], every_state: bool
) -> Iterator[Trace]:
    """Yield the trace of every sequence, int8 [N, T, I] with their lengths."""
    for sequence, length in zip(x, lengths, strict=True):
        yield board.trace(sequence[:length], every_state)


def write_waves(
    design: Design,
    build: Artefacts,
    network: Network,
    x: NDArray[np.int8],
    mismatch: Mismatch,
    path: Path,
) -> bool:
    """Run a sequence, int8 [T, I], again on a fresh board, and write the step that went wrong.

    The waveform begins with the bytes of that step's request and ends when its state was read;
    for a mismatch of the sequence as a whole it holds the whole sequence.

    Returns
    -------
    bool
        Whether the mismatch was there again.
    """
    with Board(design, build, network, trace=path) as board:
        device = board.device
        try:
            device.reset()
            if mismatch.whole:
                board.start_waves()
                result = device.run(x)
            else:
                for values in x[: mismatch.step]:
                    device.step(values)
                board.start_waves()
                result = device.step(x[mismatch.step])
            h = device.state().h
            board.stop_waves()
        except DeviceError as error:
            raise HardwareError(str(error)) from error
    assert result.logits is not None
    if mismatch.what == "state":
        assert mismatch.layer is not None and mismatch.unit is not None
        start = sum(network.spec.units[: mismatch.layer])
        return int(h[start + mismatch.unit]) != mismatch.expected
    if mismatch.what == "logit":
        return int(result.logits[mismatch.unit or 0]) != mismatch.expected
    return result.label != mismatch.expected
