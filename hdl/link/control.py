"""The command unit's control: states, what each of them does, and which one is next.

The table `STATES` is the program; `CommandControl` makes one flip-flop of each state. A state
that always has the same successor then costs nothing else, and an action is the OR of the
states that name it.
"""

from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import Operation
from hdl.link.fields import FIELD_BITS, Field
from models.protocol import Command, Status


class Strobes(data.Struct):
    """What a state does once, after it was entered."""

    take: 1  # a byte of the request
    address_shift: 1  # the byte taken
    address_advance: 1
    remaining_load: 1
    remaining_step: 1
    remaining_count: 1
    gather: 1  # the byte selected
    byte_advance: 1
    unit_advance: 1  # to the next unit or score, if the byte is the last one of its
    carry_set: 1
    load_code: 1
    load_flags: 1
    load_region: 1
    advance_run: 1
    compare: 1
    issue: 1  # a command to the engine
    send: 1  # a field, or select it


class Levels(data.Struct):
    """What a state does in each of its cycles."""

    address_clear: 1
    remaining_clear: 1
    carry_clear: 1
    clear: 1  # what belongs to a request
    set_status: 1
    set_scores: 1
    set_counting: 1
    clear_counting: 1
    set_final: 1
    set_closing: 1
    set_step_done: 1
    clear_step_done: 1
    invalidate: 1


class Choices(data.Struct):
    """Which one, where an action says only what; they stand while the state does."""

    field: FIELD_BITS
    run: 1  # the field is the next one of a run
    value: 1  # the field is a score's byte or a unit's state
    status: Status
    problem: 1  # the status is what was found to be wrong
    operation: Operation
    silent: 1  # select the field, do not send it
    end: 1  # send the frame's end


class Conditions(data.Struct):
    """What decides on the next state; all from registers."""

    valid: 1  # a request waits
    errors: 1  # damaged frames are to be counted
    command: len(Command)  # the request's code, a bit for each command
    problem: 1
    hide: 1  # IDENTIFY without a network: there is nothing to check
    refused: 1  # a status that has nothing more to tell
    ok: 1
    network_valid: 1
    none_left: 1
    zero_left: 1
    foreign: 1  # no such region
    byte_zero: 1
    size_end: 1  # the image's size has been compared
    run_end: 1  # the last field of a run has been sent
    units_done: 1
    stepping: 1
    counting: 1
    final: 1
    label_only: 1
    first: 1
    due: 1
    step_done: 1
    selected: 1  # this counter is to be incremented
    counters_end: 1


class State(NamedTuple):
    """A state: strobes and levels, conditions with their successors in order of priority, choices.

    A condition is a member of `Conditions`, the name of a command, or "" for always.
    """

    actions: str
    successors: tuple[tuple[str, str], ...]
    choices: dict[str, int] = {}


def _go(actions: str, successor: str, **choices: int) -> State:
    return State(actions, (("", successor),), choices)


def _if(actions: str, *successors: tuple[str, str], **choices: int) -> State:
    return State(actions, successors, choices)


_UNITS = (("units_done", "UNITS_DONE"), ("", "UNIT"))
_COUNTER = (("counters_end", "TALLIED"), ("selected", "COUNT"), ("", "TALLY_NEXT"))

STATES: dict[str, State] = {
    # A request's header.
    "IDLE": _if(
        "clear carry_clear", ("valid", "LENGTH_LOW"), ("errors", "TALLY_BEGIN"), ("", "IDLE")
    ),
    "LENGTH_LOW": _go("take address_shift", "LENGTH_HIGH"),
    "LENGTH_HIGH": _go("take address_shift", "SEQUENCE"),
    "SEQUENCE": _go("send", "SEQUENCE_TAKE", field=Field.REQUEST),
    "SEQUENCE_TAKE": _go("take remaining_clear", "CODE"),
    "CODE": _go("take load_code remaining_load", "DISPATCH"),
    "DISPATCH": _if(
        "",
        ("problem", "PROBLEM"),
        ("hide", "STATUS"),
        ("IDENTIFY", "CHECK"),
        ("ACTIVATE", "CHECK_ACTIVATE"),
        ("WRITE", "WRITE"),
        ("STEPS", "SIZE"),
        ("RESET", "RESET"),
        ("REPLAY", "REPLAY"),
        ("READ_STATE", "REGION"),
        ("WRITE_STATE", "REGION"),
        ("", "STATUS"),
    ),
    "PROBLEM": _go("set_status", "DRAIN", problem=1),
    "DRAIN": _if("", ("none_left", "STATUS"), ("", "DRAIN_TAKE")),
    "DRAIN_TAKE": _if("take", ("none_left", "STATUS"), ("", "DRAIN_TAKE")),
    # ACTIVATE and IDENTIFY.
    "CHECK": _go("issue", "STATUS", operation=Operation.CHECK),
    "CHECK_ACTIVATE": _go("issue", "COMPARE_SIZE", operation=Operation.CHECK),
    "COMPARE_SIZE": _go("send", "COMPARED", field=Field.IMAGE_WORDS, silent=1),
    "COMPARE": _go("send", "COMPARED", run=1, silent=1),
    "COMPARED": _if(
        "take compare advance_run",
        ("size_end", "COMPARE_CRC"),
        ("run_end", "COMPARED_ALL"),
        ("", "COMPARE"),
    ),
    "COMPARE_CRC": _go("send", "COMPARED", field=Field.CRC, silent=1),
    "COMPARED_ALL": _if("address_clear", ("ok", "CONFIGURE"), ("", "REFUSE")),
    "CONFIGURE": _if(
        "issue",
        ("network_valid", "STATUS"),
        ("", "REFUSE"),
        operation=Operation.CONFIGURE,
    ),
    "REFUSE": _go("set_status invalidate", "STATUS", status=Status.BAD_NETWORK),
    # RESET, REPLAY, WRITE, READ_STATE, WRITE_STATE.
    "RESET": _go("address_clear issue", "STATUS", operation=Operation.RESET),
    "REPLAY": _go("address_clear issue", "STATUS", operation=Operation.REPLAY),
    "WRITE": _go("invalidate", "ADDRESS_LOW"),
    "REGION": _if("take load_region", ("foreign", "NO_REGION"), ("", "ADDRESS_LOW")),
    "NO_REGION": _go("set_status", "DRAIN", status=Status.BAD_ARGUMENT),
    "ADDRESS_LOW": _go("take address_shift", "ADDRESS_HIGH"),
    "ADDRESS_HIGH": _if(
        "take address_shift", ("READ_STATE", "STATUS"), ("none_left", "STATUS"), ("", "DATA")
    ),
    "DATA": _go("send", "GATHER", field=Field.REQUEST, silent=1),
    "GATHER": _if("take gather byte_advance", ("none_left", "DATA_END"), ("", "DATA")),
    "DATA_END": _if("", ("byte_zero", "STATUS"), ("", "PART_LEFT")),
    "PART_LEFT": _go("set_status", "STATUS", status=Status.BAD_LENGTH),
    # The response.
    "STATUS": _go("send", "CODE_ECHO", field=Field.STATUS),
    "CODE_ECHO": _if(
        "send",
        ("refused", "END"),
        ("SYNC", "NONCE_LOW"),
        ("IDENTIFY", "IDENTITY"),
        ("ACTIVATE", "CRC"),
        ("COUNTERS", "UPDATE"),
        ("READ_STATE", "UNITS"),
        ("STEPS", "FLAGS"),
        ("", "END"),
        field=Field.CODE,
    ),
    "NONCE_LOW": _go("send", "NONCE_LOW_TAKE", field=Field.REQUEST),
    "NONCE_LOW_TAKE": _go("take", "NONCE_HIGH"),
    "NONCE_HIGH": _go("send", "NONCE_HIGH_TAKE", field=Field.REQUEST),
    "NONCE_HIGH_TAKE": _go("take", "VERSION"),
    "VERSION": _go("send", "END", field=Field.IDENTITY),
    "IDENTITY": _go("send", "RUN_NEXT", field=Field.IDENTITY),
    "CRC": _go("send", "RUN_NEXT", field=Field.CRC),
    "RUN": _go("send", "RUN_NEXT", run=1),
    "RUN_NEXT": _if("advance_run", ("run_end", "END"), ("", "RUN")),
    "UPDATE": _go("issue", "COUNTERS", operation=Operation.TALLY),
    "COUNTERS": _if("address_clear set_counting set_scores", *_UNITS),
    # From here on `remaining` is -1 - (units sent).
    "UNITS": _if("remaining_count", *_UNITS),
    "UNIT": _go("send", "UNIT_SENT", value=1),
    "UNIT_SENT": _if("byte_advance unit_advance", *_UNITS),
    "UNITS_DONE": _if(
        "",
        ("final", "END"),
        ("stepping", "RECORD_PART"),
        ("counting", "END"),
        ("", "UNITS_TAKE"),
    ),
    "UNITS_TAKE": _go("take", "END"),
    "END": _go("send", "CLOSE", end=1),
    "CLOSE": _go("set_closing", "TALLY_BEGIN"),
    # Steps, each with its record if one is due: label, busy cycles, scores.
    # Whole steps: subtract I until nothing is left, then begin anew.
    "SIZE": _if(
        "remaining_step", ("none_left", "SIZE_WRONG"), ("zero_left", "SIZE_RIGHT"), ("", "SIZE")
    ),
    "SIZE_RIGHT": _go("remaining_load", "STATUS"),
    "SIZE_WRONG": _go("remaining_clear set_status", "SIZE_REFUSED", status=Status.BAD_LENGTH),
    "SIZE_REFUSED": _go("remaining_load", "DRAIN"),
    "FLAGS": _if("take load_flags address_clear set_scores", ("first", "FIRST"), ("", "STEP")),
    "FIRST": _go("issue", "STEP", operation=Operation.RESET),
    "STEP": _go("remaining_step address_clear clear_counting", "STEP_GO"),
    "STEP_GO": _go("issue set_step_done", "TALLY_BEGIN", operation=Operation.STEP),
    "STEP_TALLIED": _if("clear_step_done", ("due", "LABEL"), ("", "STEPPED")),
    "LABEL": _go("send", "LABEL_HIGH", field=Field.LABEL),
    "LABEL_HIGH": _go("send", "UPDATE", field=Field.LABEL_HIGH),
    "RECORD_PART": _if("", ("label_only", "STEPPED"), ("counting", "SCORES"), ("", "STEPPED")),
    "SCORES": _if("address_clear clear_counting", *_UNITS),
    "STEPPED": _if("", ("none_left", "FINAL"), ("", "STEP")),
    "FINAL": _go("set_final", "UPDATE"),
    # Counters: look for those to increment.
    "TALLY_BEGIN": _go("address_clear carry_clear set_counting set_scores", "TALLY_NEXT"),
    "TALLY_NEXT": _if("address_advance", *_COUNTER),
    "TALLY": _if("", *_COUNTER),
    "TALLIED": _if("", ("step_done", "STEP_TALLIED"), ("", "IDLE")),
    "COUNT": _go("carry_set", "INCREMENT"),
    "INCREMENT": _go("send", "INCREMENTED", value=1, silent=1),
    "INCREMENTED": _if("gather byte_advance", ("byte_zero", "TALLY"), ("", "INCREMENT")),
}


class CommandControl(wiring.Component):
    """Walk from state to state.

    A state's actions are signals of the state alone, and its successor is chosen by
    conditions from registers, when `decide` is high.

    Members
    -------
    decide : In(1)
    conditions : In(Conditions)
    strobes : Out(Strobes)
    actions : Out(Levels)
    choices : Out(Choices)
    """

    decide: In(1)
    conditions: In(Conditions)
    strobes: Out(Strobes)
    actions: Out(Levels)
    choices: Out(Choices)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        inside = {name: Signal(name=f"in_{name.lower()}", init=name == "IDLE") for name in STATES}

        arrivals: dict[str, list[Value]] = {name: [] for name in STATES}
        for name, state in STATES.items():
            here: Value = inside[name]
            # One command at most holds, so that one need not exclude another.
            none: Value = Const(1, 1)
            for condition, successor in state.successors:
                holds = self._condition(condition)
                if condition in Command.__members__:
                    arrivals[successor].append(here & holds)
                    none = none & ~holds
                else:
                    arrivals[successor].append(here & none & holds)
                    here = here & ~holds
        with m.If(self.decide):
            for name, ways in arrivals.items():
                m.d.sync += inside[name].eq(reduce(or_, ways))

        for kind, to in ((Strobes, self.strobes), (Levels, self.actions)):
            for action in kind.as_shape().members:
                states = [inside[n] for n, s in STATES.items() if action in s.actions.split()]
                m.d.comb += getattr(to, action).eq(reduce(or_, states))
        for choice in Choices.as_shape().members:
            chosen = [
                Mux(inside[n], v, 0)
                for n, s in STATES.items()
                for c, v in s.choices.items()
                if c == choice
            ]
            m.d.comb += Value.cast(getattr(self.choices, choice)).eq(reduce(or_, chosen))
        return m

    def _condition(self, name: str) -> Value:
        if not name:
            return Const(1, 1)
        if name in Command.__members__:
            return self.conditions.command[Command[name]]
        return getattr(self.conditions, name)
