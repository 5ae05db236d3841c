"""nextpnr's placed and routed netlist as Verilog.

The cells are those that were packed into the bitstream (`ICESTORM_LC`, `ICESTORM_RAM`, ...). What
is changed of them, and no more:

- Unconnected inputs get the value that the chip gives them: clock enables 1, all else 0.
- The PLL's wire to its global buffer is fixed in the chip and no net; here it becomes one.
- The PLL keeps the ports that its model has, and no parameters.
- An SPRAM's single-bit ports become the buses of its model.
- Ports are bidirectional, for their pads are.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hdl.toolchain import find_toolchain
from sim.levels.traces import LevelError

_ENABLES = ("CEN", "RCLKE", "WCLKE", "CLOCK_ENABLE")
_PLL_PORTS = ("RESETB", "BYPASS", "PLLOUT_A_GLOBAL", "LOCK")
_SPRAM_BUSES = {"ADDRESS": 14, "DATAIN": 16, "MASKWREN": 4, "DATAOUT": 16}


def placed_verilog(placed: str) -> str:
    """Return the Verilog of a `placed.json`'s text; its module is `top`.

    Raises
    ------
    LevelError
        If the text is no such netlist, or Yosys cannot write it.
    """
    try:
        data = json.loads(placed)
        module = data["modules"]["top"]
        _prepare(module)
    except (ValueError, KeyError, TypeError) as error:
        raise LevelError(f"the placed netlist cannot be read: {error!r}") from error
    yosys = find_toolchain("yowasp").tools["yosys"].path
    with tempfile.TemporaryDirectory(prefix="addgate-levels-") as name:
        work = Path(name)
        (work / "top.json").write_text(json.dumps(data))
        done = subprocess.run(
            [yosys, "-q", "-p", "read_json top.json; write_verilog -noattr top.v"],
            cwd=work, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise LevelError(f"Yosys cannot write the placed netlist: {done.stderr.strip()[-500:]}")
        return (work / "top.v").read_text()


def _prepare(module: dict[str, Any]) -> None:
    cells = module["cells"].values()
    for port in module["ports"].values():
        port["direction"] = "inout"
    nets = (
        bit
        for cell in cells
        for bits in cell["connections"].values()
        for bit in bits
        if isinstance(bit, int)
    )
    unused = itertools.count(max(nets) + 1)
    clocks = []
    for cell in cells:
        if cell["type"] == "ICESTORM_PLL":
            clocks.append(_prepare_pll(cell, unused))
        elif cell["type"] == "ICESTORM_SPRAM":
            _prepare_spram(cell, unused)
    for cell in cells:
        connections = cell["connections"]
        if cell["type"] == "SB_GB" and not connections["USER_SIGNAL_TO_GLOBAL_BUFFER"]:
            if len(clocks) != 1:
                raise LevelError(f"a global buffer without input needs one PLL, not {len(clocks)}")
            connections["USER_SIGNAL_TO_GLOBAL_BUFFER"] = [clocks[0]]
        for port, bits in list(connections.items()):
            if bits:
                continue
            if cell["port_directions"][port] == "input":
                connections[port] = ["1" if port in _ENABLES else "0"]
            else:
                del connections[port]


def _prepare_pll(cell: dict[str, Any], unused: itertools.count[int]) -> int:
    """Leave a PLL what its model has; return the net of its global output."""
    connections = cell["connections"]
    if not connections.get("PLLOUT_A_GLOBAL"):
        connections["PLLOUT_A_GLOBAL"] = [next(unused)]
    for port in list(connections):
        if port not in _PLL_PORTS:
            if connections[port] and cell["port_directions"][port] == "output":
                raise LevelError(f"there is no model of the PLL's output {port}")
            del connections[port]
    cell["parameters"] = {}
    return int(connections["PLLOUT_A_GLOBAL"][0])


def _prepare_spram(cell: dict[str, Any], unused: itertools.count[int]) -> None:
    """Join an SPRAM's single-bit ports to the buses of the primitive it was packed from."""
    connections, directions = cell["connections"], cell["port_directions"]
    for bus, width in _SPRAM_BUSES.items():
        bits: list[Any] = []
        direction = directions[f"{bus}_0"]
        for index in range(width):
            bit = connections.pop(f"{bus}_{index}")
            del directions[f"{bus}_{index}"]
            bits += bit or (["0"] if direction == "input" else [next(unused)])
        connections[bus], directions[bus] = bits, direction
    cell["type"] = "SB_SPRAM256KA"
