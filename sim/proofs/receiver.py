"""The frame decoder: whatever came before, after an idle line a correct frame is accepted.

Claims of which each begins where the one before ends. After one delimiter the COBS decoder decodes
every frame as its definition says (`cobs`, in `sim.proofs.cobs`). After an idle line the receiver
waits for a byte; after an end of a frame there, and an idle line, it waits for a frame's first
byte, and all its registers are as they must be (`receiver-rest`, here). From there each byte moves
it on as it must (`receiver-byte`, in `sim.proofs.receiver_items`), and the end of a frame that is
correct commits it (`receiver-end`, there too). So frames of any length are covered, which a run
over a whole frame could not do; the chain itself is on paper.
"""

from amaranth.hdl import Cat, Mux, Signal, Value

from hdl.link.crc import CRC16_INIT
from hdl.link.receiver import FIRST_LENGTH, IDLE_COUNT, FrameReceiver
from hdl.link.signatures import BUFFER_BYTES
from sim.mutants import Mutant
from sim.proofs.base import Harness, Opened, Proof, implies

#: Cycles from a byte to the next: fewer than a UART needs, and what the receiver asks for.
GAP = 20
#: Cycles in which the receiver comes to rest, if there is nothing to drain.
REST = 18

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
        (
            inside["next_pointer"] == (inside["read_pointer"] + 1)[:9],
            "the next byte's place is another one",
        ),
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
        self.claim(implies(at_rest & (since == GAP), ~told), "something is told late")
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
        idle = resting & (inside["count"] == IDLE_COUNT) & ~valid
        self.assume(implies(receiver.forget, idle))  # as it is meant
        waits = self.before(idle & ~receiver.forget)
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


PROOFS = (
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
)
