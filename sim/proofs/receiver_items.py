"""What one item, a frame's byte or its end, does to a receiver that waits for it.

The last two links of the chain in `sim.proofs.receiver`.
"""

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from hdl.link.crc import CRC16_INIT, CRC16_POLYNOMIAL
from hdl.link.receiver import IDLE_COUNT, FrameReceiver
from hdl.link.signatures import BUFFER_BYTES
from models.protocol import Command
from sim.mutants import Mutant
from sim.proofs.base import Harness, Proof, implies
from sim.proofs.receiver import GAP, WAITING, reachable, ready, state, waiting_bytes

#: Bytes that wait in the buffer at most when a frame ends: a SYNC drains one a cycle.
DRAINED = 4


def checksum(harness: Harness, crc: Value, byte: Value) -> Value:
    """Return the CRC-16 after one more byte, a bit at a time, most significant first."""
    for bit in reversed(range(8)):
        # A signal each, or the expression would double with every bit.
        turned = Signal(16, name=f"crc_{bit}")
        taps = (crc[15] ^ byte[bit]).replicate(16) & CRC16_POLYNOMIAL
        harness.m.d.comb += turned.eq(Cat(Const(0, 1), crc[:15]) ^ taps)
        crc = turned
    return crc


class ItemHarness(Harness):
    """A receiver that waits for a byte, whatever it remembers, and one item."""

    #: Cycles until the next item.
    length = GAP

    def __init__(self, *waiting: str) -> None:
        super().__init__()
        m = self.m
        self.receiver = receiver = FrameReceiver()
        self.inside = inside = self.add("dut", receiver)
        # Taken all the time, or not at all: any mixture takes the solver fifty times as long.
        self.m.d.comb += receiver.requests.ready.eq(self.rigid(1, "ready"))
        time = Signal(range(self.length + 2))
        m.d.sync += time.eq(time + 1)
        self.begin, self.end = time == 0, time == self.length
        m.d.comb += [
            receiver.frames.valid.eq(self.begin),
            receiver.frames.payload.data.eq(self.rigid(8, "data")),
        ]
        for condition, _ in reachable(inside):
            self.assume(~self.begin | condition)
        quiet = ~receiver.acknowledged & ~receiver.repeat & ~receiver.restart
        rests = state(inside, *waiting) & (inside["count"] == IDLE_COUNT)
        self.assume(~self.begin | (rests & quiet))
        # What was written last, and how often.
        write, address, data = inside.write_port("memory")
        self.writes = Signal(2)
        self.address, self.data = Signal(9), Signal(8)
        with m.If(write):
            m.d.sync += [
                self.writes.eq(self.writes + ~self.writes.all()),
                self.address.eq(address),
                self.data.eq(data),
            ]

    def old(self, value: Value) -> Value:
        """Return what a value was before the item."""
        kept = Signal(value.shape(), name="old")
        with self.m.If(self.begin):
            self.m.d.sync += kept.eq(value)
        return kept

    def told(self, name: str) -> Value:
        """Return how often the receiver has told something."""
        count = Signal(2, name=f"told_{name}")
        with self.m.If(getattr(self.receiver, name)):
            self.m.d.sync += count.eq(count + ~count.all())
        return count

    def kept(self, *values: Value) -> Value:
        """Return whether values are what they were before the item."""
        return Cat(value == self.old(value) for value in values).all()

    def at_end(self, condition: Value, message: str) -> None:
        """Claim what holds before the next item."""
        self.claim(implies(self.end, condition), message, src_loc_at=1)


class ByteHarness(ItemHarness):
    """A byte of a frame."""

    def __init__(self) -> None:
        super().__init__(*WAITING)
        receiver, inside = self.receiver, self.inside
        used = waiting_bytes(inside) + (inside["write_pointer"] - inside["committed"])[:9]
        sound = ~inside["bad"] & ~inside["full"]
        self.assume(~self.begin | (sound & (used < BUFFER_BYTES - 1)))
        was = {name: self.old(state(inside, name)) for name in WAITING}
        older, newer = self.old(inside["older"]), self.old(inside["newer"])
        crc = checksum(self, self.old(inside["crc"]), older)
        stored = was["byte_2"] | was["byte_4"] | was["more"]

        for here, then in zip(WAITING, (*WAITING[1:], "more"), strict=True):
            self.at_end(implies(was[here], state(inside, then)), f"not {then} after {here}")
        self.at_end(inside["count"] == IDLE_COUNT, "a byte takes too long")
        self.at_end(inside["newer"] == receiver.frames.payload.data, "another byte")
        self.at_end(inside["older"] == newer, "another byte before it")
        self.at_end(
            inside["crc"] == Mux(was["byte_0"] | was["byte_1"], CRC16_INIT, crc),
            "another checksum",
        )
        self.at_end(inside["length"] == (self.old(inside["length"]) + 1)[:10].as_signed(), "length")
        self.at_end(~inside["bad"], "a byte makes a frame bad")
        self.at_end(self.writes == stored, "not one write for a byte of the request")
        place = self.old(inside["write_pointer"])
        self.at_end(implies(stored, self.address == place), "a byte is written elsewhere")
        self.at_end(implies(stored, self.data == older), "another byte is written")
        self.at_end(inside["write_pointer"] == (place + stored)[:9], "a place is lost")
        captured = {
            "byte_2": (receiver.sequence, older),
            "byte_3": (receiver.acknowledge, older),
            "byte_4": (inside["sync"], older == Command.SYNC),
        }
        for name, (register, value) in captured.items():
            value = Mux(was[name], value, self.old(register))
            self.at_end(register == value, f"the byte of {name} is not kept")
        matches = older == inside["expected"]
        self.at_end(
            inside["in_sequence"] == Mux(was["byte_2"], matches, self.old(inside["in_sequence"])),
            "the number is not compared",
        )
        self.at_end(self.kept(inside["committed"], inside["expected"]), "a byte commits")
        events = self.told("acknowledged") + self.told("repeat") + self.told("restart")
        self.at_end((events == 0) & self.kept(receiver.link_errors), "a byte tells something")
        self.see(self.end & was["more"], "a byte of the payload")


class EndHarness(ItemHarness):
    """The end of a frame."""

    length = GAP + DRAINED

    def __init__(self) -> None:
        super().__init__("more")
        receiver, inside = self.receiver, self.inside
        self.m.d.comb += receiver.frames.payload.end.eq(1)
        malformed = self.rigid(1, "malformed")
        self.m.d.comb += receiver.malformed.eq(malformed)
        self.assume(~self.begin | (waiting_bytes(inside) <= DRAINED))
        correct = self.old(inside["crc"] == Cat(inside["older"], inside["newer"]))
        good = correct & ~malformed & self.old(~inside["bad"])
        sync, in_sequence = self.old(inside["sync"]), self.old(inside["in_sequence"])
        kept = good & (sync | in_sequence)
        errors = self.old(receiver.link_errors)

        taken = (inside["write_pointer"] - inside["committed"])[:9]
        roomy = self.old(taken < BUFFER_BYTES - DRAINED - 2)
        self.at_end(implies(roomy, ready(inside)), "not ready for the next frame")
        self.at_end(self.told("restart") == (good & sync), "a SYNC is not told, or another is")
        self.at_end(self.told("acknowledged") == (good & ~sync), "not acknowledged, or wrongly")
        self.at_end(self.told("repeat") == (good & ~sync & ~in_sequence), "not told unexpected")
        self.at_end(
            receiver.link_errors == errors + (~good & ~errors.all()), "damage is miscounted"
        )
        self.at_end(self.kept(receiver.sequence, receiver.acknowledge), "another number")
        number = (receiver.sequence + 1)[:8]
        expected = Mux(kept, number, self.old(inside["expected"]))
        self.at_end(inside["expected"] == expected, "another number is expected")
        begin = self.old(inside["committed"])
        committed = Mux(kept, self.old(inside["write_pointer"]), begin)
        self.at_end(inside["committed"] == committed, "a request is lost, or kept wrongly")
        # Length less one in ten bits before it.
        length = self.old(inside["length"])
        low, high = Signal(8), Signal(2)
        write, address, data = inside.write_port("memory")
        with self.m.If(write & (address == begin)):
            self.m.d.sync += low.eq(data)
        with self.m.If(write & (address == (begin + 1)[:9])):
            self.m.d.sync += high.eq(data)
        self.at_end(self.writes == Mux(kept, 2, 0), "something else is written")
        self.at_end(implies(kept, Cat(low, high) == length[:10]), "its length is wrong")
        self.see(self.end & kept & ~sync, "a request is accepted")
        self.see(self.end & kept & sync & ~in_sequence, "a SYNC is accepted")
        self.see(self.end & ~good & (errors == 0), "a damaged frame is counted")


def from_any_state(
    name: str, claim: str, harness: type[ItemHarness], method: str, *mutants: Mutant
) -> Proof:
    """Return the proof of what one item does."""
    depth = harness.length + 1
    return Proof(
        name=name,
        claim=claim,
        harness=harness,
        depth=depth,
        method="Every state in which the receiver waits (`receiver-rest`) is a beginning. "
        f"{method} A longer gap changes nothing (`receiver-rest`).",
        cover=depth,
        mutants=dict.fromkeys(mutants, depth),
        from_any_state=True,
        traces_from_any_state=True,
    )


PROOFS = (
    from_any_state(
        "receiver-byte",
        "Each byte of a frame moves the receiver on as it must: checksum, number, "
        "acknowledgement, code, and the request's bytes in the buffer, one place each.",
        ByteHarness,
        "Of a frame that is not bad so far and has room.",
        Mutant(
            "a number is compared one byte late",
            FrameReceiver,
            "in_sequence.eq(older == expected)",
            "in_sequence.eq(newer == expected)",
        ),
        Mutant(
            "the acknowledgement is stored with the request",
            FrameReceiver,
            'if state in ("BYTE_2", "BYTE_4", "MORE"):',
            'if state in ("BYTE_2", "BYTE_3", "BYTE_4", "MORE"):',
        ),
        Mutant(
            "one tap of the checksum is missing",
            FrameReceiver,
            "CRC16_POLYNOMIAL &",
            "(CRC16_POLYNOMIAL ^ 0x20) &",
        ),
    ),
    from_any_state(
        "receiver-end",
        "The end of a frame of the right checksum commits it if it is a SYNC or of the expected "
        "number, and tells so; any other end leaves the requests as they are and is told, and "
        "after each the receiver is ready.",
        EndHarness,
        f"At most {DRAINED} bytes wait in the buffer: draining more takes longer and changes "
        "nothing else (`receiver-rest`).",
        Mutant(
            "the checksum's last bit is not compared",
            FrameReceiver,
            "(comparing & shifting & different)",
            "(comparing & shifting & different & (count != 7))",
        ),
        Mutant(
            "a SYNC is accepted only with the expected number",
            FrameReceiver,
            "with m.If(~bad & sync):",
            "with m.If(~bad & sync & in_sequence):",
        ),
        Mutant(
            "damage is told only once",
            FrameReceiver,
            "damaged.eq(bad & ~self.link_errors.all())",
            "damaged.eq(bad & (self.link_errors == 0))",
        ),
    ),
)
