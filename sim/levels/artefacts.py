"""One build of the board, which RTL, netlist and bitstream are all taken from.

The build is `hdl.build`'s own, with its products kept by a digest of everything that goes into
it; the same inputs give the same bytes, so this `.bin` is the one that `python -m hdl.build`
makes. A folder of an earlier build can be given instead.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdl.boards import Board, load_board
from hdl.build import build
from hdl.flow import PLACED, file_digest
from hdl.plan import PlanError, make_plan
from hdl.toolchain import find_toolchain
from models.network import Network
from models.writing import write_whole
from sim.harness.build import cache_folder, digest, locked
from sim.levels.traces import LevelError, Unavailable

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Artefacts:
    """What a build left.

    Attributes
    ----------
    board : Board
    folder : Path
        Holds the files below.
    report : dict
        `report.json`.
    """

    board: Board
    folder: Path
    report: dict[str, Any]

    @property
    def verilog(self) -> Path:
        """The RTL of the whole top level, pins and PLL included."""
        return self.folder / f"{self.board.name}.v"

    @property
    def placed(self) -> Path:
        """The netlist that nextpnr placed and routed."""
        return self.folder / PLACED

    @property
    def bitstream(self) -> Path:
        """The `.bin`."""
        return self.folder / f"{self.board.name}.bin"

    @property
    def pins(self) -> Path:
        """The `.pcf`: which pin carries which port."""
        return self.folder / f"{self.board.name}.pcf"

    @property
    def weights(self) -> str:
        """Weight store, "bram" or "spram"."""
        return str(self.report["weights"])

    @property
    def baud(self) -> int:
        return int(self.report["baud"])

    @property
    def clock_hz(self) -> float:
        return float(self.report["target_mhz"]) * 1e6


def open_build(folder: Path, board_name: str) -> Artefacts:
    """Return what an earlier `python -m hdl.build` left in a folder.

    Raises
    ------
    LevelError
        If a file is missing, or the `.bin` is not the one of its report.
    """
    board = load_board(board_name)
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text())
        made = Artefacts(board, folder, report)
        for file in (made.verilog, made.placed, made.bitstream, made.pins):
            if not file.is_file():
                raise LevelError(
                    f"{folder} holds no {file.name}: build it anew, or leave out --build"
                )
        if report["bitstream_sha256"] != file_digest(made.bitstream):
            raise LevelError(f"{made.bitstream} is not the bitstream that {path} tells of")
    except FileNotFoundError as error:
        raise LevelError(
            f"{folder} holds no build of {board_name}: expected a {path.name}, found none"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise LevelError(f"{folder} holds no build of {board_name}: {error}") from error
    return made


def make_build(
    network: Network,
    board_name: str,
    lanes: int | None,
    weights: Any,
    progress: Callable[[str], None],
) -> Artefacts:
    """Build the board with this network, or take the build of the same inputs from the cache.

    Raises
    ------
    Unavailable
        If the network fits no weight store of the board.
    hdl.build.BuildError, hdl.toolchain.ToolError
        If the build fails.
    """
    board = load_board(board_name)
    try:
        plan = make_plan(board, network, lanes, weights)
    except PlanError as error:
        raise Unavailable(str(error)) from error
    tools = find_toolchain("yowasp")
    sources = sorted(
        [*(ROOT / "hdl").rglob("*.py"), *(ROOT / "models").glob("*.py")]
        + [ROOT / "constraints" / f"{board_name}.yaml"]
    )
    image = b"" if plan.parameters.image is None else plan.parameters.image.to_bytes()
    key = digest(
        sys.version,
        repr(sorted(tools.versions().items())),
        repr((plan.parameters.lanes, plan.parameters.weights, plan.network, plan.network_words)),
        image,
        *(part for path in sources for part in (str(path.relative_to(ROOT)), path.read_bytes())),
    )
    folder = cache_folder().parent / "levels" / f"build-{key}"
    with locked(folder.with_suffix(".lock")):
        if not (folder / "report.json").exists():
            progress(f"building {board.title} with network {network.spec.name!r} (once) ...")
            work = folder.with_suffix(".new")
            shutil.rmtree(work, ignore_errors=True)
            build(board, plan, output=work, progress=progress)
            shutil.rmtree(folder, ignore_errors=True)
            work.rename(folder)
    return open_build(folder, board_name)


def kept_text(folder: Path, name: str, key: str, make: Callable[[], str]) -> str:
    """Return a text that takes long to make, from a file beside the build if it is there."""
    path = folder / f"{name}-{key}"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            write_whole(path, make())
        return path.read_text()
