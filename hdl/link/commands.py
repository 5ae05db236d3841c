"""The commands: carry out requests one after the other, each with one response.

The engine's side of the link is `hdl.link.signatures.engine_signature`, with the names of
`hdl.core.engine.Engine`'s members.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.core.signatures import Mode, Operation
from hdl.link.fields import FIELD_BITS, REPORTED, Field, FieldSelector
from hdl.link.registers import CommandRegisters, FieldSender
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

#: The counters as scores, in the order of the answer to COUNTERS. The engine keeps cycles and
#: events, the link steps, damaged frames and requests (see `CommandUnit`, "Counters").
STEPS_LOW, STEPS_HIGH, LINK_ERRORS, REQUESTS = 2, 3, 6, 7


class CommandUnit(wiring.Component):
    """Parse requests, drive the engine, write responses.

    A request's length is checked before anything is done. Every response byte has a number
    (`hdl.link.fields`).

    Pace. The control takes a decision in every fourth cycle, and only while neither a byte is
    being sent nor the engine works. Its strobes are registers that are high in the next cycle,
    and the conditions it looks at are registers as well. Bytes come and go every 40 cycles or
    more, so this costs nothing but keeps every path short. A step's inputs do not pass through
    here: the engine takes them from the request's stream, one a cycle.

    Counters. All counters lie behind the scores in the engine's score memory, 64 bits of
    cycles, of events and of steps, 32 of damaged frames and of requests. The engine adds to
    the first two at the end of a command; the others are incremented here, byte by byte, by
    the path that otherwise sends scores: about 100 cycles after each step and each request.
    A SYNC in this time may lose an increment.

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
        m.submodules.registers = registers = CommandRegisters(self.parameters)
        m.submodules.sender = sender = FieldSender()

        status = Signal(Status)
        code = Signal(8)
        flags = Signal(4)
        field = Signal(FIELD_BITS)
        step_done = Signal()  # a step is to be counted
        closing = Signal()  # a request is to be counted
        final = Signal()  # the busy cycles that end the answer to STEPS
        scores = Signal()
        counting = Signal()
        silent = Signal()
        end = Signal()

        m.d.comb += [
            registers.requests.valid.eq(self.requests.valid),
            registers.requests.payload.eq(request),
            self.requests.ready.eq(registers.requests.ready),
            registers.engine_ready.eq(engine.inputs.ready),
            registers.inputs_count.eq(engine.inputs_count),
            registers.counter_byte.eq(fields.data),
            registers.scores.eq(scores),
            registers.counting.eq(counting),
            registers.tallying.eq(silent),
            engine.inputs.valid.eq(self.requests.valid),
            engine.inputs.payload.eq(request),
            engine.store_address.eq(registers.address),
            engine.store_write.eq(registers.store_write),
            engine.store_write_data.eq(registers.gathered),
            engine.state_address.eq(registers.address),
            engine.state_write.eq(registers.state_write),
            engine.state_write_data.eq(registers.gathered[-8:]),
            engine.score_address.eq(registers.score_address),
            engine.score_write.eq(registers.score_write),
            engine.score_write_data.eq(registers.gathered[-16:]),
            fields.field.eq(field),
            fields.request.eq(request),
            fields.status.eq(status),
            fields.code.eq(code),
            sender.data.eq(fields.data),
            sender.silent.eq(silent),
            sender.end.eq(end),
        ]
        for name in REPORTED:
            m.d.comb += getattr(fields, name).eq(getattr(engine, name))
        wiring.connect(m, sender.responses, wiring.flipped(self.responses))

        # Strobes: low unless the control sets them.
        strobe = {}
        for name in (
            "take",
            "address_clear",
            "address_shift",
            "address_advance",
            "remaining_load",
            "remaining_step",
            "remaining_count",
            "gather",
            "byte_advance",
            "carry_set",
            "carry_clear",
        ):
            strobe[name] = Signal(name=name)
            m.d.comb += getattr(registers, name).eq(strobe[name])
        start = Signal()
        m.d.comb += sender.start.eq(start)
        m.d.sync += [signal.eq(0) for signal in strobe.values()]
        m.d.sync += [start.eq(0), engine.invalidate.eq(0), self.error_counted.eq(0)]
        with m.If(engine.command.ready):
            m.d.sync += engine.command.valid.eq(0)

        # Conditions, from registers.
        stepping = Signal()
        writing = Signal()
        problem = Signal(Status)
        same = Signal()
        units_done = Signal()
        m.d.sync += [
            stepping.eq(code == Command.STEPS),
            writing.eq(code == Command.WRITE),
            same.eq(request == fields.data),
            fields.hide.eq((code == Command.IDENTIFY) & ~engine.network_valid),
        ]
        m.d.comb += registers.words.eq(writing & ~counting)
        m.d.sync += problem.eq(self._problem(m, code, registers.remaining, engine.network_valid))
        address = registers.address
        with m.If(counting):
            m.d.sync += units_done.eq(Mux(stepping, address[0], address[3]))
        with m.Elif(stepping):
            m.d.sync += units_done.eq(address[:8] == engine.outputs_count)
        with m.Else():
            m.d.sync += units_done.eq(~registers.remaining[:8] == request)
        counter = address[:4]
        selected = Signal()
        m.d.sync += selected.eq(
            ((counter == STEPS_LOW) & step_done)
            | ((counter == STEPS_HIGH) & registers.carry)
            | ((counter == LINK_ERRORS) & self.link_errors.any())
            | ((counter == REQUESTS) & closing)
        )

        def act(*names: str) -> None:
            m.d.sync += [strobe[name].eq(1) for name in names]

        def select(number: Any, state: str) -> None:
            m.d.sync += [field.eq(number), start.eq(1), silent.eq(1)]
            m.next = state

        def send(number: Any, state: str) -> None:
            m.d.sync += [field.eq(number), start.eq(1), silent.eq(0)]
            m.next = state

        def send_scores(counters: bool) -> None:
            """Send scores from number 0 on, or counters."""
            act("address_clear")
            m.d.sync += [counting.eq(counters), scores.eq(1)]
            m.next = "UNIT"

        def tally() -> None:
            act("address_clear", "carry_clear")
            m.d.sync += [counting.eq(1), scores.eq(1)]
            m.next = "TALLY"

        def issue(operation: Operation, state: str) -> None:
            m.d.sync += [engine.command.payload.op.eq(operation), engine.command.valid.eq(1)]
            m.next = state

        due = engine.command.payload.due
        beat = Signal(2)
        decide = Signal()
        m.d.sync += [
            beat.eq(beat + 1),
            decide.eq((beat == 2) & ~sender.busy & ~engine.busy & ~engine.command.valid),
        ]

        @contextmanager
        def state(name: str) -> Iterator[None]:
            with m.State(name), m.If(decide):
                yield

        with m.FSM():
            # A request's header.
            with state("IDLE"):
                m.d.sync += [status.eq(Status.OK), counting.eq(0), closing.eq(0), final.eq(0)]
                with m.If(self.requests.valid):
                    act("take", "address_shift")
                    m.next = "LENGTH_HIGH"
                with m.Elif(self.link_errors.any()):
                    tally()
            with state("LENGTH_HIGH"):
                act("take", "address_shift")
                m.next = "SEQUENCE"
            with state("SEQUENCE"):
                send(Field.REQUEST, "SEQUENCE_SENT")
            with state("SEQUENCE_SENT"):
                act("take")
                m.next = "CODE"
            with state("CODE"):
                act("take", "remaining_load")
                m.d.sync += code.eq(request)
                m.next = "DISPATCH"
            with state("DISPATCH"):
                with m.If(problem != Status.OK):
                    m.d.sync += status.eq(problem)
                    m.next = "DRAIN"
                with m.Else():
                    m.next = "ANSWER"
                    with m.Switch(code):
                        with m.Case(Command.IDENTIFY):
                            with m.If(engine.network_valid):
                                issue(Operation.CHECK, "ANSWER")
                        with m.Case(Command.ACTIVATE):
                            issue(Operation.CHECK, "CHECKED")
                        with m.Case(Command.WRITE):
                            m.d.sync += engine.invalidate.eq(1)
                            m.next = "ADDRESS_LOW"
                        with m.Case(Command.STEPS):
                            act("remaining_step")
                            m.next = "SIZE"
                        with m.Case(Command.RESET):
                            act("address_clear")
                            issue(Operation.RESET, "ANSWER")
                        with m.Case(Command.REPLAY):
                            act("address_clear")
                            issue(Operation.REPLAY, "ANSWER")
                        with m.Case(Command.READ_STATE, Command.WRITE_STATE):
                            m.next = "REGION"

            # What comes before a response's status.
            with state("DRAIN"):
                with m.If(registers.none_left):
                    m.next = "ANSWER"
                with m.Else():
                    act("take")
            with state("SIZE"):
                # Whole steps: subtract I until nothing is left, then begin anew.
                with m.If(registers.none_left):
                    act("remaining_load")
                    m.d.sync += status.eq(Status.BAD_LENGTH)
                    m.next = "DRAIN"
                with m.Elif(registers.zero_left):
                    act("remaining_load")
                    m.next = "ANSWER"
                with m.Else():
                    act("remaining_step")
            with state("REGION"):
                act("take")
                m.d.sync += scores.eq(request[0])
                m.next = "ADDRESS_LOW"
                with m.If(request > Region.SCORES):
                    m.d.sync += status.eq(Status.BAD_ARGUMENT)
                    m.next = "DRAIN"
            with state("ADDRESS_LOW"):
                act("take", "address_shift")
                m.next = "ADDRESS_HIGH"
            with state("ADDRESS_HIGH"):
                act("take", "address_shift")
                m.next = "DATA"
                with m.If(code == Command.READ_STATE):
                    m.next = "ANSWER"
            with state("DATA"):
                with m.If(registers.none_left):
                    m.next = "ANSWER"
                    with m.If(registers.byte != 0):
                        m.d.sync += status.eq(Status.BAD_LENGTH)
                with m.Else():
                    act("take", "gather", "byte_advance")
            with state("CHECKED"):
                select(Field.IMAGE_WORDS, "COMPARE")
            with state("COMPARE"):
                act("take")
                with m.If(~same):
                    m.d.sync += status.eq(Status.BAD_NETWORK)
                with m.If(field == Field.IMAGE_WORDS + 1):
                    select(Field.CRC, "COMPARE")  # the upper half is zero
                with m.Elif(field == Field.CRC_END):
                    m.next = "COMPARED"
                with m.Else():
                    select(field + 1, "COMPARE")
            with state("COMPARED"):
                act("address_clear")
                with m.If(status == Status.OK):
                    issue(Operation.CONFIGURE, "CONFIGURED")
                with m.Else():
                    m.d.sync += engine.invalidate.eq(1)
                    m.next = "ANSWER"
            with state("CONFIGURED"):
                m.next = "ANSWER"
                with m.If(~engine.network_valid):
                    m.d.sync += status.eq(Status.BAD_NETWORK)

            # The response: status and code, then fields, scores or states.
            with state("ANSWER"):
                send(Field.STATUS, "HEAD")
            with state("HEAD"):
                send(Field.CODE, "BODY")
            with state("BODY"):
                m.next = "END"
                # OK and BAD_NETWORK: only these have more to tell.
                with m.If(~status[:2].any()), m.Switch(code):
                    with m.Case(Command.SYNC):
                        send(Field.REQUEST, "NONCE")
                    with m.Case(Command.IDENTIFY):
                        send(Field.IDENTITY, "RUN")
                    with m.Case(Command.ACTIVATE):
                        send(Field.CRC, "RUN")
                    with m.Case(Command.COUNTERS):
                        send_scores(counters=True)
                    with m.Case(Command.READ_STATE):
                        # From here on -1 - (units sent).
                        act("remaining_count")
                        m.next = "UNIT"
                    with m.Case(Command.STEPS):
                        m.next = "FLAGS"
            with state("NONCE"):
                act("take")
                send(Field.REQUEST, "NONCE_SENT")
            with state("NONCE_SENT"):
                act("take")
                send(Field.VERSION, "END")
            with state("RUN"):
                send(field + 1, "RUN")
                with m.If(field == Field.CRC_END - 1):
                    m.next = "END"
            with state("UNIT"):
                send(Mux(scores, Field.SCORE_LOW | registers.byte[0], Field.HIDDEN), "VALUE")
                with m.If(units_done):
                    m.d.sync += start.eq(0)
                    m.next = "END"
                    with m.If(stepping):
                        m.next = "STEPPED"
                        with m.If(counting):
                            with m.If(final):
                                m.next = "END"
                            with m.Elif((flags & StepFlags.LABEL_ONLY) == 0):
                                send_scores(counters=False)
                    with m.Elif(~counting):
                        act("take")  # the number of units
            with state("VALUE"):
                act("byte_advance")
                with m.If(registers.unit_end):
                    act("address_advance")
                    with m.If(~stepping):
                        act("remaining_count")
                m.next = "UNIT"
            with state("END"):
                m.d.sync += [end.eq(1), start.eq(1), silent.eq(0)]
                m.next = "CLOSE"
            with state("CLOSE"):
                m.d.sync += [end.eq(0), closing.eq(1)]
                tally()

            # Steps, each with its record if one is due.
            with state("FLAGS"):
                act("take", "address_clear")
                m.d.sync += [flags.eq(request), scores.eq(1)]
                m.next = "STEP"
                with m.If((request & StepFlags.FIRST).any()):
                    issue(Operation.RESET, "STEP")
            with state("STEP"):
                act("remaining_step", "address_clear")
                m.d.sync += counting.eq(0)
                m.next = "STEP_DUE"
            with state("STEP_DUE"):
                last = (flags & StepFlags.LAST).any() & registers.none_left
                every = (flags & StepFlags.READOUT_ALL).any() | (engine.mode == Mode.EVERY)
                m.d.sync += [due.eq(last | every), step_done.eq(1)]
                issue(Operation.STEP, "STEP_TAKEN")
            with state("STEP_TAKEN"):
                tally()
            with state("LABEL"):
                send(Field.LABEL_HIGH, "BUSY")
            with state("BUSY"):
                send_scores(counters=True)
            with state("STEPPED"):
                m.next = "STEP"
                with m.If(registers.none_left):
                    m.d.sync += final.eq(1)
                    send_scores(counters=True)

            # Counters: look for those to increment.
            with state("TALLY"):
                with m.If(address[3]):
                    m.d.sync += step_done.eq(0)
                    m.next = "IDLE"
                    with m.If(step_done):
                        m.next = "STEPPED"
                        with m.If(due):
                            send(Field.LABEL, "LABEL")
                with m.Elif(selected):
                    m.d.sync += self.error_counted.eq(counter == LINK_ERRORS)
                    act("carry_set")
                    select(Field.SCORE_LOW, "INCREMENT")
                with m.Else():
                    act("address_advance")
            with state("INCREMENT"):
                act("gather", "byte_advance")
                select(Field.SCORE_LOW | ~registers.byte[0], "INCREMENT")
                with m.If(registers.unit_end):
                    m.d.sync += start.eq(0)
                    m.next = "TALLY"
        return m

    def _problem(self, m: Module, code: Signal, remaining: Any, network_valid: Any) -> Signal:
        """Return what is wrong with a request, as far as its code and its length tell."""
        problem = Signal(Status)
        bad_length = Signal()
        with m.Switch(code):
            for command in Command:
                with m.Case(command):
                    if command in _NEEDS_NETWORK:
                        with m.If(~network_valid):
                            m.d.comb += problem.eq(Status.NO_NETWORK)
                    if command in _EXACT_LENGTH:
                        m.d.comb += bad_length.eq(remaining != _EXACT_LENGTH[command])
                    elif command in (Command.WRITE, Command.WRITE_STATE):
                        # At least three bytes: an address and data, or region and address.
                        m.d.comb += bad_length.eq(remaining[-1] | (remaining[1:] == 0))
            with m.Default():
                m.d.comb += problem.eq(Status.UNKNOWN_COMMAND)
        with m.If(bad_length):
            m.d.comb += problem.eq(Status.BAD_LENGTH)
        return problem
