"""`monitor`: rates and utilisation from the differences of counters."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from host.cli import main
from host.cli import monitor as monitor_module
from host.device import Device
from host.rates import rates, watch
from models.random_networks import random_network
from tests.host.helpers import device_for

NETWORK = random_network(1, inputs=3, units=(6,))


@pytest.fixture
def counters():
    """Counters of which a test changes what it is about."""
    with Device.open("emulator") as device:
        return device.counters()


def test_rates_are_differences_by_time(counters):
    before = replace(counters, steps=100, events=1000, cycles=20000, link_errors=3)
    after = replace(counters, steps=150, events=1700, cycles=30000, link_errors=5)
    found = rates(before, after, 0.5)
    assert found.steps_per_second == 100 and found.events_per_second == 1400
    assert found.cycles == 10000 and found.cycles_per_step == 200 and found.link_errors == 2
    assert found.seconds == 0.5


def test_shares_are_of_all_clock_cycles(counters):
    before = replace(counters, cycles=5, adding=1, reading=2, starved=7, idle=9)
    after = replace(counters, cycles=605, adding=301, reading=102, starved=107, idle=309)
    found = rates(before, after, 1.0)
    assert (found.adding, found.reading, found.other) == (0.3, 0.1, 0.2)
    assert (found.starved, found.idle) == (0.1, 0.3)


def test_nothing_counted_is_all_zero(counters):
    found = rates(counters, counters, 2.0)
    shares = (found.adding, found.reading, found.other, found.starved, found.idle)
    assert shares == (0, 0, 0, 0, 0) and found.cycles_per_step == found.steps_per_second == 0


def test_each_interval_begins_where_the_last_one_ended(counters):
    readings = iter(replace(counters, steps=n) for n in (0, 10, 40))
    times = iter([100.0, 101.0, 103.0])
    slept = []
    watched = watch(lambda: next(readings), 0.7, lambda: next(times), slept.append)
    found = [next(watched), next(watched)]
    assert [one.steps_per_second for one in found] == [10, 15]
    assert [one.seconds for one in found] == [1, 2] and slept == [0.7, 0.7]


@pytest.fixture
def device(kind, monkeypatch):
    """A device that takes a step whenever the monitor sleeps, and the seconds slept."""
    made = device_for(kind, NETWORK)
    made.load(NETWORK)
    monkeypatch.setattr(Device, "open", staticmethod(lambda where, **options: made))

    class Time:
        slept = []
        interrupt_after = None

        @classmethod
        def sleep(cls, seconds):
            if len(cls.slept) == cls.interrupt_after:
                raise KeyboardInterrupt
            cls.slept.append(seconds)
            made.step(np.array([1, 2, len(cls.slept)]))

        @classmethod
        def monotonic(cls):
            return 1000 + sum(cls.slept)

    monkeypatch.setattr(monitor_module, "time", Time)
    return Time


def test_a_line_an_interval_in_a_pipe(device, capsys):
    assert main(["monitor", "--device", "x", "--interval", "0.25", "--count", "3"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["steps/s", "events/s", "busy", "cycles"] and len(lines) == 3
    assert all(line.split()[0] == "4.0" and len(line) == len(head) for line in lines)
    assert device.slept == [0.25] * 3


def test_json_has_an_interval_a_line(device, capsys):
    assert main(["monitor", "--device", "x", "--count", "2", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["steps_per_second"] == second["steps_per_second"] == 1
    assert first["cycles_per_step"] == first["cycles"] > 0 and first["link_errors"] == 0
    assert first["adding"] + first["reading"] + first["other"] == pytest.approx(1)


def test_a_terminal_is_refreshed_in_place(device, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["monitor", "--device", "x", "--count", "2"]) == 0
    first, second = capsys.readouterr().out.split("\x1b[10A\x1b[J")
    for table in (first, second):
        assert len(table.splitlines()) == 10 and "steps/s      1.0\n" in table


def test_ctrl_c_ends_it_with_what_was_shown(device, capsys):
    device.interrupt_after = 2
    assert main(["monitor", "--device", "x", "--json"]) == 130
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2 and captured.err == "interrupted\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", "86401", "1e300"])
def test_the_interval_must_be_positive(seconds, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["monitor", "--device", "x", f"--interval={seconds}"])
    assert ended.value.code == 2
    assert (
        f"expected seconds above 0, up to 86400 (a day), found '{seconds}'"
        in capsys.readouterr().err
    )


def test_a_device_must_be_named(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["monitor"])
    assert ended.value.code == 2 and "--device" in capsys.readouterr().err
