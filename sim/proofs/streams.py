"""Streams: what is offered stays, unchanged, until it is taken."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Mux, Value

from hdl.core.events import LIST_WORDS, EventList
from hdl.core.inputs import InputFront
from hdl.link.receiver import FrameReceiver
from hdl.link.transmitter import ChecksumAppender, FrameTransmitter
from sim.mutants import Mutant
from sim.proofs.base import Harness, Proof, implies


class StreamHarness(Harness):
    """A component with free inputs, and what is claimed about its stream."""

    def offers(self, stream: Any, unless: Any = 0) -> None:
        """Claim that an offer stays until it is taken, and that it may have to wait."""
        payload = Value.cast(stream.payload)
        waiting = self.before(stream.valid & ~stream.ready & ~Value.cast(unless).bool())
        self.claim(implies(waiting, stream.valid), "an offer is withdrawn")
        self.claim(implies(waiting, payload == self.before(payload)), "an offer is changed")
        self.see(waiting & stream.ready, "an offer waits and is taken")


class InputsHarness(StreamHarness):
    """Whatever bytes come, whatever was there before."""

    def __init__(self) -> None:
        super().__init__()
        inputs = InputFront()
        self.add("dut", inputs)
        self.free_inputs(inputs)
        # As the walker is.
        self.assume(inputs.even.ready == inputs.odd.ready)
        self.offers(inputs.even)
        self.offers(inputs.odd)


class EventsHarness(StreamHarness):
    """Whatever the list and the state memory hold."""

    def __init__(self) -> None:
        super().__init__()
        events = EventList()
        inside = self.add("dut", events)
        self.free_inputs(events)
        # As the walker is.
        self.assume(events.even_events.ready == events.odd_events.ready)
        # The lists' own assertions; the engine keeps to them.
        count = Mux(events.odd, inside["count_odd"], inside["count_even"])
        replays = events.busy & inside["replaying"]
        self.assume(~events.append | ((count != LIST_WORDS) & ~replays))
        self.assume(~(events.append & events.busy) | events.more)
        self.offers(events.even_events)
        self.offers(events.odd_events)


class RequestsHarness(StreamHarness):
    """Any frames. A SYNC throws away what waits, and resets who would have taken it."""

    def __init__(self) -> None:
        super().__init__()
        receiver = FrameReceiver()
        inside = self.add("dut", receiver)
        self.free_inputs(receiver)
        self.offers(receiver.requests, unless=inside["draining"])


class ChecksumHarness(StreamHarness):
    """Any frames."""

    def __init__(self) -> None:
        super().__init__()
        appender = ChecksumAppender()
        self.add("dut", appender)
        self.free_inputs(appender)
        self.offers(appender.checked)


class BytesHarness(StreamHarness):
    """Any frames and acknowledgements. A restart abandons what is being sent."""

    def __init__(self) -> None:
        super().__init__()
        transmitter = FrameTransmitter()
        self.add("dut", transmitter)
        self.free_inputs(transmitter)
        self.offers(transmitter.bytes, unless=transmitter.restart)


def stable(
    name: str,
    stream: str,
    harness: Callable[[], Harness],
    cover: int,
    mutant: Mutant,
    but: str = "",
    traces_from_any_state: bool = False,
) -> Proof:
    """Return the proof that a stream's offers stay."""
    return Proof(
        name=f"stream-{name}",
        claim=f"{stream} keeps payload and valid until ready{but}.",
        harness=harness,
        depth=2,
        method="An offer that waits in one cycle is the same in the next, from any state.",
        cover=cover,
        mutants={mutant: cover},
        traces_from_any_state=traces_from_any_state,
    )


PROOFS = (
    stable(
        "inputs",
        "InputFront.even and .odd",
        InputsHarness,
        8,
        Mutant(
            "an input's event is replaced when one of the other parity moves on",
            InputFront,
            "with m.If(~blocked[parity] & ~(there[parity] & hold)):",
            "with m.If(move):",
        ),
    ),
    stable(
        "events",
        "EventList.even_events and .odd_events",
        EventsHarness,
        10,
        Mutant(
            "a listed event is replaced when one of the other parity moves on",
            EventList,
            "with m.If(~blocked[number] & ~(there[number] & hold)):",
            "with m.If(move):",
        ),
    ),
    stable(
        "requests",
        "FrameReceiver.requests",
        RequestsHarness,
        6,
        Mutant(
            "the next byte of a request is read before one is taken",
            FrameReceiver,
            "read.en.eq(~self.requests.valid | self.requests.ready)",
            "read.en.eq(1)",
        ),
        but=" (but for a SYNC, which throws away what waits and resets the taker)",
        traces_from_any_state=True,
    ),
    stable(
        "checksum",
        "ChecksumAppender.checked",
        ChecksumHarness,
        14,
        Mutant(
            "a byte of the checksum turns on while it waits",
            ChecksumAppender,
            "with m.Elif(~count[4]):",
            "with m.Elif(~count[4] | ~self.checked.ready):",
        ),
    ),
    stable(
        "bytes",
        "FrameTransmitter.bytes",
        BytesHarness,
        24,
        Mutant(
            "a byte to send is replaced by another while it waits",
            FrameTransmitter,
            "m.d.comb += self.bytes.valid.eq(1)",
            "m.d.comb += [self.bytes.valid.eq(1), read.addr.eq(send + 1), read.en.eq(1)]",
        ),
        but=" (but for a restart)",
    ),
)
