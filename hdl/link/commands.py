"""The commands: carry out requests one after the other, each with one response.

The engine's side of the link is `hdl.link.signatures.engine_signature`, with the names of
`hdl.core.engine.Engine`'s members.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.core.signatures import Mode
from hdl.link.control import CommandControl, Strobes
from hdl.link.fields import REPORTED, Field, FieldSelector
from hdl.link.receiver import LENGTH_BITS
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

#: The link's counters as scores, in the order of the answer to COUNTERS; the others are the
#: engine's (see `CommandUnit`, "Counters").
STEPS_LOW, STEPS_HIGH, LINK_ERRORS, REQUESTS = 2, 3, 6, 7

#: Strobes of the control that the registers carry out.
REGISTER_STROBES = (
    "take",
    "address_shift",
    "address_advance",
    "remaining_load",
    "remaining_step",
    "remaining_count",
    "gather",
    "byte_advance",
    "unit_advance",
    "carry_set",
)

#: The same of those that last as long as their state, a cycle late.
REGISTER_LEVELS = ("address_clear", "remaining_clear", "carry_clear")


class CommandUnit(wiring.Component):
    """Parse requests, drive the engine, write responses.

    A request's length is checked before anything is done. Every response byte has a number
    (`hdl.link.fields`).

    Pace. The control (`hdl.link.control`) moves on in every fourth cycle at most, and only
    while neither a byte is being sent nor the engine works. What a state does once are strobes
    from registers; what may be done again and again lasts as long as the state; and what
    decides on its successor is in registers as well. Bytes come and go every 40 cycles or more,
    so this costs nothing and keeps every path short. A step's inputs do not pass through here:
    the engine takes them from the request's stream, one a cycle.

    Counters. All counters lie behind the scores in the engine's score memory, 64 bits each, but 32
    of damaged frames and of requests. Steps, damaged frames and requests are incremented here, byte
    by byte, by the path that otherwise sends scores: about 200 cycles after each step and each
    request. The engine counts the rest, and brings it up to date when it is told to, before any of
    it is sent. A SYNC in this time may lose an increment, or its carry into the next half-word.

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
    flash_loaded, flash_failed : In(1)
        What became of the network in the board's flash, if there is one.
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
                "flash_loaded": In(1),
                "flash_failed": In(1),
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

        m.submodules.control = control = CommandControl()

        status = Signal(Status, reset_less=True)
        code = Signal(8, reset_less=True)
        flags = Signal(4, reset_less=True)
        step_done = Signal()  # a step is to be counted
        closing = Signal()  # a request is to be counted
        final = Signal()  # the busy cycles that end the answer to STEPS
        scores = Signal(reset_less=True)
        counting = Signal()
        stepping = Signal()
        address = registers.address
        m.d.comb += [
            registers.requests.valid.eq(self.requests.valid),
            registers.requests.payload.eq(request),
            self.requests.ready.eq(registers.requests.ready),
            registers.engine_ready.eq(engine.inputs.ready),
            registers.inputs_count.eq(engine.inputs_count),
            registers.data.eq(fields.data),
            registers.scores.eq(scores),
            registers.counting.eq(counting),
            registers.stepping.eq(stepping),
            engine.inputs.valid.eq(self.requests.valid),
            engine.inputs.payload.eq(request),
            engine.store_address.eq(address),
            engine.store_write.eq(registers.store_write),
            engine.store_write_data.eq(registers.gathered),
            engine.state_address.eq(address),
            engine.state_write.eq(registers.state_write),
            engine.state_write_data.eq(registers.gathered[-8:]),
            engine.score_address.eq(registers.score_address),
            engine.score_write.eq(registers.score_write),
            engine.score_write_data.eq(registers.gathered[-16:]),
            fields.request.eq(request),
            fields.status.eq(status),
            fields.code.eq(code),
            sender.data.eq(fields.data),
        ]
        for name in REPORTED:
            m.d.comb += getattr(fields, name).eq(getattr(engine, name))
        wiring.connect(m, sender.responses, wiring.flipped(self.responses))

        # The pace: `decide` in the last of four beats, `entered` in the first, the state's
        # strobes in the second, conditions from the fourth on.
        beat = Signal(2)
        decide = Signal()
        entered = Signal()
        strobes = Signal(Strobes)
        actions = control.actions
        choices = control.choices
        m.d.sync += [
            beat.eq(beat + 1),
            decide.eq((beat == 2) & ~sender.busy & ~engine.busy & ~engine.command.valid),
            entered.eq(decide),
            strobes.eq(Mux(entered, control.strobes, 0)),
        ]
        m.d.comb += control.decide.eq(decide)

        # Actions.
        for name in REGISTER_STROBES:
            m.d.comb += getattr(registers, name).eq(getattr(strobes, name))
        for name in REGISTER_LEVELS:
            m.d.sync += getattr(registers, name).eq(getattr(actions, name))
        m.d.comb += sender.start.eq(strobes.send)
        with m.If(strobes.send & ~choices.run):
            value = Cat(scores & registers.byte[0], ~scores)
            m.d.sync += fields.field.eq(choices.field | Mux(choices.value, value, 0))
        with m.Elif(strobes.advance_run):
            m.d.sync += fields.field.eq(fields.field + 1)
        m.d.sync += [
            sender.silent.eq(choices.silent),
            sender.end.eq(choices.end),
            engine.invalidate.eq(actions.invalidate),
            # Between requests nothing is being sent or written.
            engine.quiet.eq(actions.clear),
            self.error_counted.eq(strobes.carry_set & (address[:3] == LINK_ERRORS)),
        ]
        with m.If(engine.command.ready):
            m.d.sync += engine.command.valid.eq(0)
        with m.If(strobes.issue):
            m.d.sync += [
                engine.command.payload.op.eq(choices.operation),
                engine.command.valid.eq(1),
            ]
        problem = Signal(Status)
        same = Signal(reset_less=True)
        with m.If(actions.set_status):
            m.d.sync += status.eq(Mux(choices.problem, problem, choices.status))
        with m.If(strobes.compare & ~same):
            m.d.sync += status.eq(Status.BAD_NETWORK)
        with m.If(actions.clear):
            m.d.sync += [status.eq(Status.OK), closing.eq(0), final.eq(0), counting.eq(0)]
        with m.If(strobes.load_code):
            m.d.sync += code.eq(request)
        with m.If(strobes.load_flags):
            m.d.sync += flags.eq(request)
        foreign = Signal(reset_less=True)
        with m.If(strobes.load_region):
            m.d.sync += [scores.eq(request[0]), foreign.eq(request > Region.SCORES)]
        with m.If(actions.set_scores):
            m.d.sync += scores.eq(1)
        for register, set_it, clear_it in (
            (counting, actions.set_counting, actions.clear_counting),
            (step_done, actions.set_step_done, actions.clear_step_done),
            (final, actions.set_final, Const(0)),
            (closing, actions.set_closing, Const(0)),
        ):
            with m.If(set_it):
                m.d.sync += register.eq(1)
            with m.If(clear_it):
                m.d.sync += register.eq(0)

        # Conditions.
        units_done = Signal(reset_less=True)
        units = Signal(8, reset_less=True)  # how many there are
        selected = Signal(reset_less=True)
        due = engine.command.payload.due
        now = control.conditions
        m.d.comb += [
            stepping.eq(now.command[Command.STEPS]),
            registers.words.eq(now.command[Command.WRITE] & ~counting),
        ]
        m.d.comb += [
            fields.flash_loaded.eq(self.flash_loaded),
            fields.flash_failed.eq(self.flash_failed),
        ]
        m.d.sync += [
            same.eq(request == fields.data),
            fields.hide.eq(now.command[Command.IDENTIFY] & ~engine.network_valid),
            problem.eq(self._problem(m, code, registers.remaining)),
            due.eq(
                ((flags & StepFlags.LAST).any() & registers.none_left)
                | (flags & StepFlags.READOUT_ALL).any()
                | (engine.mode == Mode.EVERY)
            ),
            selected.eq(
                ((address[:3] == STEPS_LOW) & step_done)
                | ((address[:3] == STEPS_HIGH) & registers.carry)
                | ((address[:3] == LINK_ERRORS) & self.link_errors.any())
                | ((address[:3] == REQUESTS) & closing)
            ),
        ]
        sent = Mux(stepping, address[:8], ~registers.remaining[:8])
        m.d.sync += [
            units.eq(Mux(stepping, engine.outputs_count, request)),
            units_done.eq(
                Mux(counting, Mux(stepping, address[0], address[4]), (sent ^ ~units).all())
            ),
        ]
        for command in Command:
            m.d.sync += now.command[command].eq(code == command)
        m.d.comb += [
            now.valid.eq(self.requests.valid),
            now.errors.eq(self.link_errors.any()),
            now.problem.eq(problem != Status.OK),
            now.hide.eq(fields.hide),
            now.refused.eq(status[:2].any()),
            now.ok.eq(status == Status.OK),
            now.network_valid.eq(engine.network_valid),
            now.none_left.eq(registers.none_left),
            now.zero_left.eq(registers.zero_left),
            now.foreign.eq(foreign),
            now.byte_zero.eq(registers.byte == 0),
            now.size_end.eq(fields.field == Field.IMAGE_WORDS + 2),
            now.run_end.eq(fields.field == 0),
            now.units_done.eq(units_done),
            now.stepping.eq(stepping),
            now.counting.eq(counting),
            now.final.eq(final),
            now.label_only.eq((flags & StepFlags.LABEL_ONLY).any()),
            now.first.eq((flags & StepFlags.FIRST).any()),
            now.due.eq(due),
            now.step_done.eq(step_done),
            now.selected.eq(selected),
            now.counters_end.eq(address[3]),
        ]
        return m

    def _problem(self, m: Module, code: Signal, remaining: Signal) -> Signal:
        """Return what is wrong with a request, as far as its code and its length tell."""
        # The exact lengths, less one, are odd numbers from -1 to 5: two bits tell them apart.
        engine = self.engine
        exact = Signal()
        too_short = Signal()
        no_inputs = Signal()
        m.d.sync += [
            exact.eq(
                remaining[0] & (remaining[3:] == remaining[1:3].all().replicate(LENGTH_BITS - 3))
            ),
            # There are no whole steps of a network without inputs.
            no_inputs.eq(engine.network_valid & (engine.inputs_count == 0)),
            # At least three bytes: an address and data, or region and address.
            too_short.eq(remaining[-1] | (remaining[1:] == 0)),
        ]

        def among(commands: Iterable[Command]) -> Value:
            """Whether a known code is one of these: a function of four bits."""
            return reduce(or_, [code[:4] == command for command in commands])

        lengths = [
            among(c for c, length in _EXACT_LENGTH.items() if length >> bit & 1) for bit in (1, 2)
        ]
        is_exact = exact & (remaining[1:3] == Cat(*lengths))
        bad_length = Mux(
            among(_EXACT_LENGTH),
            ~is_exact,
            Mux(code[:4] == Command.STEPS, no_inputs, too_short),
        )
        problem = Signal(Status)
        with m.If(code[4:].any() | ~among(Command)):
            m.d.comb += problem.eq(Status.UNKNOWN_COMMAND)
        with m.Elif(bad_length):
            m.d.comb += problem.eq(Status.BAD_LENGTH)
        with m.Elif(among(_NEEDS_NETWORK) & ~engine.network_valid):
            m.d.comb += problem.eq(Status.NO_NETWORK)
        return problem
