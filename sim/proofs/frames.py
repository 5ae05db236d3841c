"""The frame decoder: whatever came before, after an idle line a correct frame is accepted.

Claims of which each begins where the one before ends. After one delimiter the COBS decoder decodes
every frame as its definition says (`cobs`). After an idle line the receiver waits for a byte; after
an end of a frame there, and an idle line, it waits for a frame's first byte, and all its registers
are as they must be (`receiver-rest`). From there each byte moves it on as it must
(`receiver-byte`), and the end of a frame that is correct commits it (`receiver-end`). So frames of
any length are covered, which a run over a whole frame could not do; the chain itself is on paper.
"""

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from hdl.link.cobs import FULL_CODE, COBSDecoder
from hdl.link.crc import CRC16_INIT, CRC16_POLYNOMIAL
from hdl.link.receiver import FIRST_LENGTH, IDLE_COUNT, FrameReceiver
from hdl.link.signatures import BUFFER_BYTES
from models.protocol import Command
from sim.mutants import Mutant
from sim.proofs.base import Harness, Opened, Proof, implies

#: Cycles from a byte to the next: fewer than a UART needs, and what the receiver asks for.
GAP = 20
#: Cycles in which the receiver comes to rest, if there is nothing to drain.
REST = 18


class COBSHarness(Harness):
    """Any bytes; beside the decoder, the definition of the code, piece by piece.

    A code byte says how many bytes follow until the next one; unless it is the largest, or the
    frame's last, a zero stands behind them. The definition is only followed after a delimiter,
    so the decoder may begin in any state.
    """

    def __init__(self) -> None:
        super().__init__()
        m = self.m
        decoder = COBSDecoder()
        inside = self.add("dut", decoder)
        self.free(decoder.bytes.valid)
        self.free(decoder.bytes.payload)
        valid, byte = decoder.bytes.valid, decoder.bytes.payload
        aligned = Signal()
        left = Signal(8)  # bytes until the next code
        zero_due = Signal()  # stands before the next piece
        delimiter = valid & (byte == 0)
        with m.If(valid & aligned):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += [left.eq(byte - 1), zero_due.eq(byte != FULL_CODE)]
        with m.If(delimiter):
            m.d.sync += [aligned.eq(1), left.eq(0), zero_due.eq(0)]

        told = self.before(valid & aligned)
        byte, delimiter = self.before(byte), self.before(delimiter)
        code, zero = self.before(left == 0), self.before(zero_due)
        frames = decoder.frames
        item = frames.valid & ~frames.payload.end
        claims = [
            (frames.valid == (delimiter | ~code | zero), "not one item as due"),
            ((frames.valid & frames.payload.end) == delimiter, "not one end for each delimiter"),
            (implies(item, frames.payload.data == Mux(code, 0, byte)), "another byte"),
            (implies(delimiter, decoder.malformed == ~code), "a cut piece is not told"),
        ]
        for condition, message in claims:
            self.claim(implies(told, condition), message)
        self.claim(implies(~self.before(valid), ~frames.valid), "an item without a byte")
        # What joins the decoder's registers with the definition's.
        self.claim(implies(aligned, inside["remaining"] == (left + 1)[:8]), "another remainder")
        self.claim(implies(aligned, inside["zero"] == zero_due), "another zero")
        cut = Signal()
        with m.If(told & delimiter & ~code):
            m.d.sync += cut.eq(1)
        self.see(cut & told & item & code, "a zero, after a frame that was cut short")


WAITING = ("byte_0", "byte_1", "byte_2", "byte_3", "byte_4", "more")
STATES = (
    "rewind", "skip_low", "skip_high", *WAITING, "compare", "check", "drain", "commit",
    "length_low", "length_high",
)  # fmt: skip


def state(inside: Opened, *names: str) -> Value:
    """Return whether the receiver is in one of these states."""
    return Cat(inside[f"fsm.in_{name}"] for name in names).any()


def waiting_bytes(inside: Opened) -> Value:
    """Return how many bytes of requests wait to be taken."""
    return (inside["committed"] - inside["read_pointer"])[:9]


def reachable(inside: Opened) -> list[tuple[Value, str]]:
    """Return what holds of the receiver's registers in every cycle."""
    states = Cat(inside[f"fsm.in_{name}"] for name in STATES)
    one_state = (states != 0) & ((states & (states - 1)) == 0)
    empty = inside["committed"] == inside["read_pointer"]
    # The buffer has grown, but its header is not yet written: nothing is fetched.
    growing = state(inside, "length_low")
    taken = (inside["write_pointer"] - inside["committed"])[:9]
    # A frame has skipped its length's place, and ends before the oldest byte that waits.
    fits = (taken >= 2) & (waiting_bytes(inside) + taken < BUFFER_BYTES)
    meets = inside["write_pointer"] == inside["read_pointer"]
    kept = state(inside, "drain", "commit")
    at_rest = inside["count"] == IDLE_COUNT
    return [
        (one_state, "two states at once, or none"),
        (growing | (inside["waiting"] == ~empty), "the buffer's flag is wrong"),
        (implies(growing, ~empty), "the buffer did not grow"),
        (inside["count"] <= IDLE_COUNT, "shifts are miscounted"),
        (implies(state(inside, "skip_low"), taken == 0), "a frame begins elsewhere"),
        (implies(state(inside, "skip_high"), taken == 1), "one byte is not skipped"),
        (implies(state(inside, "byte_0"), taken == 2), "two bytes are not skipped"),
        (
            implies(state(inside, *WAITING), fits | meets | inside["full"] | inside["bad"]),
            "a frame without room goes on",
        ),
        (
            implies(state(inside, "compare", "check"), fits | inside["bad"]),
            "a frame without room is good",
        ),
        (
            implies(
                at_rest & state(inside, *WAITING[1:]), (fits & ~inside["full"]) | inside["bad"]
            ),
            "a frame without room is good after a byte",
        ),
        (
            implies(at_rest & state(inside, "byte_1", "byte_2"), inside["crc"] == CRC16_INIT),
            "a checksum begins elsewhere",
        ),
        (implies(kept, fits), "a frame without room is kept"),
        (implies(state(inside, "drain"), inside["sync"]), "a drain without a SYNC"),
    ]


def since_long(since: Signal) -> Value:
    """Return whether the next item may come now."""
    return since == GAP


def ready(inside: Opened) -> Value:
    """Return whether the receiver waits for a frame's first byte, all registers as they must be."""
    return (
        state(inside, "byte_0")
        & (inside["count"] == IDLE_COUNT)
        & (inside["crc"] == CRC16_INIT)
        & (inside["length"] == FIRST_LENGTH)
        & ~inside["bad"]
        & ~inside["full"]
    )


class RestHarness(Harness):
    """Any items, twenty cycles apart: no state lasts, but those that wait for a byte."""

    def __init__(self) -> None:
        super().__init__()
        m = self.m
        receiver = FrameReceiver()
        inside = self.add("dut", receiver)
        self.free_inputs(receiver, "frames")
        valid = receiver.frames.valid
        self.free(valid)
        self.free(receiver.frames.payload)
        since = Signal(range(GAP + 1), init=GAP)
        m.d.sync += since.eq(Mux(valid, 1, Mux(since == GAP, GAP, since + 1)))
        self.assume(implies(valid, since == GAP))
        self.claim((since >= 1) & (since <= GAP), "the harness miscounts")
        for condition, message in reachable(inside):
            self.claim(condition, message)

        drain, resting = state(inside, "drain"), state(inside, *WAITING)
        # Nothing is written over what waits.
        write, address, _ = inside.write_port("memory")
        beyond = (address - inside["committed"])[:9]
        self.claim(
            implies(write & resting, waiting_bytes(inside) + beyond < BUFFER_BYTES),
            "a byte that waits is overwritten",
        )

        # Damage is counted once, also while it is told.
        found = state(inside, "check") & inside["bad"] & ~receiver.link_errors.all()
        errors = (self.before(receiver.link_errors) + self.before(found))[:3]
        self.assume(implies(receiver.error_counted, receiver.link_errors != 0))
        self.claim(
            ~self.past
            | (receiver.link_errors == (errors - self.before(receiver.error_counted))[:3]),
            "damage is miscounted",
        )
        at_rest = resting & (inside["count"] == IDLE_COUNT)
        told = receiver.acknowledged | receiver.repeat | receiver.restart
        self.claim(implies(at_rest & since_long(since), ~told), "something is told late")
        lost = self.before(receiver.framing_error & ~state(inside, "rewind", "commit"))
        self.claim(implies(lost, inside["bad"]), "a lost byte does not spoil its frame")

        # A SYNC's drain ends: each cycle takes a byte, and nothing else changes.
        left = waiting_bytes(inside)
        drained = self.before(drain)
        self.claim(implies(drained & (self.before(left) == 0), ~drain), "a drain does not end")
        self.claim(
            implies(drained & (self.before(left) != 0), left == (self.before(left) - 1)[:9]),
            "a drain does not get on",
        )
        kept = Cat(
            inside["write_pointer"], receiver.sequence, inside["committed"], inside["length"],
            inside["expected"],
        )  # fmt: skip
        self.claim(implies(drained & drain, kept == self.before(kept)), "a drain changes more")

        # All other states together last less than a byte.
        busy = Signal(range(GAP + 1))
        m.d.sync += busy.eq(Mux(resting | drain, 0, Mux(busy == GAP, GAP, busy + 1)))
        self.claim(busy < REST, "the receiver does not come to rest")
        # While it waits it stays as it is, however long.
        waits = self.before(resting & (inside["count"] == IDLE_COUNT) & ~valid)
        registers = Cat(
            inside["newer"], inside["older"], inside["count"], inside["length"],
            inside["write_pointer"], inside["in_sequence"], inside["sync"], inside["expected"],
            *(inside[f"fsm.in_{name}"] for name in STATES),
        )  # fmt: skip
        self.claim(implies(waits, registers == self.before(registers)), "waiting changes a state")

        # An end that finds the receiver waiting makes it ready for the next frame, unless
        # a byte is lost after it or the buffer is full.
        spoilt = (valid & ~receiver.frames.payload.end) | receiver.framing_error | (left > 509)
        fresh = Signal()
        quiet = Signal(range(REST + 1))
        with m.If(valid & receiver.frames.payload.end & resting):
            m.d.sync += [fresh.eq(~spoilt), quiet.eq(0)]
        with m.Else():
            m.d.sync += [
                fresh.eq(fresh & ~spoilt & ~valid),
                quiet.eq(Mux(drain, 0, Mux(quiet == REST, REST, quiet + 1))),
            ]
        self.claim(quiet <= REST, "the harness miscounts")
        self.claim(implies(fresh & (quiet == REST), ready(inside)), "not ready after an end")
        damaged = receiver.link_errors != 0
        self.see(fresh & (quiet == REST) & damaged, "ready, after a damaged frame")


class OfferHarness(Harness):
    """Requests in the buffer, however they came there, and a reader of any pace."""

    def __init__(self) -> None:
        super().__init__()
        receiver = FrameReceiver()
        inside = self.add("dut", receiver)
        self.free_inputs(receiver, "frames")
        self.free(receiver.frames.valid)
        self.free(receiver.frames.payload)
        for condition, _ in reachable(inside):
            self.assume(condition)
        drain, valid = state(inside, "drain"), receiver.requests.valid
        fetch = Signal()
        blocked = state(inside, "length_low", "length_high")
        self.m.d.comb += fetch.eq(
            (waiting_bytes(inside) != 0) & ~blocked & (drain | ~valid | receiver.requests.ready)
        )
        pointer = inside["read_pointer"]
        self.claim(
            ~self.past | (pointer == (self.before(pointer) + self.before(fetch))[:9]),
            "a byte is skipped, or offered twice",
        )
        offered = self.before(fetch & ~drain)
        self.claim(implies(offered, valid), "a byte that waits is not offered")
        taken = self.before(valid & receiver.requests.ready & ~fetch)
        self.claim(implies(taken, ~valid), "a byte is offered though none waits")
        place = self.rigid(9, "place")
        here = self.before(fetch & ~drain & (pointer == place))
        word = self.before(inside.word("memory", place))
        self.claim(implies(here, receiver.requests.payload == word), "another byte is offered")
        self.see(offered & self.before(offered), "two bytes, one behind the other")


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
    Proof(
        name="cobs",
        claim="After one delimiter the COBS decoder decodes every frame as the code's definition "
        "says, and tells of each that was cut short, whatever came before.",
        harness=COBSHarness,
        depth=3,
        method="Nothing is claimed before the first delimiter, and the decoder may do anything "
        "until then.",
        cover=12,
        mutants={
            Mutant(
                "a delimiter inside a piece does not begin a new frame",
                COBSDecoder,
                "with m.If(delimiter):",
                "with m.If(delimiter & code):",
            ): 12,
            Mutant(
                "a frame begins with the zero of the one before",
                COBSDecoder,
                "m.d.sync += [remaining.eq(1), zero.eq(0)]",
                "m.d.sync += remaining.eq(1)",
            ): 12,
        },
    ),
    Proof(
        name="receiver-rest",
        claim="The frame receiver does not deadlock: 18 cycles after any items it waits for a "
        "byte, a SYNC's drain apart, which ends. An end of a frame that it waited for leaves it "
        "ready for the next frame, unless its buffer is full.",
        harness=RestHarness,
        depth=REST + 4,
        method=f"Items at least {GAP} cycles apart (a UART needs 40 or more).",
        cover=3 * GAP,
        mutants={
            Mutant(
                "a damaged frame is never left",
                FrameReceiver,
                """            with m.Else():
                fsm.go("REWIND")
        with fsm.state("DRAIN"):""",
                """            with m.Elif(~bad):
                fsm.go("REWIND")
        with fsm.state("DRAIN"):""",
            ): 2 * GAP,
        },
    ),
    Proof(
        name="receiver-offer",
        claim="Every byte that waits in the frame receiver's buffer is offered once, in order, as "
        "it was written, as fast as it is taken, unless a SYNC drains it.",
        harness=OfferHarness,
        depth=2,
        method="Any buffer and any reader. What holds of the receiver's registers is shown by "
        "`receiver-rest`.",
        cover=4,
        mutants={
            Mutant(
                "what waits is thrown away",
                FrameReceiver,
                "~draining & (fetch | (self.requests.valid & ~self.requests.ready))",
                "~draining & (self.requests.valid & ~self.requests.ready)",
            ): 4,
            Mutant(
                "the next byte is fetched before one is taken",
                FrameReceiver,
                "(draining | ~self.requests.valid | self.requests.ready)",
                "1",
            ): 4,
        },
        traces_from_any_state=True,
    ),
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
