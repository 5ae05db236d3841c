"""What a device does a second, from the differences of its counters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from host.results import Counters


@dataclass(frozen=True)
class Rates:
    """An interval.

    Attributes
    ----------
    seconds : float
        Its length, by this computer's clock.
    steps_per_second, events_per_second : float
    cycles : int
        Clock cycles in which the engine worked.
    cycles_per_step : float
        0 without steps.
    adding, reading, other, starved, idle : float
        Shares of all clock cycles counted, 0 to 1: what `host.results.Counters` tells apart, and
        the rest of the working ones. They sum to 1, or are all 0 where none was counted.
    link_errors : int
    """

    seconds: float
    steps_per_second: float
    events_per_second: float
    cycles: int
    cycles_per_step: float
    adding: float
    reading: float
    other: float
    starved: float
    idle: float
    link_errors: int


def rates(before: Counters, after: Counters, seconds: float) -> Rates:
    """Return what happened between two readings, `seconds` > 0 apart."""

    def counted(name: str) -> int:
        difference: int = getattr(after, name) - getattr(before, name)
        return difference

    cycles, steps = counted("cycles"), counted("steps")
    adding, reading = counted("adding"), counted("reading")
    starved, idle = counted("starved"), counted("idle")
    clock_cycles = cycles + starved + idle or 1
    return Rates(
        seconds=seconds,
        steps_per_second=steps / seconds,
        events_per_second=counted("events") / seconds,
        cycles=cycles,
        cycles_per_step=cycles / steps if steps else 0.0,
        adding=adding / clock_cycles,
        reading=reading / clock_cycles,
        other=(cycles - adding - reading) / clock_cycles,
        starved=starved / clock_cycles,
        idle=idle / clock_cycles,
        link_errors=counted("link_errors"),
    )


def watch(
    counters: Callable[[], Counters],
    interval: float,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
) -> Iterator[Rates]:
    """Yield the rates of one interval after another, without end.

    Parameters
    ----------
    counters : callable
        Reads them, such as `host.device.Device.counters`.
    interval : float
        Seconds to sleep between two readings.
    clock, sleep : callable
        Such as `time.monotonic` and `time.sleep`.
    """
    before, start = counters(), clock()
    while True:
        sleep(interval)
        after, end = counters(), clock()
        yield rates(before, after, end - start)
        before, start = after, end
