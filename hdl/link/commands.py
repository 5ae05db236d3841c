"""The commands: carry out requests one after the other, each with one response.

The engine's side of the link is `hdl.link.signatures.engine_signature`, with the names of
`hdl.core.engine.Engine`'s members.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.core.readout import COUNTERS
from hdl.core.signatures import STORE_ADDRESS_BITS, Mode, Operation
from hdl.link.fields import FIELD_BITS, REPORTED, Field, FieldSelector
from hdl.link.receiver import LENGTH_BITS
from hdl.link.signatures import ERROR_BITS, engine_signature, frame_stream
from models.protocol import Command, Region, Status, StepFlags

#: Request payload bytes less one, of the commands that take no other number.
_EXACT_LENGTH = {
    Command.SYNC: 1,
    Command.IDENTIFY: -1,
    Command.ACTIVATE: 5,
    Command.RESET: -1,
    Command.READ_STATE: 3,
    Command.REPLAY: -1,
    Command.COUNTERS: -1,
}

_NEEDS_NETWORK = (
    Command.STEPS,
    Command.RESET,
    Command.READ_STATE,
    Command.WRITE_STATE,
    Command.REPLAY,
)

#: Bytes of a score, and of half a counter.
SCORE_BYTES = 4

#: The counters as scores, in the order of the answer to COUNTERS. The engine keeps cycles and
#: events, the link steps, damaged frames and requests (see `CommandUnit`, "Counters").
COUNTERS_SCORE = COUNTERS // 2
STEPS_LOW, STEPS_HIGH, LINK_ERRORS, REQUESTS, COUNTERS_END = 2, 3, 6, 7, 8


class CommandUnit(wiring.Component):
    """Parse requests, drive the engine, write responses.

    A request's length is checked before anything is done. Every response byte has a number
    (`hdl.link.fields`); a run of them is sent by counting.

    Throughput: a step's inputs pass at one byte a cycle; loading takes one cycle a byte, a
    response five cycles a byte, both far below the UART's 40 or more.

    Counters. All counters lie behind the scores in the engine's score memory, 64 bits of
    cycles, of events and of steps, 32 of damaged frames and of requests. The engine adds to
    the first two at the end of a command; the others are incremented here, byte by byte, by
    the path that otherwise sends scores: about 25 cycles after each step and each request.
    A SYNC in these few cycles may lose an increment.

    Parameters
    ----------
    parameters : EngineParameters
        The engine behind the link.
    clock_hz : int
        Its clock.

    Members
    -------
    requests : In(stream of 8 bits)
        Whole requests, see `hdl.link.receiver`.
    responses : Out(stream of FrameItem)
    link_errors : In(3)
        Damaged frames that have not been counted yet.
    error_counted : Out(1)
        Strobe: one of them has.
    engine : Out(engine_signature)
        `soft_reset` is not driven here but by the receiver, which also resets this component.
    """

    def __init__(self, parameters: EngineParameters, clock_hz: int) -> None:
        self.parameters = parameters
        self.clock_hz = clock_hz
        super().__init__(
            {
                "requests": In(stream.Signature(8)),
                "responses": Out(frame_stream()),
                "link_errors": In(ERROR_BITS),
                "error_counted": Out(1),
                "engine": Out(engine_signature(parameters.word_bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        engine = self.engine
        request = self.requests.payload
        m.submodules.fields = fields = FieldSelector(self.parameters, self.clock_hz)

        status = Signal(Status)
        code = Signal(8)
        flags = Signal(4)

        # Requests are taken here, except a step's inputs, which the engine takes.
        take = Signal()
        taken = Signal()
        feeding = Signal()
        m.d.comb += [
            taken.eq(take & self.requests.valid),
            engine.inputs.valid.eq(feeding & self.requests.valid),
            engine.inputs.payload.eq(request),
            self.requests.ready.eq(take | (feeding & engine.inputs.ready)),
        ]

        # Address of the store, of a unit or of a score; before that a copy of the length.
        address = Signal(STORE_ADDRESS_BITS)
        address_shift = Signal()
        address_clear = Signal()
        address_advance = Signal()
        with m.If(address_clear):
            m.d.sync += address.eq(0)
        with m.Elif(address_shift & taken):
            m.d.sync += address.eq(Cat(address[8:], request))
        with m.Elif(address_advance):
            m.d.sync += address.eq(address + 1)

        # Payload bytes left, less one: negative when there are none.
        remaining = Signal(signed(LENGTH_BITS))
        remaining_load = Signal()
        remaining_step = Signal()
        remaining_count = Signal()
        none_left = Signal()
        m.d.comb += none_left.eq(remaining[-1])
        with m.If(remaining_load):
            m.d.sync += remaining.eq(address)
        with m.Elif(remaining_step | remaining_count | taken):
            m.d.sync += remaining.eq(remaining - Mux(remaining_step, engine.inputs_count, 1))

        # Words and half-words are gathered from bytes, the lowest first; so are counters, of
        # which one is incremented on its way.
        gathered = Signal(8 * self.parameters.word_bytes)
        gather = Signal()
        counting = Signal()  # the scores are counters
        tallying = Signal()
        carry = Signal()
        incremented = Signal(9)
        m.d.comb += incremented.eq(fields.data + carry)
        with m.If(gather):
            m.d.sync += gathered.eq(Cat(gathered[8:], Mux(tallying, incremented[:8], request)))
        byte = Signal(range(max(self.parameters.word_bytes, SCORE_BYTES)))
        byte_advance = Signal()
        scores = Signal()
        half = Signal()
        writing = Signal()
        stepping = Signal()
        unit_end = Signal()
        m.d.comb += [
            writing.eq(code == Command.WRITE),
            stepping.eq(code == Command.STEPS),
            unit_end.eq(~scores | (byte == SCORE_BYTES - 1)),
        ]
        with m.If(writing & ~counting):
            m.d.comb += unit_end.eq(byte == self.parameters.word_bytes - 1)
        with m.If(byte_advance):
            m.d.sync += byte.eq(Mux(unit_end, 0, byte + 1))
        m.d.sync += [
            half.eq(byte[1]),
            engine.store_write.eq(0),
            engine.state_write.eq(0),
            engine.score_write.eq(0),
            engine.invalidate.eq(0),
        ]
        score = Signal(7)
        m.d.comb += score.eq(address)
        with m.If(counting):
            # Steps come before events in the answer, and after them in the memory.
            m.d.comb += score.eq(Cat(address[0], address[2], address[1]) | COUNTERS_SCORE)
        m.d.comb += [
            engine.store_address.eq(address),
            engine.store_write_data.eq(gathered),
            engine.state_address.eq(address),
            engine.state_write_data.eq(gathered[-8:]),
            engine.score_address.eq(Cat(half, score)),
            engine.score_write_data.eq(gathered[-16:]),
        ]
        # A write is done one cycle after its last byte was taken; then its address moves on.
        with m.If(engine.store_write | engine.state_write | (engine.score_write & half)):
            m.d.comb += address_advance.eq(1)

        # A field takes five cycles and its wait: three for the engine's memories, one to select,
        # one to offer. `sent` is a register: nothing here waits for the encoder's logic.
        field = Signal(FIELD_BITS)
        phase = Signal(2)
        offer = Signal()
        sending = Signal()
        comparing = Signal()
        sent = Signal()
        m.d.comb += [
            fields.field.eq(field),
            fields.request.eq(request),
            fields.status.eq(status),
            fields.code.eq(code),
            fields.hide.eq((code == Command.IDENTIFY) & ~engine.network_valid),
            offer.eq(phase.all()),
            self.responses.payload.data.eq(fields.data),
            self.responses.valid.eq(offer & sending),
        ]
        for name in REPORTED:
            m.d.comb += getattr(fields, name).eq(getattr(engine, name))
        m.d.sync += sent.eq(0)
        with m.If(offer):
            with m.If(comparing | self.responses.ready):
                m.d.sync += [sent.eq(1), phase.eq(0)]
        with m.Elif((sending | comparing) & ~sent):
            m.d.sync += phase.eq(phase + 1)
        with m.If(sent):
            m.d.sync += field.eq(field + 1)

        unknown = Signal()
        bad_length = Signal()
        needs_network = Signal()
        # What is wrong with the request, one cycle late.
        m.d.sync += [unknown.eq(0), bad_length.eq(0), needs_network.eq(0)]
        with m.Switch(code):
            for command in Command:
                with m.Case(command):
                    m.d.sync += needs_network.eq(command in _NEEDS_NETWORK)
                    if command in _EXACT_LENGTH:
                        m.d.sync += bad_length.eq(remaining != _EXACT_LENGTH[command])
                    elif command in (Command.WRITE, Command.WRITE_STATE):
                        # At least three bytes: an address and data, or region and address.
                        m.d.sync += bad_length.eq(none_left | (remaining[1:] == 0))
            with m.Default():
                m.d.sync += unknown.eq(1)

        def send(first: Field, state: str) -> None:
            m.d.sync += field.eq(first)
            m.next = state

        def send_scores(counters: bool) -> None:
            """Send scores from number 0 on, or counters."""
            m.d.comb += address_clear.eq(1)
            m.d.sync += counting.eq(counters)
            m.next = "UNIT"

        def fail(reason: Status) -> None:
            m.d.sync += status.eq(reason)
            m.next = "DRAIN"

        def issue(operation: Operation) -> None:
            m.d.sync += [engine.command.payload.op.eq(operation), engine.command.valid.eq(1)]
            m.next = "ISSUE"

        operation = engine.command.payload.op
        due = engine.command.payload.due
        step_done = Signal()  # a step is to be counted
        closing = Signal()  # a request is to be counted
        final = Signal()
        selected = Signal()

        with m.FSM():
            with m.State("LENGTH_LOW"):
                m.d.sync += [status.eq(Status.OK), byte.eq(0), closing.eq(0), final.eq(0)]
                m.d.sync += counting.eq(0)
                m.d.comb += [take.eq(1), address_shift.eq(1)]
                with m.If(taken):
                    m.next = "LENGTH_HIGH"
                with m.Elif((self.link_errors != 0) & ~engine.busy):
                    m.d.comb += address_clear.eq(1)
                    m.d.sync += [counting.eq(1), scores.eq(1)]
                    m.next = "TALLY"
            with m.State("LENGTH_HIGH"):
                m.d.comb += [take.eq(1), address_shift.eq(1)]
                with m.If(taken):
                    send(Field.REQUEST, "SEQUENCE")
            with m.State("SEQUENCE"):
                m.d.comb += [sending.eq(1), take.eq(sent)]
                with m.If(sent):
                    m.next = "CODE"
            with m.State("CODE"):
                m.d.comb += [take.eq(1), remaining_load.eq(taken)]
                m.d.sync += code.eq(request)
                with m.If(taken):
                    m.next = "DECODE"
            with m.State("DECODE"):
                m.next = "DISPATCH"
            with m.State("DISPATCH"):
                # The engine may still be reading a network that came with the bitstream.
                with m.If(unknown):
                    fail(Status.UNKNOWN_COMMAND)
                with m.Elif(bad_length):
                    fail(Status.BAD_LENGTH)
                with m.Elif(~engine.busy):
                    with m.If(needs_network & ~engine.network_valid):
                        fail(Status.NO_NETWORK)
                    with m.Else(), m.Switch(code):
                        with m.Case(Command.SYNC, Command.COUNTERS):
                            send(Field.STATUS, "HEAD")
                        with m.Case(Command.IDENTIFY):
                            # No network, nothing to check.
                            with m.If(engine.network_valid):
                                issue(Operation.CHECK)
                            with m.Else():
                                send(Field.STATUS, "HEAD")
                        with m.Case(Command.ACTIVATE):
                            issue(Operation.CHECK)
                        with m.Case(Command.WRITE):
                            m.d.sync += engine.invalidate.eq(1)
                            m.next = "ADDRESS_LOW"
                        with m.Case(Command.STEPS):
                            m.d.comb += remaining_step.eq(1)
                            m.next = "SIZE"
                        with m.Case(Command.RESET):
                            m.d.comb += address_clear.eq(1)
                            issue(Operation.RESET)
                        with m.Case(Command.REPLAY):
                            m.d.comb += address_clear.eq(1)
                            issue(Operation.REPLAY)
                        with m.Case(Command.READ_STATE, Command.WRITE_STATE):
                            m.next = "REGION"
            with m.State("DRAIN"):
                m.d.comb += take.eq(~none_left)
                with m.If(none_left):
                    send(Field.STATUS, "HEAD")

            # What comes before a response's status.
            with m.State("SIZE"):
                with m.If(none_left):
                    m.d.comb += remaining_load.eq(1)
                    fail(Status.BAD_LENGTH)
                with m.Elif(remaining == 0):
                    m.d.comb += remaining_load.eq(1)
                    send(Field.STATUS, "HEAD")
                with m.Else():
                    m.d.comb += remaining_step.eq(1)
            with m.State("REGION"):
                m.d.comb += take.eq(1)
                m.d.sync += scores.eq(request[0])
                with m.If(taken):
                    m.next = "ADDRESS_LOW"
                    with m.If(request > Region.SCORES):
                        fail(Status.BAD_ARGUMENT)
            with m.State("ADDRESS_LOW"):
                m.d.comb += [take.eq(1), address_shift.eq(1)]
                with m.If(taken):
                    m.next = "ADDRESS_HIGH"
            with m.State("ADDRESS_HIGH"):
                m.d.comb += [take.eq(1), address_shift.eq(1)]
                with m.If(taken):
                    m.next = "DATA"
                    with m.If(code == Command.READ_STATE):
                        send(Field.STATUS, "HEAD")
            with m.State("DATA"):
                m.d.comb += [take.eq(~none_left), gather.eq(taken), byte_advance.eq(taken)]
                with m.If(taken):
                    m.d.sync += [
                        engine.store_write.eq(writing & unit_end),
                        engine.state_write.eq(~writing & ~scores),
                        engine.score_write.eq(~writing & scores & byte[0]),
                    ]
                with m.If(none_left):
                    send(Field.STATUS, "HEAD")
                    with m.If(byte != 0):
                        m.d.sync += status.eq(Status.BAD_LENGTH)
            with m.State("COMPARE"):
                m.d.comb += [comparing.eq(1), take.eq(sent)]
                with m.If(sent):
                    with m.If(request != fields.data):
                        m.d.sync += status.eq(Status.BAD_NETWORK)
                    with m.Switch(field):
                        with m.Case(Field.IMAGE_WORDS + 1):
                            m.d.sync += field.eq(Field.CRC)  # the upper half is zero
                        with m.Case(Field.CRC_END):
                            m.next = "COMPARED"
            with m.State("COMPARED"):
                m.d.comb += address_clear.eq(1)
                with m.If(status == Status.OK):
                    issue(Operation.CONFIGURE)
                with m.Else():
                    m.d.sync += engine.invalidate.eq(1)
                    send(Field.STATUS, "HEAD")

            # The engine's work.
            with m.State("ISSUE"):
                with m.If(engine.command.ready):
                    m.d.sync += [
                        engine.command.valid.eq(0),
                        feeding.eq(operation == Operation.STEP),
                    ]
                    m.next = "RUN"
            with m.State("RUN"):
                with m.If(~engine.busy):
                    m.d.sync += feeding.eq(0)
                    m.next = "DONE"
            with m.State("DONE"):
                send(Field.STATUS, "HEAD")
                with m.Switch(operation):
                    with m.Case(Operation.CHECK):
                        with m.If(code == Command.ACTIVATE):
                            send(Field.IMAGE_WORDS, "COMPARE")
                    with m.Case(Operation.CONFIGURE):
                        with m.If(~engine.network_valid):
                            m.d.sync += status.eq(Status.BAD_NETWORK)
                    with m.Case(Operation.RESET):
                        with m.If(stepping):
                            m.next = "STEP"
                    with m.Case(Operation.STEP):
                        m.d.sync += [step_done.eq(1), counting.eq(1)]
                        m.next = "TALLY"

            # Steps, each with its record if one is due.
            with m.State("FLAGS"):
                m.d.comb += [take.eq(1), address_clear.eq(1)]
                m.d.sync += [flags.eq(request), scores.eq(1)]
                with m.If(taken):
                    m.next = "STEP"
                    with m.If((request & StepFlags.FIRST).any()):
                        issue(Operation.RESET)
            with m.State("STEP"):
                m.d.comb += [remaining_step.eq(1), address_clear.eq(1)]
                m.next = "STEP_DUE"
            with m.State("STEP_DUE"):
                last = (flags & StepFlags.LAST).any() & none_left
                every = (flags & StepFlags.READOUT_ALL).any() | (engine.mode == Mode.EVERY)
                m.d.sync += due.eq(last | every)
                issue(Operation.STEP)
            with m.State("RECORD"):
                m.d.comb += sending.eq(1)
                with m.If(sent & field[0]):
                    send_scores(counters=True)
            with m.State("STEPPED"):
                m.next = "STEP"
                with m.If(none_left):
                    m.d.sync += final.eq(1)
                    send_scores(counters=True)

            # The response: status and code, a run of fields, scores or states.
            with m.State("HEAD"):
                m.d.comb += sending.eq(1)
                with m.If(sent & field[0]):
                    m.next = "END"
                    # OK and BAD_NETWORK: only these have more to tell.
                    with m.If(~status[:2].any()), m.Switch(code):
                        with m.Case(Command.SYNC):
                            send(Field.NONCE, "BODY")
                        with m.Case(Command.IDENTIFY):
                            send(Field.IDENTITY, "BODY")
                        with m.Case(Command.ACTIVATE):
                            send(Field.CRC, "BODY")
                        with m.Case(Command.COUNTERS):
                            m.d.sync += scores.eq(1)
                            send_scores(counters=True)
                        with m.Case(Command.READ_STATE):
                            # From here on -1 - (units sent).
                            m.d.comb += remaining_count.eq(1)
                            m.next = "UNIT"
                        with m.Case(Command.STEPS):
                            m.next = "FLAGS"
            with m.State("BODY"):
                m.d.comb += [sending.eq(1), take.eq(sent & (field[1:] == Field.NONCE >> 1))]
                with m.If(sent):
                    with m.Switch(field):
                        with m.Case(Field.CRC_END, Field.VERSION):
                            m.next = "END"
            with m.State("UNIT"):
                m.d.sync += field.eq(Mux(scores, Field.SCORE_LOW | byte[0], Field.HIDDEN))
                m.next = "VALUE"
                with m.If(stepping & counting):
                    with m.If(address[0]):
                        # The busy cycles have been sent.
                        with m.If(final):
                            m.next = "END"
                        with m.Elif((flags & StepFlags.LABEL_ONLY).any()):
                            m.next = "STEPPED"
                        with m.Else():
                            send_scores(counters=False)
                with m.Elif(counting):
                    with m.If(address[3]):
                        m.next = "END"
                with m.Elif(stepping):
                    with m.If(address[:8] == engine.outputs_count):
                        m.next = "STEPPED"
                with m.Elif(~remaining[:8] == request):
                    m.next = "COUNTED"
            with m.State("VALUE"):
                m.d.comb += sending.eq(1)
                with m.If(sent):
                    m.d.comb += [
                        byte_advance.eq(1),
                        address_advance.eq(unit_end),
                        remaining_count.eq(unit_end & ~stepping),
                    ]
                    m.next = "UNIT"
            with m.State("COUNTED"):
                m.d.comb += take.eq(1)
                m.next = "END"
            with m.State("END"):
                m.d.comb += [
                    sending.eq(1),
                    self.responses.payload.end.eq(1),
                    address_clear.eq(1),
                ]
                m.d.sync += [closing.eq(1), counting.eq(1), scores.eq(1)]
                with m.If(sent):
                    m.next = "TALLY"

            # Counters: look for those to increment.
            with m.State("TALLY"):
                m.d.comb += selected.eq(
                    ((address[:3] == STEPS_LOW) & step_done)
                    | ((address[:3] == STEPS_HIGH) & carry)
                    | ((address[:3] == LINK_ERRORS) & self.link_errors.any())
                    | ((address[:3] == REQUESTS) & closing)
                )
                m.d.sync += field.eq(Field.SCORE_LOW)
                with m.If(address[3]):
                    m.d.sync += [carry.eq(0), step_done.eq(0)]
                    m.next = "LENGTH_LOW"
                    with m.If(step_done):
                        m.next = "STEPPED"
                        with m.If(due):
                            send(Field.LABEL, "RECORD")
                with m.Elif(selected):
                    m.d.sync += carry.eq(1)
                    m.d.comb += self.error_counted.eq(address[:3] == LINK_ERRORS)
                    m.next = "INCREMENT"
                with m.Else():
                    m.d.comb += address_advance.eq(1)
            with m.State("INCREMENT"):
                m.d.comb += [comparing.eq(1), tallying.eq(1), gather.eq(sent)]
                with m.If(sent):
                    m.d.comb += byte_advance.eq(1)
                    m.d.sync += [
                        carry.eq(incremented[8]),
                        field.eq(Field.SCORE_LOW | ~byte[0]),
                        engine.score_write.eq(byte[0]),
                    ]
                    with m.If(unit_end):
                        m.next = "INCREMENTED"
            with m.State("INCREMENTED"):
                # The last half-word is written, and the address moves on.
                m.next = "TALLY"
        return m
