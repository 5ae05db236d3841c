"""Damage and its report: what is drawn, what a line does with it, and what the program says."""

import re

import pytest

from host.errors import DeviceTimeout
from sim.faults import __main__ as program
from sim.faults.campaign import ACCIDENTS, Outcome, WrongAnswer
from sim.faults.damage import Faults
from sim.faults.line import FaultyTransport

DATA = bytes(range(1, 101))


class Inner:
    """A line that repeats what is sent, after a second; its clock moves when it is waited for."""

    def __init__(self):
        self.clock = 0.0
        self.arrivals = []

    def send(self, data):
        self.arrivals.append((self.clock + 1.0, data))

    def receive(self, timeout):
        assert timeout >= 0
        end = self.clock + timeout
        if self.arrivals and self.arrivals[0][0] <= end:
            self.clock = max(self.clock, self.arrivals[0][0])
            return self.arrivals.pop(0)[1]
        self.clock = end
        return b""

    def now(self):
        return self.clock

    def close(self):
        self.arrivals.clear()


def collected(line, seconds):
    data, end = b"", line.now() + seconds
    while line.now() < end:
        data += line.receive(end - line.now())
    return data


@pytest.mark.parametrize("kind", Faults.KINDS)
def test_damage_is_drawn_from_the_seed_and_counted(kind):
    damaged = Faults(kind, 20, 5)(DATA)
    assert damaged != DATA
    assert Faults(kind, 20, 5)(DATA) == damaged != Faults(kind, 20, 6)(DATA)
    off = Faults(kind, 1, 5)
    off.enabled = False
    assert off(DATA) == DATA and off.count == 0


@pytest.mark.parametrize(
    ("kind", "arrives"),
    [
        ("drop", b""),
        ("double", bytes(b for byte in DATA for b in (byte, byte))),
        ("swap", bytes((*range(2, 101), 1))),
    ],
)
def test_every_byte_may_be_hit(kind, arrives):
    faults = Faults(kind, 1, 1)
    assert faults(DATA) == arrives
    assert faults.count == len(DATA)


def test_flips_change_one_bit_and_truncation_goes_on_in_the_next_piece():
    flipped = Faults("flip", 1, 1)(DATA)
    assert all((a ^ b).bit_count() == 1 for a, b in zip(DATA, flipped, strict=True))
    torn = Faults("truncate", 1, 1)
    assert b"".join(torn(bytes((byte,))) for byte in DATA) == b""
    assert torn.count < len(DATA) / 3


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="not 'magic'"):
        Faults("magic", 10, 1)


def test_pauses_hold_bytes_up_and_keep_their_order():
    line = FaultyTransport(Inner(), to_device=Faults("pause", 10, 1, 0.5))
    line.send(DATA)
    assert collected(line, 1.0) != DATA, "some bytes are late"
    inner = Inner()
    line = FaultyTransport(inner, Faults("pause", 10, 1, 0.5), to_host=Faults("pause", 10, 2, 0.5))
    line.send(DATA)
    assert collected(line, 60.0) == DATA
    assert inner.clock == 60.0


def test_damage_hits_each_way_alone():
    line = FaultyTransport(Inner(), to_host=Faults("drop", 1, 1))
    line.send(DATA)
    assert collected(line, 5.0) == b""
    inner = Inner()
    FaultyTransport(inner, to_device=Faults("drop", 1, 1)).send(DATA)
    assert inner.arrivals == []


def test_an_accident_happens_once_at_its_time():
    inner, times = Inner(), []
    line = FaultyTransport(inner, accident=lambda line: times.append(line.now()), at=2.5)
    collected(line, 10.0)
    assert times == [2.5]
    assert line.now() == 10.0
    line.send(DATA)
    line.close()
    assert inner.arrivals == []


def outcome(at_once=1000, **more):
    return Outcome(steps=1000, at_once=at_once, **more)


def run_program(monkeypatch, found, *arguments):
    """Run the command line with cases that only say what they found."""
    asked = []

    def carry_out(case, steps, seed):
        asked.append(case)
        result = found(case) if callable(found) else found
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(program, "carry_out", carry_out)
    return program.main(list(arguments)), asked


def test_every_kind_is_run_at_every_rate_and_has_a_row(monkeypatch, capsys):
    status, asked = run_program(monkeypatch, outcome(injected=12345))
    assert status == 0
    kinds = (*Faults.KINDS, Faults.PAUSE)
    assert {case.kind for case in asked} == {*kinds, *ACCIDENTS, "slow", "fast"}
    assert [case.every for case in asked if case.kind == "flip"] == [100, 1000, 10_000]
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + len(asked) == 2 + 3 * len(kinds) + len(ACCIDENTS) + 2
    assert "| a bit flipped | 1 in 100 bytes | 1,000 | 12,345 |" in rows[2]


@pytest.mark.parametrize(
    ("found", "kinds", "said"),
    [
        (WrongAnswer("sequence 3"), ["flip"], "a bit flipped 1 in 100 bytes, seed 1: sequence 3"),
        (DeviceTimeout("silent"), ["reset"], "device reset, seed 1: silent"),
        (outcome(989), ["drop"], "1 in 10,000 bytes, seed 1: 11 of 1000 steps met an error"),
    ],
)
def test_what_must_not_happen_is_a_failure_and_leaves_the_document(
    monkeypatch, capsys, tmp_path, found, kinds, said
):
    document = tmp_path / "link.md"
    document.write_text(f"{program.BEGIN}\nold\n{program.END}\n")
    status, _ = run_program(monkeypatch, found, "--kinds", *kinds, "--docs", str(document))
    assert status == 1
    assert said in capsys.readouterr().err
    assert "old" in document.read_text()


def test_many_errors_at_high_rates_are_no_failure(monkeypatch):
    def found(case):
        return outcome(0 if case.every != 10_000 else 990)

    assert run_program(monkeypatch, found)[0] == 0


def test_the_table_goes_into_the_document(monkeypatch, tmp_path):
    document = tmp_path / "link.md"
    document.write_text(f"before\n{program.BEGIN}\nold\n{program.END}\nafter\n")
    status, _ = run_program(monkeypatch, outcome(), "--docs", str(document))
    text = document.read_text()
    assert status == 0
    assert "| device reset |" in text and "old" not in text
    assert text.startswith("before\n") and text.endswith("after\n")


def test_the_document_holds_a_row_for_each_case():
    text = program.DOCUMENT.read_text()
    part = text[text.index(program.BEGIN) : text.index(program.END)]
    rows = [re.split(r" *\| *", line)[1:3] for line in part.splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        [program.MEANINGS[case.kind], case.rate] for case in program.cases(list(program.MEANINGS))
    ]


@pytest.mark.parametrize("steps", ["0", "12", "many"])
def test_steps_come_in_whole_sequences(steps, capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(["--steps", steps])
    assert ended.value.code == 2
    assert f"expected a multiple of 8, not '{steps}'" in capsys.readouterr().err
