"""The UART's receiver: whatever came before, after an idle line a byte is received."""

from functools import partial

from amaranth.hdl import Cat, Const, Mux, Signal

from hdl.link.uart import MIN_DIVISOR, UARTReceiver
from sim.mutants import Mutant
from sim.proofs.base import Harness, Proof

#: Bits that the line is idle, and cycles for the synchronizer besides.
IDLE_BITS = 10
SLACK = 4
BYTES = 2


def run_length(divisor: int, noise: int) -> int:
    """Return the cycles of noise, an idle line, two bytes without a pause, and their arrival."""
    return noise + SLACK + (IDLE_BITS + 10 * BYTES) * divisor + SLACK


class UARTHarness(Harness):
    """Noise, an idle line, and two bytes one behind the other.

    Parameters
    ----------
    divisor : int
        Clock cycles in a bit.
    noise : int
        Cycles in which the line does what it likes. None are needed where the receiver begins
        in any state.
    """

    def __init__(self, divisor: int, noise: int = 0) -> None:
        super().__init__()
        m = self.m
        receiver = UARTReceiver(divisor)
        self.add("dut", receiver)
        time = Signal(range(run_length(divisor, noise) + 2))
        bit_time = Signal(range(divisor))
        bits = Signal(10 * BYTES)
        sending = Signal()
        data = [self.rigid(8, f"data_{n}") for n in range(BYTES)]
        noisy = Signal()
        self.free(noisy)
        m.d.sync += time.eq(time + 1)
        begin = noise + SLACK + IDLE_BITS * divisor
        with m.If(time == begin):
            frames = Cat(*(Cat(Const(0, 1), byte, Const(1, 1)) for byte in data))
            m.d.sync += [sending.eq(1), bits.eq(frames), bit_time.eq(divisor - 1)]
        with m.Elif(bit_time == 0):
            m.d.sync += [bits.eq(Cat(bits[1:], Const(1, 1))), bit_time.eq(divisor - 1)]
        with m.Else():
            m.d.sync += bit_time.eq(bit_time - 1)
        m.d.comb += receiver.rx.eq(Mux(time < noise, noisy, ~sending | bits[0]))

        received = Signal(2)
        correct = Signal(init=1)
        bad_before = Signal()
        with m.If(receiver.framing_error & (time < begin)):
            m.d.sync += bad_before.eq(1)
        # Until the start bit has come through the synchronizer the watchdog may deliver its zero.
        with m.If((receiver.bytes.valid | receiver.framing_error) & (time > begin + SLACK)):
            expected = Mux(received == 0, data[0], data[1])
            with m.If(receiver.framing_error | (receiver.bytes.payload != expected)):
                m.d.sync += correct.eq(0)
            m.d.sync += received.eq(received + ~received.all())
        end = time == run_length(divisor, noise)
        self.claim(~end | (received == BYTES), "not as many bytes as were sent")
        self.claim(~end | correct, "another byte than was sent")
        self.see(end & (bad_before | (noise == 0)), "the end, after a byte without a stop bit")


def recovery(divisor: int, mutants: bool) -> Proof:
    """Return the proof for a number of cycles a bit."""
    noise = 11 * MIN_DIVISOR + 2
    late = run_length(MIN_DIVISOR, noise) + 1
    broken = (
        Mutant(
            "a byte without a stop bit stops the receiver",
            UARTReceiver,
            """                with m.If(line):
                    m.next = "IDLE"
        return m""",
            """                pass
        return m""",
        ),
        Mutant(
            "bits are sampled when they are over",
            UARTReceiver,
            "timer.eq(self.divisor // 2 - 1)",
            "timer.eq(self.divisor - 1)",
        ),
    )
    return Proof(
        name=f"uart-{divisor}",
        claim=f"The UART's receiver ({divisor} cycles a bit) does not deadlock: after any signal "
        f"on the line, and {IDLE_BITS} bits of an idle line, it receives correct bytes, without "
        "a pause between them.",
        harness=partial(UARTHarness, divisor),
        depth=run_length(divisor, 0) + 1,
        method="Every state of every register is a beginning, so any history is covered; what "
        "follows has a fixed length. The line's edges are exact in time.",
        cover=(late if mutants else run_length(divisor, 0) + 1),
        mutants=dict.fromkeys(broken, late) if mutants else {},
        from_any_state=True,
        for_traces=partial(UARTHarness, MIN_DIVISOR, noise) if mutants else None,
    )


PROOFS = (recovery(MIN_DIVISOR, mutants=True), recovery(16, mutants=False))
