"""Bytes over two wires: 8 data bits, no parity, one stop bit, least significant bit first."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

#: Fewer clock cycles a bit leave too little room for the receiver's choice of a sample.
MIN_DIVISOR = 4

#: Cycles of an idle line, as a power of two, after which a half frame is given up: 87 ms at 48 MHz,
#: longer than an operating system keeps a driver waiting in the middle of a frame.
QUIET_LOG2 = 22

#: A baud rate that the clock cannot meet better than this is refused: a receiver that
#: samples in the middle of a bit bears 5 % over ten bits, and the other side needs its half.
MAX_BAUD_ERROR = 0.025


def divisor(clock_hz: int, baud: int) -> int:
    """Return the clock cycles in a bit.

    Parameters
    ----------
    clock_hz : int
        Frequency of the clock.
    baud : int
        Bits a second wanted.

    Raises
    ------
    ValueError
        If the clock has fewer than `MIN_DIVISOR` cycles a bit, or misses the baud rate by
        more than `MAX_BAUD_ERROR`.
    """
    if clock_hz <= 0 or baud <= 0:
        raise ValueError(f"clock and baud rate must be positive, not {clock_hz} and {baud}")
    cycles = round(clock_hz / baud)
    if cycles < MIN_DIVISOR:
        raise ValueError(
            f"{baud} baud needs a clock of at least {MIN_DIVISOR * baud} Hz, not {clock_hz} Hz"
        )
    error = abs(clock_hz / cycles / baud - 1)
    if error > MAX_BAUD_ERROR:
        raise ValueError(
            f"{baud} baud from {clock_hz} Hz is off by {error:.1%}; "
            f"at most {MAX_BAUD_ERROR:.1%} is allowed"
        )
    return cycles


def _check_divisor(divisor: int) -> None:
    if divisor < MIN_DIVISOR:
        raise ValueError(f"'divisor' must be at least {MIN_DIVISOR}, not {divisor}")


class UARTReceiver(wiring.Component):
    """Receive bytes.

    The falling edge of the start bit starts a timer, and every bit is sampled in its middle,
    so only the error that adds up over one byte counts: 5 % in theory, 2.5 % with margin.
    A start bit that is gone in its middle was a glitch and is ignored.

    Watchdog. When the line has been idle for 2^`quiet_log2` cycles, a zero byte is delivered, once:
    the delimiter of frames, so that a half frame ends there and what comes next is heard.

    Latency: a byte appears half a bit before the end of its stop bit, two cycles late for
    the synchronizer. Throughput: one byte in ten bits, without a pause.

    Parameters
    ----------
    divisor : int
        Clock cycles in a bit, at least `MIN_DIVISOR`.
    quiet_log2 : int
        See above.

    Members
    -------
    rx : In(1)
        The line, asynchronous to the clock; high when idle.
    bytes : Out(stream of 8 bits, always ready)
        Valid for one cycle.
    framing_error : Out(1)
        Strobe: a byte had no stop bit and was dropped. The next one starts after the line
        has been high again.
    """

    rx: In(1)
    bytes: Out(stream.Signature(8, always_ready=True))
    framing_error: Out(1)

    def __init__(self, divisor: int, quiet_log2: int = QUIET_LOG2) -> None:
        _check_divisor(divisor)
        self.divisor = divisor
        self.quiet_log2 = quiet_log2
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        line = Signal(init=1)
        quiet = Signal(self.quiet_log2 + 1)
        long_quiet = Signal()
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)

        timer = Signal(range(self.divisor))
        tick = Signal()
        # Shifts right; the lone one is a sentinel that arrives at the bottom after 8 bits.
        sentinel = Const(1 << 8, 9)
        shift = Signal(9)
        m.d.comb += [tick.eq(timer == 0), self.bytes.payload.eq(shift[1:])]
        m.d.sync += [
            self.bytes.valid.eq(0),
            self.framing_error.eq(0),
            timer.eq(Mux(tick, self.divisor - 1, timer - 1)),
            long_quiet.eq(quiet[-1]),
        ]
        with m.FSM():
            with m.State("IDLE"):
                # Zero is what the watchdog delivers.
                m.d.sync += [timer.eq(self.divisor // 2 - 1), shift.eq(0)]
                m.d.sync += self.bytes.valid.eq(quiet[-1] & ~long_quiet)
                with m.If(~quiet[-1]):
                    m.d.sync += quiet.eq(quiet + 1)
                with m.If(~line):
                    m.next = "START"
            with m.State("START"):
                m.d.sync += [shift.eq(sentinel), quiet.eq(0)]
                with m.If(tick):
                    m.next = "BITS"
                    with m.If(line):
                        m.next = "IDLE"
            with m.State("BITS"):
                with m.If(tick):
                    with m.If(shift[0]):
                        m.d.sync += [self.bytes.valid.eq(line), self.framing_error.eq(~line)]
                        # Half a bit is left, two cycles of the fastest: no time to lose.
                        m.next = "IDLE"
                        with m.If(~line):
                            m.next = "RELEASE"
                    with m.Else():
                        m.d.sync += shift.eq(Cat(shift[1:], line))
            with m.State("RELEASE"):
                with m.If(line):
                    m.next = "IDLE"
        return m


class UARTTransmitter(wiring.Component):
    """Send bytes.

    Latency: the start bit begins one cycle after a byte is taken. Throughput: one byte in
    ten bits; the next byte is taken in the stop bit's last cycle.

    Parameters
    ----------
    divisor : int
        Clock cycles in a bit, at least `MIN_DIVISOR`.

    Members
    -------
    bytes : In(stream of 8 bits)
    tx : Out(1)
        The line, from a register; high when idle.
    """

    bytes: In(stream.Signature(8))
    tx: Out(1, init=1)

    def __init__(self, divisor: int) -> None:
        _check_divisor(divisor)
        self.divisor = divisor
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        timer = Signal(range(self.divisor))
        tick = Signal()
        # The stop bit is the sentinel: while anything stands above bit 0, more is to come.
        shift = Signal(10, init=1)
        busy = Signal()
        m.d.comb += [
            tick.eq(timer == 0),
            busy.eq(shift[1:].any()),
            self.tx.eq(shift[0]),
        ]
        # A register, or else all these bits would decide about the sender in one cycle. What they
        # will be is known: nothing is shifted while the timer stands at one.
        valid = self.bytes.valid
        m.d.sync += self.bytes.ready.eq(~busy & (timer[1:] == 0) & ~(valid & self.bytes.ready))
        # While ready, the registers take what is there, byte or none: so `valid` is an operand
        # and not an enable, which would be the longest path.
        with m.If(self.bytes.ready):
            m.d.sync += [
                shift.eq(Cat(~valid, self.bytes.payload & valid.replicate(8), valid)),
                timer.eq(Mux(valid, self.divisor - 1, 0)),
            ]
        with m.Elif(~tick):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(busy):
            m.d.sync += [shift.eq(shift >> 1), timer.eq(self.divisor - 1)]
        return m
