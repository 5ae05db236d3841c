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
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.arguments import bench_parser, count, guarded
from bench.elastic_cell import (
    BITS,
    CELL,
    FRACTION_BITS,
    HIDDEN,
    INPUTS,
    PACKAGE,
    convert,
    find_ghdl,
    find_library,
    generate,
    rewrite,
)
from bench.elastic_steps import compare, simulate_netlist, simulate_vhdl, stimulus
from bench.record import write
from hdl.report import Usage, read_usage
from hdl.toolchain import Toolchain, find_toolchain

#: One product a weight: four gates of H rows over input and state.
MACS = 4 * HIDDEN * (INPUTS + HIDDEN)

#: What the engine is asked for as well; no build reaches it, so placement tries its best.
TARGET_MHZ = 48

_OPTIONS = {"DSP": ["-dsp"], "no DSP": []}

_EXAMPLES = """\
examples:
  python -m bench.elastic
  python -m bench.elastic --quick
  python -m bench.elastic --seeds 6 --output build/elastic.json
"""


def synthesize(tools: Toolchain, verilog: Path, name: str) -> None:
    """Map the Verilog to iCE40 cells: JSON for nextpnr, Verilog for simulation, both counted."""
    options = " ".join(["-device u", *_OPTIONS[name], f"-top {CELL}"])
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
    given = stimulus()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        one = 2**FRACTION_BITS
        model = generate(folder, [[value / one for value in row] for row in given])
        flat = [value for row in given for value in row]
        vhdl = folder / CELL
        cell = vhdl / f"{CELL}.vhd"
        cell.write_text(rewrite(cell.read_text()))
        steps = simulate_vhdl(vhdl, flat, folder)
        verilog = folder / f"{CELL}.v"
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


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("elastic", __doc__, _EXAMPLES)
    parser.add_argument("--seeds", type=count, default=3, metavar="N", help="seeds 1 to N (3)")
    parser.add_argument("--quick", action="store_true", help="nextpnr's seed 1 only")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def _run(options: argparse.Namespace) -> int:
    found = measure(tuple(range(1, 2 if options.quick else options.seeds + 1)))
    print(table(found))
    model = found["model"]
    print(
        f"Of {model['values']} values of state, {model['equal']} are the library's own "
        f"PyTorch module's; the largest difference is {model['largest_difference']} "
        "in the last place."
    )
    write(options.output, {"elastic": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
