"""Devices for tests: the driver over a line with a clock of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from host.device import Device
from host.link_engine import LinkEngine
from host.session import Session
from models.golden import GoldenModel
from models.image import compile_image
from models.network import Network
from tests.host.fake_device import FakeDevice, FakeOptions
from tests.host.fake_line import FakeLine


def fake_device(*networks: Network, **options: Any) -> FakeDevice:
    """A device that knows these networks."""
    made = FakeOptions(**options)
    known = ((n, compile_image(n, made.lanes, made.word_format)) for n in networks)
    return FakeDevice(*known, options=made)


def open_session(line: FakeLine, timeout: float = 0.15, retries: int = 15) -> Session:
    session = Session(line, timeout=timeout, retries=retries)
    session.open()
    return session


def open_over(line: FakeLine, timeout: float = 0.15, retries: int = 15) -> Device:
    """The real driver over a fake line."""
    return Device(LinkEngine(open_session(line, timeout, retries)))


def device_for(kind: str, *networks: Network, **options: Any) -> Device:
    """The emulator, or the real driver over a fake line to a device that knows the networks."""
    if kind == "emulator":
        return Device.open("emulator", **options)
    return open_over(FakeLine(fake_device(*networks, **options)))


def expected_scores(network: Network, sequence: np.ndarray) -> np.ndarray:
    """The golden model's final scores of one sequence [T, I]."""
    return GoldenModel(network).run(sequence[None]).scores[0]
