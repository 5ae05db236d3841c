"""The command unit's control: states, what each of them does, and which one is next."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import Operation
from hdl.link.fields import FIELD_BITS, Field
from models.protocol import Command, Status


class Actions(data.Struct):
    """What a state does, once, after it was entered."""

    take: 1  # a byte of the request
    address_clear: 1
    address_shift: 1  # the byte taken
    address_advance: 1
    remaining_load: 1
    remaining_step: 1
    remaining_count: 1
    gather: 1  # the byte taken, or the counter's
    byte_advance: 1
    unit_advance: 1  # to the next unit or score, if the byte is the last one of its
    carry_set: 1
    carry_clear: 1
    clear: 1  # what belongs to a request
    load_code: 1
    load_flags: 1
    load_region: 1
    load_run: 1
    advance_run: 1
    compare: 1
    set_status: 1
    set_scores: 1
    set_counting: 1
    clear_counting: 1
    set_final: 1
    set_closing: 1
    set_step_done: 1
    clear_step_done: 1
    invalidate: 1
    issue: 1  # a command to the engine
    send: 1  # a field, or select it


class Choices(data.Struct):
    """Which one, where an action says only what; they stand while the state does."""

    field: FIELD_BITS
    run: FIELD_BITS
    status: Status
    problem: 1  # the status is what was found to be wrong
    operation: Operation
    silent: 1  # do not send the field
    end: 1  # send the frame's end
    increment: 1  # what is gathered


class Conditions(data.Struct):
    """What decides on the next state; all from registers."""

    valid: 1  # a request waits
    errors: 1  # damaged frames are to be counted
    code: 8
    problem: Status
    status: Status
    network_valid: 1
    none_left: 1
    zero_left: 1
    foreign: 1  # no such region
    byte_zero: 1
    size_end: 1  # the image's size has been compared
    run_end: 1  # the last field of a run has been sent
    units_done: 1
    scores: 1
    byte_odd: 1
    stepping: 1
    counting: 1
    final: 1
    label_only: 1
    first: 1
    due: 1
    step_done: 1
    selected: 1  # this counter is to be incremented
    counters_end: 1


class CommandControl(wiring.Component):
    """Walk from state to state.

    A state's actions are signals of the state alone, and its successor is chosen by
    conditions from registers, when `decide` is high.

    Members
    -------
    decide : In(1)
    conditions : In(Conditions)
    actions : Out(Actions)
    choices : Out(Choices)
    """

    decide: In(1)
    conditions: In(Conditions)
    actions: Out(Actions)
    choices: Out(Choices)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        now = self.conditions
        choices = self.choices

        @contextmanager
        def state(name: str, *actions: str, **chosen: Any) -> Iterator[None]:
            """Open a state with its actions and choices; the body chooses the successor."""
            with m.State(name):
                m.d.comb += [getattr(self.actions, action).eq(1) for action in actions]
                m.d.comb += [getattr(choices, name).eq(value) for name, value in chosen.items()]
                with m.If(self.decide):
                    yield

        def then(name: str) -> None:
            m.next = name

        def units() -> None:
            m.next = "UNIT"
            with m.If(now.units_done):
                m.next = "UNITS_DONE"

        def counter() -> None:
            m.next = "TALLY_NEXT"
            with m.If(now.counters_end):
                m.next = "IDLE"
                with m.If(now.step_done):
                    m.next = "STEP_TALLIED"
            with m.Elif(now.selected):
                m.next = "COUNT"

        value = Signal(FIELD_BITS)
        m.d.comb += value.eq(Mux(now.scores, Field.SCORE_LOW | now.byte_odd, Field.HIDDEN))

        with m.FSM():
            # A request's header.
            with state("IDLE", "clear"):
                with m.If(now.valid):
                    m.next = "LENGTH_LOW"
                with m.Elif(now.errors):
                    m.next = "TALLY_BEGIN"
            with state("LENGTH_LOW", "take", "address_shift"):
                then("LENGTH_HIGH")
            with state("LENGTH_HIGH", "take", "address_shift"):
                then("SEQUENCE")
            with state("SEQUENCE", "send", field=Field.REQUEST):
                then("SEQUENCE_TAKE")
            with state("SEQUENCE_TAKE", "take"):
                then("CODE")
            with state("CODE", "take", "load_code", "remaining_load"):
                with m.If(now.problem != Status.OK):
                    m.next = "PROBLEM"
                with m.Else(), m.Switch(now.code):
                    with m.Case(Command.IDENTIFY):
                        m.next = "CHECK"
                        # No network, nothing to check.
                        with m.If(~now.network_valid):
                            m.next = "STATUS"
                    for command, first in (
                        (Command.ACTIVATE, "CHECK_ACTIVATE"),
                        (Command.WRITE, "WRITE"),
                        (Command.STEPS, "SIZE"),
                        (Command.RESET, "RESET"),
                        (Command.REPLAY, "REPLAY"),
                        (Command.READ_STATE, "REGION"),
                        (Command.WRITE_STATE, "REGION"),
                    ):
                        with m.Case(command):
                            m.next = first
                    with m.Default():
                        m.next = "STATUS"
            with state("PROBLEM", "set_status", problem=1):
                then("DRAIN")
            with state("DRAIN"):
                m.next = "DRAIN_TAKE"
                with m.If(now.none_left):
                    m.next = "STATUS"
            with state("DRAIN_TAKE", "take"):
                with m.If(now.none_left):
                    m.next = "STATUS"

            # ACTIVATE and IDENTIFY.
            with state("CHECK", "issue", operation=Operation.CHECK):
                then("STATUS")
            with state("CHECK_ACTIVATE", "issue", operation=Operation.CHECK):
                then("COMPARE_SIZE")
            with state("COMPARE_SIZE", "load_run", run=Field.IMAGE_WORDS):
                then("COMPARE")
            with state("COMPARE", "send", field=Field.RUN, silent=1):
                then("COMPARED")
            with state("COMPARED", "take", "compare", "advance_run"):
                m.next = "COMPARE"
                with m.If(now.size_end):
                    m.next = "COMPARE_CRC"
                with m.Elif(now.run_end):
                    m.next = "COMPARED_ALL"
            with state("COMPARE_CRC", "load_run", run=Field.CRC):
                then("COMPARE")
            with state("COMPARED_ALL", "address_clear"):
                m.next = "REFUSE"
                with m.If(now.status == Status.OK):
                    m.next = "CONFIGURE"
            with state("CONFIGURE", "issue", operation=Operation.CONFIGURE):
                m.next = "REFUSE"
                with m.If(now.network_valid):
                    m.next = "STATUS"
            with state("REFUSE", "set_status", "invalidate", status=Status.BAD_NETWORK):
                then("STATUS")

            # RESET, REPLAY, WRITE, READ_STATE, WRITE_STATE.
            with state("RESET", "address_clear", "issue", operation=Operation.RESET):
                then("STATUS")
            with state("REPLAY", "address_clear", "issue", operation=Operation.REPLAY):
                then("STATUS")
            with state("WRITE", "invalidate"):
                then("ADDRESS_LOW")
            with state("REGION", "take", "load_region"):
                m.next = "ADDRESS_LOW"
                with m.If(now.foreign):
                    m.next = "NO_REGION"
            with state("NO_REGION", "set_status", status=Status.BAD_ARGUMENT):
                then("DRAIN")
            with state("ADDRESS_LOW", "take", "address_shift"):
                then("ADDRESS_HIGH")
            with state("ADDRESS_HIGH", "take", "address_shift"):
                m.next = "DATA"
                with m.If((now.code == Command.READ_STATE) | now.none_left):
                    m.next = "STATUS"
            with state("DATA", "take", "gather", "byte_advance"):
                with m.If(now.none_left):
                    m.next = "DATA_END"
            with state("DATA_END"):
                m.next = "WRONG_LENGTH"
                with m.If(now.byte_zero):
                    m.next = "STATUS"
            with state("WRONG_LENGTH", "set_status", status=Status.BAD_LENGTH):
                then("STATUS")

            # The response.
            with state("STATUS", "send", field=Field.STATUS):
                then("CODE_ECHO")
            with state("CODE_ECHO", "send", field=Field.CODE):
                m.next = "END"
                # OK and BAD_NETWORK: only these have more to tell.
                with m.If(~now.status[:2].any()), m.Switch(now.code):
                    for command, first in (
                        (Command.SYNC, "NONCE_LOW"),
                        (Command.IDENTIFY, "IDENTITY"),
                        (Command.ACTIVATE, "CRC"),
                        (Command.COUNTERS, "COUNTERS"),
                        (Command.READ_STATE, "UNITS"),
                        (Command.STEPS, "FLAGS"),
                    ):
                        with m.Case(command):
                            m.next = first
            with state("NONCE_LOW", "send", field=Field.REQUEST):
                then("NONCE_LOW_TAKE")
            with state("NONCE_LOW_TAKE", "take"):
                then("NONCE_HIGH")
            with state("NONCE_HIGH", "send", field=Field.REQUEST):
                then("NONCE_HIGH_TAKE")
            with state("NONCE_HIGH_TAKE", "take"):
                then("VERSION")
            with state("VERSION", "send", field=Field.VERSION):
                then("END")
            with state("IDENTITY", "load_run", run=Field.IDENTITY):
                then("RUN")
            with state("CRC", "load_run", run=Field.CRC):
                then("RUN")
            with state("RUN", "send", field=Field.RUN):
                then("RUN_NEXT")
            with state("RUN_NEXT", "advance_run"):
                m.next = "RUN"
                with m.If(now.run_end):
                    m.next = "END"
            with state("COUNTERS", "address_clear", "set_counting", "set_scores"):
                units()
            with state("UNITS", "remaining_count"):
                # From here on `remaining` is -1 - (units sent).
                units()
            with state("UNIT", "send", field=value):
                then("UNIT_SENT")
            with state("UNIT_SENT", "byte_advance", "unit_advance"):
                units()
            with state("UNITS_DONE"):
                m.next = "UNITS_TAKE"
                with m.If(now.counting):
                    m.next = "END"
                with m.If(now.stepping):
                    m.next = "SCORES"
                    with m.If(now.label_only | ~now.counting):
                        m.next = "STEPPED"
                    with m.If(now.final):
                        m.next = "END"
            with state("UNITS_TAKE", "take"):
                then("END")
            with state("END", "send", end=1):
                then("CLOSE")
            with state("CLOSE", "set_closing"):
                then("TALLY_BEGIN")

            # Steps, each with its record if one is due.
            with state("SIZE", "remaining_step"):
                # Whole steps: subtract I until nothing is left, then begin anew.
                with m.If(now.none_left):
                    m.next = "SIZE_WRONG"
                with m.Elif(now.zero_left):
                    m.next = "SIZE_RIGHT"
            with state("SIZE_RIGHT", "remaining_load"):
                then("STATUS")
            with state("SIZE_WRONG", "remaining_load", "set_status", status=Status.BAD_LENGTH):
                then("DRAIN")
            with state("FLAGS", "take", "load_flags", "address_clear", "set_scores"):
                m.next = "STEP"
                with m.If(now.first):
                    m.next = "FIRST"
            with state("FIRST", "issue", operation=Operation.RESET):
                then("STEP")
            with state("STEP", "remaining_step", "address_clear", "clear_counting"):
                then("STEP_GO")
            with state("STEP_GO", "issue", "set_step_done", operation=Operation.STEP):
                then("TALLY_BEGIN")
            with state("STEP_TALLIED", "clear_step_done"):
                m.next = "STEPPED"
                with m.If(now.due):
                    m.next = "LABEL"
            with state("LABEL", "send", field=Field.LABEL):
                then("LABEL_HIGH")
            with state("LABEL_HIGH", "send", field=Field.LABEL_HIGH):
                then("COUNTERS")
            with state("SCORES", "address_clear", "clear_counting"):
                units()
            with state("STEPPED"):
                m.next = "STEP"
                with m.If(now.none_left):
                    m.next = "FINAL"
            with state("FINAL", "set_final"):
                then("COUNTERS")

            # Counters: look for those to increment.
            with state("TALLY_BEGIN", "address_clear", "carry_clear", "set_counting", "set_scores"):
                then("TALLY_NEXT")
            with state("TALLY_NEXT", "address_advance"):
                counter()
            with state("TALLY"):
                counter()
            with state("COUNT", "carry_set"):
                then("INCREMENT")
            with state("INCREMENT", "send", field=value, silent=1):
                then("INCREMENTED")
            with state("INCREMENTED", "gather", "byte_advance", increment=1):
                m.next = "INCREMENT"
                with m.If(now.byte_zero):
                    m.next = "TALLY"
        return m
