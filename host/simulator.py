"""Start and end the simulated board: another process, reached like any port."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from host.errors import SimulatorError

_ROOT = Path(__file__).resolve().parent.parent
_READY = "listening on "

#: The first start compiles the board; that takes a minute or two on a small machine.
START_TIMEOUT = 900.0
_END_TIMEOUT = 10.0


class SimulatedBoard:
    """A running ``python -m sim.board``.

    Parameters
    ----------
    arguments : list of str
        Options of the command line.
    start_timeout : float
        Seconds until it must be ready, compilation included.

    Attributes
    ----------
    url : str
        The address to open.

    Raises
    ------
    SimulatorError
        If it does not start; the message is the program's own.
    """

    def __init__(self, arguments: list[str], start_timeout: float = START_TIMEOUT) -> None:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(
            part for part in (str(_ROOT), environment.get("PYTHONPATH", "")) if part
        )
        # Its standard input is a pipe that ends with this process, however that ends.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sim.board", "--exit-on-eof", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._complaints: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_output, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        try:
            self.url = self._wait_until_ready(start_timeout)
        except BaseException:
            self.close()
            raise

    def _read_output(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self, stream: IO[str]) -> None:
        for line in stream:
            self._complaints = [*self._complaints[-20:], line.rstrip("\n")]
            if line.startswith("building"):
                print(line, end="", file=sys.stderr, flush=True)

    def _wait_until_ready(self, timeout: float) -> str:
        while True:
            try:
                line = self._lines.get(timeout=timeout)
            except queue.Empty:
                raise SimulatorError(
                    f"the simulated board was not ready after {timeout:g} s"
                ) from None
            if line is None:
                status = self._process.wait()
                self._readers[1].join(_END_TIMEOUT)
                found = [x for x in self._complaints if x.startswith("error: ")]
                reason = found[-1][7:] if found else "; ".join(self._complaints[-3:])
                raise SimulatorError(
                    f"the simulated board did not start (status {status}): {reason or 'no message'}"
                )
            if line.startswith(_READY):
                return line[len(_READY) :].strip()

    @property
    def process_id(self) -> int:
        """The process, for who wants to watch it."""
        return self._process.pid

    def close(self) -> None:
        """End the board and wait for it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_END_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for reader in self._readers:
            reader.join(_END_TIMEOUT)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
