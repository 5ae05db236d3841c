"""The comparison on the chip: variants, what is read of a run, goals, table and drift."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.lib.wiring import In, Out

from bench import baseline
from bench.hardware import cli, ours, peers, steps
from bench.hardware.goals import at_least, at_most, goals
from bench.hardware.report import markdown, table
from bench.hardware.rows import Built, NotBuilt
from bench.shell import Placed, Shell
from hdl.boards import load_board
from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from hdl.toolchain import Toolchain, ToolError
from models.file import load
from models.golden import GoldenModel
from models.random_networks import random_inputs, random_network
from models.tasks import digits
from models.word_format import PLAIN
from sim import runner
from sim.engine_script import EngineScript

OURS = Built(
    who="ours", name="addgate", data="rows", logic_cells=2000, ebr=28, spram=0, dsp=0,
    shell_cells=200, clock_mhz=(48.0, 50.0, 60.0), seeds=(1, 2, 3), target_mhz=60.0, cycles=300.0,
    cycles_tag="derived (of a test)", operations=6000.0, peak=32, cycles_worst=320.5,
    accuracy=0.975,
)  # fmt: skip
GRU = replace(
    OURS, who="gru", name=peers.GRU_NAMES["dsp"], logic_cells=1000, shell_cells=100, dsp=8,
    clock_mhz=(60.0,), cycles=3600.0, operations=15000.0, peak=None, cycles_worst=None,
    accuracy=None,
)  # fmt: skip
PIXELS = replace(OURS, data="pixels", cycles=50.0)
LSTM = replace(
    GRU, who="lstm", name=peers.LSTM_NAMES["DSP"], data="pixels", shell_cells=0, cycles=1500.0
)
ROWS = [OURS, GRU, PIXELS, LSTM]
TOOLS = Toolchain("yowasp", {})


def test_figures_stand_on_the_median_clock():
    assert OURS.median_mhz == 50.0
    assert OURS.step_us == 6.0
    assert OURS.operations_a_second == 1e9
    assert OURS.peak_a_second == 1.6e9
    assert OURS.core_cells == 1800
    assert OURS.figures() == {
        "logic_cells": 2000, "clock_mhz": 50.0, "cycles": 300.0, "seeds": [1, 2, 3],
    }  # fmt: skip


def test_every_figure_in_the_record_has_a_tag():
    record = OURS.record()
    described = {"who", "name", "data", "seeds", "target_mhz", "link", "peak", "accuracy", "tags"}
    # These two are counted with the cycles.
    assert record.keys() - described - {"cycles_worst", "cycles_tag", "operations"} == set(
        record["tags"]
    )
    assert {tag.split()[0] for tag in record["tags"].values()} == {"measured", "derived"}
    json.dumps(record)


# -- goals


def verdicts(rows):
    return [goal.met for goal in goals(rows)]


def test_goals_that_are_met():
    assert [goal.line() for goal in goals([*ROWS[:1], replace(GRU, logic_cells=1100), *ROWS[2:]])][
        :3
    ] == [
        "- at least 10 times faster a step than the GRU, 8 bit, 8 SB_MAC16: met, 10.00 times",
        "- fewer than 2 times the logic cells of the GRU, 8 bit, 8 SB_MAC16: met, 1.80 times "
        "(1800 to 1000, shells taken off)",
        "- no DSP on the digits by rows: met, 0 DSP",
    ]
    assert verdicts([*ROWS[:1], replace(GRU, logic_cells=1100), *ROWS[2:]]) == [True] * 6


def test_a_goal_that_is_nearly_met_is_missed_and_not_rounded_up():
    slower = replace(OURS, cycles=300.01)
    (speed, *_) = goals([slower, GRU])
    assert speed.met is False
    assert speed.line().endswith("**missed**, 9.99 times")
    larger = replace(OURS, logic_cells=2001)
    (_, cells, *_) = goals([larger, GRU])
    assert cells.met is False and cells.found.startswith("2.01 times")
    assert goals([OURS, GRU])[1].met is False  # twice is not fewer than twice


def test_pixels_have_a_goal_of_their_own():
    fast, cells, dsp = goals(ROWS)[3:]
    assert (fast.met, fast.found) == (True, "25.00 times")
    assert goals([*ROWS[:2], replace(PIXELS, cycles=50.1), LSTM])[3].met is False
    assert (cells.met, dsp.met) == (True, True)


def test_a_dsp_misses_its_goal():
    assert goals([replace(OURS, dsp=1), GRU])[2].met is False


def test_the_link_is_not_what_is_compared():
    linked = replace(OURS, link=True, cycles=1.0)
    assert goals([linked, *ROWS]) == goals(ROWS)
    assert goals([linked, GRU])[0].met is None


def test_the_fastest_of_ours_is_compared():
    assert goals([replace(OURS, cycles=1e6), *ROWS]) == goals(ROWS)


def test_a_peer_that_is_missing_leaves_its_goals_open():
    missing = NotBuilt("lstm", LSTM.name, "pixels", "get it there")
    found = goals([OURS, GRU, PIXELS, missing])[3:5]
    assert [goal.met for goal in found] == [None, None]
    assert all(goal.line().endswith("not measured, get it there") for goal in found)
    assert verdicts([]) == [None] * 4


def test_rounding_never_flatters():
    assert (at_least(9.999), at_most(1.001)) == ("9.99", "1.01")


# -- table


def test_the_table_has_times_and_sizes_as_ratios_to_ours():
    head, _, own, gru = table(ROWS, "rows").splitlines()
    assert head.count("|") == own.count("|") == gru.count("|")
    assert "| 1800 + 200 | 28 | 0 | 0 | 48.0 / 50.0 / 60.0 | 300.0 (320.5) | 6.00 µs " in own
    assert own.endswith("| 1.00 | 1.00 | 1000.0 M | 1600.0 M | 97.50 % |")
    assert "| 900 + 100 | 28 | 0 | 8 | 60.0 | 3600.0 | 60.00 µs | 10.00 | 0.50 |" in gru


def test_a_row_that_was_refused_has_its_reason():
    refused = NotBuilt("ours", "addgate, 24 lanes", "rows", "needs 6 SPRAMs, there are 4")
    lines = table([OURS, refused], "rows").splitlines()
    assert lines[-1].startswith("| addgate, 24 lanes | not built: needs 6 SPRAMs, there are 4 |")
    assert len({line.count("|") for line in lines}) == 1


def test_a_table_without_ours_has_no_ratios():
    assert "| 60.00 µs |  |  |" in table([GRU], "rows").splitlines()[-1]


def test_the_report_says_how_cycles_were_found_and_with_which_tools():
    text = markdown(ROWS, {"yosys": "0.70"})
    assert "- addgate, rows: derived (of a test)" in text
    assert "yosys 0.70" in text
    assert text.count("- at least") == 2


# -- variants


def test_variants_cover_lanes_events_and_link():
    unpacked = {(v.lanes, v.events) for v in ours.VARIANTS if not v.packed}
    assert unpacked == {(16, 1), (16, 2), (24, 1), (24, 2)}
    assert {(v.lanes, v.events) for v in ours.VARIANTS if v.packed} == {(20, 2)}
    # With link and packed weights: `bench.engine`.
    assert [(v.data, v.packed) for v in ours.VARIANTS if v.link] == [("rows", False)]
    assert {v.data for v in ours.VARIANTS if not v.link} == {"rows", "pixels"}
    assert len({(v.name, v.data) for v in ours.VARIANTS}) == len(ours.VARIANTS)


def test_what_the_plan_refuses_is_a_row_and_builds_nothing(monkeypatch):
    monkeypatch.setattr(ours, "place", lambda *_: pytest.fail("built"))
    monkeypatch.setattr(steps, "run", lambda *_: pytest.fail("simulated"))
    row = ours.measure(ours.Variant("rows", 24), (1,), TOOLS, 1)
    assert isinstance(row, NotBuilt)
    assert "24 lanes need 6 SPRAMs, there are 4" in row.reason
    assert "\n" not in row.reason


def test_variants_are_planned_with_their_events_and_packing():
    board, network = load_board("icebreaker"), load(ours.NETWORKS["rows"])
    for variant in ours.VARIANTS:
        if (variant.lanes, variant.events) == (24, 2) or variant.data != "rows":
            continue
        parameters = ours.plan_of(variant, board, network).parameters
        assert (parameters.lanes, parameters.events, parameters.packed) == (
            variant.lanes,
            variant.events,
            variant.packed,
        )


@pytest.mark.parametrize("data", ours.NETWORKS)
def test_networks_are_of_the_sizes_that_the_table_says(data):
    network = load(ours.NETWORKS[data])
    spec, part = network.spec, digits.load(data).test
    assert (spec.inputs, spec.units) == {"rows": (8, (64,)), "pixels": (1, (20,))}[data]
    assert part.x.shape[1:] == {"rows": (8, 8), "pixels": (64, 1)}[data]
    result = GoldenModel(network).run(network.quantize(part.x))
    assert (result.labels == part.y).mean() > 0.8
    plan = ours.plan_of(ours.Variant(data), load_board("icebreaker"), network)
    assert plan.parameters.image is not None  # preloaded, so that nothing is optimised away


# -- steps


def test_additions_are_those_of_a_dense_computation_of_the_events():
    network = random_network(3, inputs=3, units=(5, 4), outputs=2, planes=2)
    x = random_inputs(4, network, 2, 6, change=0.4)
    first, second = GoldenModel(network).run(x).states
    total = 0
    for n in range(2):
        for t in range(6):
            before = [
                part[n, t - 1] if t else np.zeros_like(part[n, 0]) for part in (x, first, second)
            ]
            changed = [
                int((part[n, t] != old).sum())
                for part, old in zip((x, first, second), before, strict=True)
            ]
            total += 2 * (10 * changed[0] + 10 * changed[1])  # two planes each
            total += 2 * (8 * changed[1] + 8 * changed[2])
            total += 2 * (2 * changed[2])
    assert steps.count_additions(network, x) == total


@pytest.fixture
def few():
    """Three digits, and the engine for them."""
    network = load(ours.NETWORKS["rows"])
    plan = ours.plan_of(ours.Variant("rows"), load_board("icebreaker"), network)
    return network, plan.parameters, digits.load().test.take(np.arange(3))


def test_cycles_of_an_rtl_that_differs_are_an_error(few, monkeypatch):
    monkeypatch.setattr(steps, "simulate", lambda *_: [2400, 2401])
    with pytest.raises(ValueError, match=r"the RTL takes \[2400, 2401\] cycles, the emulator says"):
        steps.run(*few, 2, "test")


def test_steps_are_the_emulator_s_where_the_rtl_agrees(few, monkeypatch):
    network, parameters, part = few
    seen = []

    def simulate(network, parameters, x, case):
        """What the script says, without playing it."""
        seen.append(len(x))
        script_cycles = []
        script = EngineScript(parameters.lanes, word_format=parameters.word_format)
        script.load(network)
        for sequence in x:
            begin = len(script.operations)
            script.sequence(sequence)
            script_cycles.append(sum(o["cycles"] for o in script.operations[begin:]))
        return script_cycles

    monkeypatch.setattr(steps, "simulate", simulate)
    found = steps.run(network, parameters, part, 2, "test")
    assert seen == [2]
    assert (found.sequences, found.simulated) == (3, 2)
    assert 100 < found.cycles_mean <= found.cycles_worst < 1000
    x = network.quantize(part.x)
    assert found.additions == steps.count_additions(network, x) / 24


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (runner.BenchFailure("busy cycles is 5, not 4"), ValueError, "RTL differs .* is 5, not 4"),
        (runner.MissingSimulator("get Verilator so"), ToolError, "get Verilator so"),
    ],
)
def test_what_the_simulation_says_is_an_error_of_the_bench(
    few, monkeypatch, raised, error, message
):
    network, parameters, part = few
    played = []

    def run_bench(engine, bench, simulator, **more):
        played.append(more["data"]["operations"])
        raise raised

    monkeypatch.setattr(runner, "run_bench", run_bench)
    with pytest.raises(error, match=message):
        steps.simulate(network, parameters, network.quantize(part.x)[:2], "test")
    # The network is loaded; two digits are a reset and eight steps each, all with their cycles.
    assert [one["do"] for one in played[0]] == ["load", *(["reset"] + ["step"] * 8) * 2]
    assert all(one["cycles"] > 0 and "state" in one for one in played[0][1:])


# -- peers


def test_a_gru_s_digit_is_seven_steps_and_one_with_readout(monkeypatch):
    found = {
        "logic_cells": 961, "ebr": 10, "spram": 4, "dsp": 8, "clock_mhz": [65.0],
        "cycles": {"step": 1800, "step_with_readout": 1880},
        "products": {"step": 13824, "step_with_readout": 14464},
    }  # fmt: skip
    monkeypatch.setattr(peers.gru, "measure", lambda *_: found)
    monkeypatch.setattr(peers.gru, "measure_shell", lambda _: 92)
    first, second = peers.measure_gru((1,), TOOLS)
    assert (first.cycles, first.operations, first.core_cells) == (1810, 13904, 869)
    assert [first.name, second.name] == list(peers.GRU_NAMES.values())


def test_a_missing_library_is_a_row_that_says_how_to_get_it(monkeypatch):
    def missing():
        raise ToolError("get it so", tool="elasticai-creator")

    monkeypatch.setattr(peers, "find_library", missing)
    rows, versions = peers.measure_lstm((1,))
    assert [row.reason for row in rows] == ["get it so"] * 2 and versions == {}
    rows, _ = peers.measure_lstm((1,), wanted=False)
    assert [row.reason for row in rows] == ["left out (--without-elastic)"] * 2


def test_an_lstm_that_fails_is_an_error(monkeypatch):
    def fail(seeds):
        raise ToolError("ghdl failed", tool="ghdl")

    monkeypatch.setattr(peers, "find_library", lambda: "0")
    monkeypatch.setattr(peers, "find_ghdl", lambda: "0")
    monkeypatch.setattr(peers.elastic, "measure", fail)
    with pytest.raises(ToolError, match="ghdl failed"):
        peers.measure_lstm((1,))


# -- the shell


def test_the_shell_reaches_every_port_of_the_engine():
    engine = Engine(EngineParameters())
    members = list(engine.signature.flatten(engine))
    bits = {
        flow: sum(len(Value.cast(value)) for _, member, value in members if member.flow is flow)
        for flow in (In, Out)
    }
    shell = Shell(engine)
    text = rtlil.convert(shell, ports=[shell.rx, shell.tx], emit_src=False)
    assert re.search(rf"wire width {bits[In]} \\shifted\n", text)
    assert re.search(rf"wire width {bits[Out]} \\seen\n", text)
    assert bits[In] > 100 and bits[Out] > 100


def test_a_placed_design_is_told_by_its_median():
    class Usage:
        def __init__(self, clock):
            self.clock_mhz, self.used = clock, {"logic_cells": 5}

    placed = Placed(tuple(map(Usage, (30.0, 20.0, 90.0))), (1, 2, 3))
    assert placed.median_mhz == 30.0 and placed.used == {"logic_cells": 5}


# -- the command


@pytest.fixture
def call(tmp_path, monkeypatch):
    """The command with rows that take no time; returns its status."""
    asked = {}

    def run(*arguments, ours_row=OURS):
        def measure(variant, seeds, tools, simulated):
            asked.setdefault("variants", []).append(variant)
            asked.update(seeds=list(seeds), simulated=simulated)
            return replace(ours_row, name=variant.name, data=variant.data, link=variant.link)

        def measure_lstm(seeds, wanted):
            asked["elastic"] = wanted
            return [LSTM], {"ghdl": "2.0"}

        asked.clear()
        monkeypatch.setattr(cli, "find_toolchain", lambda: TOOLS)
        monkeypatch.setattr(cli.ours, "measure", measure)
        monkeypatch.setattr(cli.peers, "measure_gru", lambda *_: [GRU])
        monkeypatch.setattr(cli.peers, "measure_lstm", measure_lstm)
        output = ["--output", str(tmp_path / "hardware.json")]
        held = ["--baseline", str(tmp_path / "baseline.json")]
        return cli.main([*output, *held, *arguments])

    run.asked = asked
    return run


def test_the_command_writes_json_and_the_table_that_it_prints(call, tmp_path, capsys):
    assert call() == 0
    assert call.asked["seeds"] == [1, 2, 3] and call.asked["elastic"]
    assert capsys.readouterr().out == (tmp_path / "hardware.md").read_text()
    record = json.loads((tmp_path / "hardware.json").read_text())
    assert len(record["hardware"]) == len(ours.VARIANTS) + 2
    assert record["tools"] == {"ghdl": "2.0"} and len(record["goals"]) == 6


def test_the_quick_form_is_one_seed_few_digits_and_no_link(call):
    assert call("--quick", "--without-elastic") == 0
    assert call.asked["seeds"] == [1] and call.asked["simulated"] == cli.QUICK_DIGITS
    for variant in call.asked["variants"]:
        assert not variant.link and variant.word_format == PLAIN
    assert not call.asked["elastic"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"logic_cells": 2200, "cycles": 330.0, "clock_mhz": (45.0,)}, None),
        ({"logic_cells": 2201}, "2201 logic cells"),
        ({"cycles": 330.1}, "330.1 cycles a step"),
        ({"clock_mhz": (44.9,)}, "44.90 MHz"),
    ],
)
def test_a_drift_of_more_than_a_tenth_fails(call, capsys, changes, message):
    assert call("--update-baseline") == 0
    status = call("--quick", "--check", ours_row=replace(OURS, **changes))
    said = capsys.readouterr().err
    assert status == (0 if message is None else 1)
    assert ("error: " in said) == (message is not None)
    if message is not None:
        assert message in said and "python -m bench.hardware --update-baseline" in said


def test_the_lstm_is_not_in_the_baseline(call, tmp_path):
    assert call("--update-baseline") == 0
    held = baseline.read(tmp_path / "baseline.json", "hardware")
    assert len(held) == len(ours.VARIANTS) + 1
    assert not any("LSTM" in name for name in held)


def test_a_bad_baseline_is_noticed_before_building(call, tmp_path, capsys):
    (tmp_path / "baseline.json").write_text('{"engine": {}}')
    assert call("--check") == 1
    assert "variants" not in call.asked
    assert "KeyError('hardware')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quick", "--update-baseline"], "goes without --quick"),
        (["--check", "--update-baseline"], "not allowed with"),
        (["--seeds", "0"], "expected a number of at least 1, not '0'"),
        (["--digits", "x"], "expected a number of at least 1, not 'x'"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_shipped_baseline_holds_what_the_quick_form_builds():
    held = baseline.read(baseline.BASELINE, "hardware")
    for variant in ours.VARIANTS:
        held_now = f"{variant.name}, {variant.data}" in held
        if variant.word_format == PLAIN:  # others are in it from the next --update-baseline on
            assert held_now == (variant.lanes == 16)
    for name in peers.GRU_NAMES.values():
        assert held[f"{name}, rows"]["logic_cells"] > 0


@pytest.mark.slow
def test_the_engine_is_no_larger_and_no_slower_than_its_baseline(tmp_path, capsys):
    """The quick form without the LSTM: four builds, and two digits of each kind in RTL."""
    output = tmp_path / "hardware.json"
    status = cli.main(["--quick", "--check", "--without-elastic", "--output", str(output)])
    assert status == 0, capsys.readouterr().err
