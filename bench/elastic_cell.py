"""The peer's LSTM cell: elastic-ai.creator found, its VHDL generated and made Verilog by GHDL."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hdl.toolchain import ToolError

__all__ = [
    "BITS",
    "CELL",
    "FRACTION_BITS",
    "HIDDEN",
    "INPUTS",
    "PACKAGE",
    "VERSION",
    "convert",
    "find_ghdl",
    "find_library",
    "generate",
    "rewrite",
    "run",
    "sources",
]

PACKAGE, VERSION = "elasticai-creator", "0.67.0"

HIDDEN, INPUTS = 20, 1  # the library's VHDL takes no more than one input
BITS, FRACTION_BITS = 8, 4

#: Name of the entity, of its file and of the folder that holds it.
CELL = "lstm_cell"

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

_TAIL_LINES = 15


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
    said = run(["ghdl", "--version"], Path())
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
    layer.create_design(CELL).save_to(OnDiskPath(".", parent=str(folder.resolve())))
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
                f"{CELL}.vhd must hold {old.strip()!r} once, not {text.count(old)} times"
            )
        text = text.replace(old, new)
    return text


def convert(vhdl: Path, verilog: Path) -> None:
    """Make Verilog of the VHDL in a folder."""
    # The library's ROMs are latches that are always open; Yosys sees that and takes them out.
    command = ["ghdl", "--synth", "--std=93c", "--latches", "--out=verilog"]
    verilog.write_text(run([*command, *sources(vhdl), "-e", CELL], verilog.parent))


def sources(folder: Path) -> list[str]:
    """The VHDL files of a folder, the cell after its parts."""
    files = sorted(folder.glob("*.vhd"), key=lambda path: (path.stem == CELL, path.name))
    return [str(path) for path in files]


def run(command: Sequence[str], folder: Path) -> str:
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
