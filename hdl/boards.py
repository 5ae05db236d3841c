"""Boards: what `constraints/<board>.yaml` says, as frozen data.

The YAML file is the only place that knows a board. A board is added by adding a file.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

#: The read command has 24 bits of address.
_FLASH_ADDRESSES = 1 << 24

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints"


class BoardError(ValueError):
    """A board that is unknown, or a board file that does not say what it must."""


@dataclass(frozen=True)
class ClockInput:
    """The oscillator and the default clock made of it, in MHz."""

    resource: str
    input_mhz: Fraction
    target_mhz: Fraction


@dataclass(frozen=True)
class PLLLimits:
    """A PLL's primitive and the ranges (lowest, highest) its frequencies must keep, in MHz."""

    primitive: str
    reference_mhz: tuple[Fraction, Fraction]
    vco_mhz: tuple[Fraction, Fraction]
    output_mhz: tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Link:
    """The serial port: Amaranth's resource name and the rate in baud."""

    resource: str
    baud: int


@dataclass(frozen=True)
class Memories:
    """How many memories the device has, and the bits in one of each kind."""

    ebr: int
    ebr_bits: int
    spram: int
    spram_bits: int


@dataclass(frozen=True)
class Flash:
    """The serial flash that the device is configured from, and may hold a network.

    Attributes
    ----------
    resource : str
        Amaranth's resource name.
    network_offset : int
        Where the network lies, behind the bitstream.
    alarm : str
        Amaranth's resource name of the LED that shows a bad network in the flash.
    openfpgaloader : str
        The board's name for openFPGALoader.
    """

    resource: str
    network_offset: int
    alarm: str
    openfpgaloader: str


@dataclass(frozen=True)
class Board:
    """One board.

    Attributes
    ----------
    name, title : str
        The name the command line takes, and the one people use.
    device, package : str
        As the vendor writes them.
    platform_path : str
        Dotted path of the Amaranth platform class.
    clock, pll, link, memories
        See their classes.
    flash : Flash or None
        None where the device is configured in another way.
    led : str
        Amaranth's resource name of the LED that shows a valid network.
    logic_cells : int
        Logic cells of the device.
    dsp : int
        Multiplier blocks of the device; no build may use one.
    lanes : int
        Default number of lanes P.
    """

    name: str
    title: str
    device: str
    package: str
    platform_path: str
    clock: ClockInput
    pll: PLLLimits
    link: Link
    flash: Flash | None
    led: str
    memories: Memories
    logic_cells: int
    dsp: int
    lanes: int

    def platform(self) -> Any:
        """Return a new Amaranth platform object (a platform prepares one design only)."""
        module, _, name = self.platform_path.rpartition(".")
        try:
            platform = getattr(importlib.import_module(module), name)()
        except (ImportError, AttributeError, ValueError) as error:
            raise BoardError(
                f"board {self.name!r}: 'platform' must be the dotted path of an Amaranth "
                f"platform class, not {self.platform_path!r} ({error})"
            ) from error
        return platform


def known_boards(folder: Path = CONSTRAINTS) -> list[str]:
    """Return the names of all boards, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_board(name: str, folder: Path = CONSTRAINTS) -> Board:
    """Read one board.

    Parameters
    ----------
    name : str
        A name that `known_boards` lists.
    folder : Path
        Where the board files are.

    Raises
    ------
    BoardError
        If there is no such board (the message lists those there are), or its file has
        missing, unknown or ill-typed entries.
    """
    known = known_boards(folder)
    if name not in known:
        raise BoardError(f"unknown board {name!r}; known boards: {', '.join(known) or 'none'}")
    path = folder / f"{name}.yaml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BoardError(f"{path}: not a YAML file: {error}") from error
    board = _Reader(path.name, "", data)
    clock, pll = board.section("clock"), board.section("pll")
    link, memories = board.section("link"), board.section("memories")
    flash = board.optional_section("flash")
    made = Board(
        name=board.text("name"),
        title=board.text("title"),
        device=board.text("device"),
        package=board.text("package"),
        platform_path=board.text("platform"),
        clock=ClockInput(clock.text("resource"), clock.mhz("input_mhz"), clock.mhz("target_mhz")),
        pll=PLLLimits(
            pll.text("primitive"),
            pll.span("reference_mhz"),
            pll.span("vco_mhz"),
            pll.span("output_mhz"),
        ),
        link=Link(link.text("resource"), link.count("baud")),
        flash=None
        if flash is None
        else Flash(
            flash.text("resource"),
            flash.count("network_offset"),
            flash.text("alarm"),
            flash.text("openfpgaloader"),
        ),
        led=board.text("led"),
        memories=Memories(
            *(memories.count(key) for key in ("ebr", "ebr_bits", "spram", "spram_bits"))
        ),
        logic_cells=board.count("logic_cells"),
        dsp=board.count("dsp"),
        lanes=board.count("lanes"),
    )
    for section in (board, clock, pll, link, memories, flash):
        if section is not None:
            section.done()
    if made.flash is not None and made.flash.network_offset >= _FLASH_ADDRESSES:
        raise BoardError(
            f"{path.name}: 'flash.network_offset' must be below {_FLASH_ADDRESSES:#x}, not "
            f"{made.flash.network_offset:#x}"
        )
    if made.name != name:
        raise BoardError(f"{path.name}: 'name' must be {name!r} like the file, not {made.name!r}")
    return made


class _Reader:
    """One mapping of a board file; takes typed entries out and refuses what is left over."""

    def __init__(self, file: str, where: str, data: object) -> None:
        if not isinstance(data, Mapping):
            raise BoardError(f"{file}: {where or 'the file'} must be a mapping, not {data!r}")
        self._file, self._where, self._data = file, where, dict(data)

    def _take(self, key: str, kinds: type | tuple[type, ...], expected: str) -> Any:
        name = f"{self._where}.{key}" if self._where else key
        if key not in self._data:
            raise BoardError(f"{self._file}: {name!r} is missing; it must be {expected}")
        value = self._data.pop(key)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise BoardError(f"{self._file}: {name!r} must be {expected}, not {value!r}")
        return value

    def section(self, key: str) -> _Reader:
        return _Reader(self._file, key, self._take(key, Mapping, "a mapping"))

    def optional_section(self, key: str) -> _Reader | None:
        return self.section(key) if key in self._data else None

    def text(self, key: str) -> str:
        return str(self._take(key, str, "a text"))

    def count(self, key: str) -> int:
        value = int(self._take(key, int, "a whole number"))
        if value < 0:
            raise BoardError(f"{self._file}: {key!r} must not be negative, not {value}")
        return value

    def mhz(self, key: str) -> Fraction:
        return _fraction(self._take(key, (int, float), "a frequency in MHz"))

    def span(self, key: str) -> tuple[Fraction, Fraction]:
        value = self._take(key, list, "[lowest, highest] in MHz")
        if len(value) != 2 or not all(isinstance(v, int | float) for v in value):
            raise BoardError(f"{self._file}: {key!r} must be [lowest, highest], not {value!r}")
        return _fraction(value[0]), _fraction(value[1])

    def done(self) -> None:
        if self._data:
            names = ", ".join(repr(key) for key in self._data)
            raise BoardError(f"{self._file}: unknown entries {names} in {self._where or 'file'}")


def _fraction(value: float) -> Fraction:
    # Through the decimal text: 16.5 and 40.1 mean what they say, not their nearest double.
    return Fraction(str(value))
