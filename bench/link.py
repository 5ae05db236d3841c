"""`python -m bench.link`: what the link carries, and how soon it answers, in the board's own time.

The driver runs over a simulated board in lockstep (`sim.lockstep`): the simulated clock advances
only while the driver waits, so every figure is a number of clock cycles, the same in every run and
on every machine. The host and its USB port take no time; a real USB-UART adds a millisecond or so
to a round trip, and nothing to the rates, because requests are sent ahead.

    python -m bench.link                    a minute or two
    python -m bench.link --quick            the shortest sequences and a small network; seconds
    python -m bench.link --docs             also refresh docs/performance.md

The goals, at 3 Mbaud: inputs are 90 % of the bytes that the line can carry, 32 kB of network are
loaded within 0.15 s, and a step is answered with its label within 150 µs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.arguments import bench_parser, guarded
from bench.document import add_docs_option, prose, refresh
from bench.record import write
from hdl.toolchain import ToolError
from host.device import Device
from host.errors import SimulatorError
from models.golden import GoldenModel
from models.image import compile_image
from models.network import Network
from models.protocol import CRC_BYTES, HEADER_BYTES, encoded_bytes
from models.random_networks import random_inputs, random_network
from sim.lockstep import BYTE_BITS, LockstepBoard

#: Of the line's bytes, the inputs; seconds for a load of 32 kB; seconds for a step and its label.
LEAST_SHARE, MOST_LOAD, MOST_ROUND_TRIP = 0.90, 0.15, 150e-6

LANES, CLOCK_HZ = 16, 48_000_000
INPUTS, OUTPUTS = 8, 10
ANSWERS = (False, True)  # with logits
LOAD_BYTES, QUICK_LOAD_BYTES = 32 * 1024, 4 * 1024
LENGTHS, QUICK_LENGTHS = (8, 12, 16, 20, 40, 64), (8, 20)
HIDDEN, QUICK_HIDDEN = (64, 128), (64,)

#: Steps that are streamed before counting begins, and counted: requests grow at first.
_BEFORE, _COUNTED, _QUICK_COUNTED = 1600, 8000, 1600
_AHEAD = 16  # sequences
_ROUND_TRIPS = 20


@dataclass(frozen=True)
class Streaming:
    """Sequences one after the other; `bound` is what frames of this length leave for inputs."""

    steps: int
    logits: bool
    frame_steps: int
    cycles_per_step: float
    share: float
    bound: float


@dataclass(frozen=True)
class Loading:
    """A network sent to the store, checked and made active."""

    hidden: int
    bytes: int
    seconds: float
    bound: float


@dataclass(frozen=True)
class RoundTrip:
    """One step there and its answer back, the longest of some; `engine` are the step's cycles."""

    hidden: int
    logits: bool
    seconds: float
    engine: int


def network_of(hidden: int) -> Network:
    """Return a random network of one layer."""
    return random_network(1, inputs=INPUTS, units=(hidden,), outputs=OUTPUTS)


def hidden_for(image_bytes: int) -> int:
    """Return the fewest units, a multiple of four, whose image has at least so many bytes."""
    hidden = 4
    while len(compile_image(network_of(hidden), LANES).to_bytes()) < image_bytes:
        hidden += 4
    return hidden


def request_bytes(payload: int) -> int:
    """Return the bytes of a request on the line."""
    return encoded_bytes(HEADER_BYTES + payload + CRC_BYTES)


def stream(board: LockstepBoard, steps: int, logits: bool, counted: int) -> Streaming:
    """Stream sequences of so many steps; the last step of each is answered.

    Raises
    ------
    ValueError
        If an answer is not the golden model's.
    """
    network = network_of(HIDDEN[0])
    line = board.connect()
    engine = board.engine(line)
    device = Device(engine)
    device.load(network)
    before = -(-_BEFORE // steps)
    sequences = before + -(-counted // steps) + 1 + _AHEAD
    x = random_inputs(steps, network, sequences, steps)
    labels = np.argmax(GoldenModel(network).run(x).scores, axis=1)
    times = []
    for number, result in enumerate(device.run_many(x, logits, _AHEAD)):
        if result.label != labels[number]:
            raise ValueError(
                f"sequence {number}: expected label {labels[number]}, found {result.label}"
            )
        times.append(line.cycles)
    # Both ends lie where as many sequences are under way.
    last = sequences - 1 - _AHEAD
    per_step = (times[last] - times[before]) / ((last - before) * steps)
    frame_steps = engine.batch(False, not logits)
    device.close()
    input_cycles = INPUTS * BYTE_BITS * board.clock_hz / board.baud
    return Streaming(
        steps, logits, frame_steps, per_step, input_cycles / per_step, bound(steps, frame_steps)
    )


def bound(steps: int, frame_steps: int) -> float:
    """Return the share of inputs in the frames of a sequence."""
    whole, rest = divmod(steps, frame_steps)
    line = whole * request_bytes(1 + frame_steps * INPUTS)
    if rest:
        line += request_bytes(1 + rest * INPUTS)
    return steps * INPUTS / line


def load(board: LockstepBoard, hidden: int) -> Loading:
    """Load a network into a board that holds another one."""
    network = network_of(hidden)
    size = len(compile_image(network, LANES).to_bytes())
    line = board.connect()
    device = Device(board.engine(line))
    begin = line.cycles
    device.load(network)
    seconds = (line.cycles - begin) / board.clock_hz
    device.close()
    return Loading(hidden, size, seconds, size * board.seconds_per_byte)


def round_trip(board: LockstepBoard, hidden: int, logits: bool) -> RoundTrip:
    """Ask for steps one at a time."""
    network = network_of(hidden)
    line = board.connect()
    device = Device(board.engine(line))
    device.load(network)
    device.step(np.zeros(INPUTS, np.int8))
    longest, engine = 0, 0
    for x in random_inputs(hidden, network, 1, _ROUND_TRIPS)[0]:
        begin = line.cycles
        cycles = device.step(x, logits).cycles
        if line.cycles - begin > longest:
            longest, engine = line.cycles - begin, cycles
    device.close()
    return RoundTrip(hidden, logits, longest / board.clock_hz, engine)


def markdown(
    streams: Sequence[Streaming], loads: Sequence[Loading], trips: Sequence[RoundTrip]
) -> str:
    """Return the tables."""
    lines = [
        f"Sequences of steps of {INPUTS} bytes, the last step of each answered:",
        "",
        "| T | answer | steps a frame | cycles a step | inputs on the line | frames allow "
        f"| at least {LEAST_SHARE:.0%} |",
        "|--:|---|--:|--:|--:|--:|---|",
    ]
    for s in streams:
        lines.append(
            f"| {s.steps} | {_answer(s.logits)} | {min(s.steps, s.frame_steps)} "
            f"| {s.cycles_per_step:.0f} | {s.share:.1%} | {s.bound:.1%} "
            f"| {_verdict(s.share >= LEAST_SHARE)} |"
        )
    lines += [
        "",
        "| H | network, bytes | loaded in, ms | bytes alone on the line, ms "
        f"| 32 kB within {MOST_LOAD * 1e3:.0f} ms |",
        "|--:|--:|--:|--:|---|",
    ]
    for one in loads:
        verdict = _verdict(one.seconds <= MOST_LOAD) if one.bytes >= LOAD_BYTES else ""
        lines.append(
            f"| {one.hidden} | {one.bytes:,} | {one.seconds * 1e3:.1f} | {one.bound * 1e3:.1f} "
            f"| {verdict} |"
        )
    lines += [
        "",
        "| H | answer | longest round trip of a step, µs | of which the engine, µs "
        f"| label within {MOST_ROUND_TRIP * 1e6:.0f} µs |",
        "|--:|---|--:|--:|---|",
    ]
    for trip in trips:
        verdict = "" if trip.logits else _verdict(trip.seconds <= MOST_ROUND_TRIP)
        lines.append(
            f"| {trip.hidden} | {_answer(trip.logits)} | {trip.seconds * 1e6:.1f} "
            f"| {trip.engine / CLOCK_HZ * 1e6:.1f} | {verdict} |"
        )
    short = [s for s in streams if s.bound < LEAST_SHARE]
    if short:
        lines += ["", _why_short(short)]
    return "\n".join(lines)


def _why_short(short: Sequence[Streaming]) -> str:
    lengths = " and ".join(str(t) for t in dict.fromkeys(s.steps for s in short))
    overhead = request_bytes(1)
    return prose(
        f"With T = {lengths} no host can reach the goal: a frame has {overhead} bytes beside its "
        "inputs, and holds steps of one sequence only, because its flags say once where that "
        "begins and ends. Several sequences in a frame would need another command of the gateware."
    )


def _answer(logits: bool) -> str:
    return f"{OUTPUTS} logits" if logits else "label"


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = bench_parser("link", __doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    add_docs_option(parser)
    options = parser.parse_args(arguments)
    if options.quick and options.docs:
        parser.error("the document holds all figures: --docs goes without --quick")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return guarded(_run, _parse(arguments))


def measure(quick: bool) -> tuple[list[Streaming], list[Loading], list[RoundTrip]]:
    """Measure everything on one board."""
    try:
        with LockstepBoard("--lanes", str(LANES), clock_hz=CLOCK_HZ) as board:
            counted = _QUICK_COUNTED if quick else _COUNTED
            lengths = QUICK_LENGTHS if quick else LENGTHS
            streams = [stream(board, t, logits, counted) for t in lengths for logits in ANSWERS]
            sizes = [QUICK_LOAD_BYTES] if quick else [QUICK_LOAD_BYTES, LOAD_BYTES]
            loads = [load(board, hidden_for(size)) for size in sizes]
            hiddens = QUICK_HIDDEN if quick else HIDDEN
            trips = [round_trip(board, h, logits) for h in hiddens for logits in ANSWERS]
    except SimulatorError as error:
        raise ToolError(str(error), tool="verilator") from error
    return streams, loads, trips


def _run(options: argparse.Namespace) -> int:
    streams, loads, trips = measure(options.quick)
    text = markdown(streams, loads, trips)
    print(text)
    figures: dict[str, Any] = {
        "tag": "simulated",
        "clock_hz": CLOCK_HZ,
        "streaming": [asdict(s) for s in streams],
        "loading": [asdict(one) for one in loads],
        "round_trips": [asdict(trip) for trip in trips],
    }
    write(options.output, figures)
    if options.docs:
        refresh(options.docs, "link", text, {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
