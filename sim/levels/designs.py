"""The Verilog of RTL, netlist and bitstream, each behind the same five pins.

All three hold the same design with the same pads and the same PLL; what stands around them is one
module with the ports of the simulated board's harness.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hdl.toolchain import find_toolchain
from sim.harness.build import digest
from sim.levels import cells
from sim.levels.artefacts import Artefacts, kept_text
from sim.levels.netlist import placed_verilog
from sim.levels.traces import LevelError, Unavailable

#: The library asks of some pins whether anything drives them, which Verilator cannot answer.
_NO_OPEN_PINS = "the library's questions for undriven pins (=== 1'bz) are answered no"

#: What the chip does by itself and a simulation must be told.
_TIES = {
    "rtl": f"open clock enables of pads are 1; {_NO_OPEN_PINS}",
    "netlist": "open inputs are 0, open enables 1; the PLL's fixed wire to its global buffer; "
    + _NO_OPEN_PINS,
    "bitstream": _NO_OPEN_PINS,
}

#: How to get the one program that pip does not install.
ICEBOX = "Debian and Ubuntu: apt-get install fpga-icestorm (only the bitstream level needs it)"


@dataclass(frozen=True)
class Substitute:
    """A primitive whose behaviour does not come from Yosys's library as it is.

    Attributes
    ----------
    primitive : str
    instances : int
    by : str
        What stands for it.
    """

    primitive: str
    instances: int
    by: str


@dataclass(frozen=True)
class Design:
    """What is simulated.

    Attributes
    ----------
    level : str
    verilog : str
        Everything, top module `sim.levels.cells.TOP` with ports clk, rst, rx, tx and led.
    source : str
        What it was made of.
    library : dict
        Instances of cells whose model is Yosys's, by name.
    substitutes : tuple of Substitute
    ties : str
        What was connected that the source leaves to the chip.
    """

    level: str
    verilog: str
    source: str
    library: dict[str, int]
    substitutes: tuple[Substitute, ...]
    ties: str


def rtl(build: Artefacts) -> Design:
    """Return the RTL as Yosys read it, before any of it was mapped."""
    text = cells.tie_pads(build.verilog.read_text())
    return _design(build, "rtl", "top", text, f"{build.verilog.name}, as read by Yosys")


def netlist(build: Artefacts) -> Design:
    """Return the netlist that nextpnr placed and routed."""
    data = build.placed.read_text()
    text = kept_text(build.folder, "placed.v", digest(data), lambda: placed_verilog(data))
    source = f"{build.placed.name}, as nextpnr placed and routed it"
    return _design(build, "netlist", "top", text, source)


def bitstream(build: Artefacts) -> Design:
    """Return the `.bin` unpacked: what the configured chip is.

    Raises
    ------
    Unavailable
        If `icebox_vlog` is missing, or the weights are in SPRAM, which it drops in silence.
    """
    if build.weights != "bram":
        raise Unavailable(
            "icebox_vlog cannot read SPRAM, and the network does not fit block RAM: "
            f"{build.report['store']['reason']}"
        )
    data = build.bitstream.read_bytes()
    pins = build.pins.read_text()
    text = kept_text(
        build.folder, "unpacked.v", digest(data, pins), lambda: unpack(build, find_icebox())
    )
    return _design(build, "bitstream", "chip", text, f"{build.bitstream.name}, unpacked")


def find_icebox() -> str:
    """Return the path of `icebox_vlog`; Unavailable if it is not there."""
    path = shutil.which("icebox_vlog")
    if path is None:
        raise Unavailable(f"icebox_vlog is not on PATH. {ICEBOX}")
    return path


def unpack(build: Artefacts, icebox: str) -> str:
    """Return the `.bin` as Verilog: iceunpack, then icebox_vlog with the board's pin names."""
    unpacker = find_toolchain("yowasp").tools["icepack"].path
    unpacker = str(Path(unpacker).with_name("yowasp-iceunpack"))
    with tempfile.TemporaryDirectory(dir=build.folder, prefix=".work-") as name:
        work = Path(name)
        shutil.copy(build.bitstream, work / "top.bin")
        shutil.copy(build.pins, work / "top.pcf")
        _run([unpacker, "top.bin", "top.asc"], work)
        command = [icebox, "-s", "-d", build.board.package, "-p", "top.pcf", "top.asc"]
        text = _run(command, work)
    # It declares each port twice, in the module's head and as a wire: legal only where the
    # head holds names alone.
    match = re.search(r"^module chip \((.*)\);$", text, re.MULTILINE)
    if match is None:
        raise LevelError("icebox_vlog wrote no module 'chip'")
    names = re.sub(r"\b(?:input|output|inout) ", "", match[1])
    head = f"module chip ({names});\n{match[1].replace(',', ';')};"
    return text.replace(match[0], head)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "; ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise LevelError(f"{Path(command[0]).name} failed with status {done.returncode}: {last}")
    return done.stdout


def _design(build: Artefacts, level: str, top: str, text: str, source: str) -> Design:
    found = cells.cells_in(text)
    substitutes = []
    for name, count in found.items():
        if name in cells.PLLS:
            by = "the simulation's clock; locks when the harness's reset ends"
            substitutes.append(Substitute(name, count, by))
        elif name == cells.SPRAM:
            by = "sim/harness/sb_spram256ka.v, arbitrary contents at power-up"
            substitutes.append(Substitute(name, count, by))
    taken = {item.primitive for item in substitutes}
    library = {name: count for name, count in found.items() if name not in taken}
    verilog = "\n".join([_around(build, top), text, cells.models_of(found)])
    return Design(level, verilog, source, library, tuple(substitutes), _TIES[level])


def _around(build: Artefacts, top: str) -> str:
    """Return the top module: the board's pins as the harness has them.

    `locked` is what the PLL's model tells; the design then waits as it does on the board.
    """
    ports = re.findall(r"^set_io (?:-\w+ )*(\S+) \S+$", build.pins.read_text(), re.MULTILINE)
    board = build.board

    def port(start: str, end: str) -> str:
        for name in ports:
            if name.startswith(start) and name.endswith(end):
                return str(name)
        raise LevelError(f"{build.pins} has no pin for {start}...{end}")

    joined = {
        port(f"{board.clock.resource}_", "__io"): "clk_pin",
        port(f"{board.link.resource}_", "__rx__io"): "rx_pin",
        port(f"{board.link.resource}_", "__tx__io"): "tx",
        port(f"{board.led}_", "__io"): "led",
    }
    flash = board.flash
    if flash is not None and any(name.startswith(f"{flash.resource}_") for name in ports):
        joined[port(f"{flash.resource}_", "__cipo__io")] = "flash_pin"
    listed = ", ".join(f".{name}({pin})" for name, pin in joined.items())
    return f"""\
module {cells.TOP}(input clk, input rst, input rx, output tx, output led);
    wire locked = ~rst;
    wire clk_pin = clk;
    wire rx_pin = rx;
    wire flash_pin = 1'b1; // an erased flash; by a wire, since the pin is one of both directions
    {top} board({listed});
endmodule
"""


#: The hardware levels, in the order in which a design passes through them.
DESIGNS: dict[str, Callable[[Artefacts], Design]] = {
    "rtl": rtl,
    "netlist": netlist,
    "bitstream": bitstream,
}
