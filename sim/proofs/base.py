"""What a proof is, and what its harness is made of.

A harness is an Amaranth module that holds the real component, drives its inputs with values
that the solver chooses, and states properties. `AnySeq` is chosen anew each cycle, `AnyConst`
once. Assumptions and assertions are combinational: they hold in the cycle in which they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import (
    Assert,
    Assume,
    ClockDomain,
    Const,
    Cover,
    Elaboratable,
    Fragment,
    MemoryInstance,
    Module,
    Signal,
    Value,
)
from amaranth.lib import wiring

from sim.mutants import Mutant


@dataclass(frozen=True)
class Proof:
    """One claim, how it is shown, and what refutes it.

    Attributes
    ----------
    name, claim : str
        Short name, and what is claimed, in words.
    harness : callable
        Makes the harness. It must make its components when called, for then they may be mutants.
    depth : int
        Induction: cycles of the induction's step. Else the cycles of the whole run.
    from_any_state : bool
        The claim is about a run of fixed length (`depth`) from an arbitrary state of every
        register: all such runs are examined, so nothing is left out. Otherwise it is about all
        cycles after power-up, and shown by k-induction.
    method : str
        Said about `depth`: why it is enough, and what the claim rests on.
    cover : int
        Cycles in which everything that the harness says can happen must be seen to happen.
    for_traces : callable, optional
        Makes the harness for `cover` and mutants, where these need another one: a run from
        power-up has to get into trouble before it can be seen to get out of it; or a mutant
        shall be refuted by what can be seen from outside.
    traces_from_any_state : bool
        `cover` and mutants begin in any state, too (that the harness's assumptions allow),
        because what they look for lies too many cycles after power-up.
    mutants : mapping
        Mutants, and the cycles in which a run must refute each.
    """

    name: str
    claim: str
    harness: Callable[[], Harness]
    depth: int
    method: str
    cover: int
    mutants: Mapping[Mutant, int] = field(default_factory=dict)
    from_any_state: bool = False
    for_traces: Callable[[], Harness] | None = None
    traces_from_any_state: bool = False

    @property
    def skip(self) -> int:
        """Cycles in which nothing is claimed: a run of fixed length is judged at its end."""
        return self.depth - 1 if self.from_any_state else 0

    @property
    def how(self) -> str:
        """The method in a few words."""
        if self.from_any_state:
            return f"every state, {self.depth} cycles"
        return f"{self.depth}-induction"


class Opened:
    """A component with a view of its registers and memories.

    An induction's step begins in an arbitrary state; what is known about states that can be
    reached has to be said about registers inside.
    """

    def __init__(self, component: Elaboratable) -> None:
        self.fragment = Fragment.get(component, None)

    def part(self, path: str) -> Fragment:
        """Return a submodule by its names, joined by dots; the component itself for ``""``."""
        here = self.fragment
        for name in path.split(".") if path else []:
            [here] = [part for part, part_name, _ in here.subfragments if part_name == name]
        return here

    def signals(self, path: str, named: Callable[[str], bool]) -> list[Signal]:
        """Return the signals that a submodule drives, of which the name passes a test."""
        found = {
            id(signal): signal
            for statements in self.part(path).statements.values()
            for statement in statements
            for signal in statement._lhs_signals()
            if named(signal.name)
        }
        return list(found.values())

    def __getitem__(self, path: str) -> Signal:
        """Return the signal that a submodule drives under this name (``"part.name"``)."""
        part, _, name = path.rpartition(".")
        signals = self.signals(part, lambda known: known == name)
        if len(signals) != 1:
            raise KeyError(f"{len(signals)} signals are named {path!r}")
        return signals[0]

    def _memory(self, path: str) -> MemoryInstance:
        here = self.part(path)
        if isinstance(here, MemoryInstance):
            return here
        [memory] = [part for part, _, _ in here.subfragments if isinstance(part, MemoryInstance)]
        return memory

    def write_port(self, path: str) -> tuple[Value, Value, Value]:
        """Return a memory's write enable, address and data."""
        [port] = self._memory(path)._write_ports
        return port._en, port._addr, port._data

    def word(self, path: str, address: Value) -> Signal:
        """Return what a memory holds at an address, without a cycle's delay.

        In a proof memories begin with any contents, because a solver is slow with hundreds of
        words. Where zero matters, the harness assumes it of the word in the first cycle; here
        it is made sure of that the real memory begins so.
        """
        instance = self._memory(path)
        if any(
            Value.cast(Const(0) if word is None else word).value for word in instance._data.init
        ):
            raise ValueError(f"{path} does not begin with zeros")
        word = Signal(Value.cast(instance._read_ports[0]._data).shape(), name="word")
        instance.read_port(
            domain="comb", addr=address, data=word, en=Const(1, 1), transparent_for=()
        )
        return word


class Harness(Elaboratable):
    """A module with one clock and no reset, like the product; flip-flops begin as configured."""

    def __init__(self) -> None:
        self.m = Module()
        #: Names of the components.
        self.parts: list[str] = []
        #: Whether their registers begin with any value (`Proof.from_any_state`).
        self.any_state = False
        self.m.domains.sync = self.domain = ClockDomain("sync", reset_less=True)
        #: There was a cycle before this one (in an induction: one that is looked at).
        self.past = Signal()
        self.m.d.sync += self.past.eq(1)

    def elaborate(self, platform: Any) -> Module:
        return self.m

    def add(self, name: str, component: Elaboratable) -> Opened:
        """Add a component under a name, and return the view of its inside."""
        opened = Opened(component)
        self.m.submodules[name] = opened.fragment
        self.parts.append(name)
        return opened

    def free(self, target: Any) -> None:
        """Let the solver choose a value anew in every cycle."""
        value = Value.cast(target)
        self.m.d.comb += value.eq(AnySeq(value.shape()))

    def free_inputs(self, component: wiring.Component, *but: str) -> None:
        """Let the solver choose all inputs of a component, but those named."""
        for path, member, value in component.signature.flatten(component):
            if member.flow == wiring.In and str(path[0]) not in but:
                self.free(value)

    def rigid(self, shape: Any, name: str) -> Signal:
        """Return a value that the solver chooses once."""
        signal = Signal(shape, name=name)
        self.m.d.comb += signal.eq(AnyConst(Value.cast(signal).shape()))
        return signal

    def before(self, value: Any, cycles: int = 1) -> Value:
        """Return the value of some cycles ago, zero at the beginning."""
        value = Value.cast(value)
        for _ in range(cycles):
            late = Signal(value.shape(), name="before")
            self.m.d.sync += late.eq(value)
            value = late
        return value

    def assume(self, condition: Any) -> None:
        self.m.d.comb += Assume(condition, src_loc_at=1)

    def claim(self, condition: Any, message: str, src_loc_at: int = 0) -> None:
        self.m.d.comb += Assert(condition, message, src_loc_at=1 + src_loc_at)

    def see(self, condition: Any, message: str) -> None:
        """Say that this can happen: a proof about nothing would not count."""
        self.m.d.comb += Cover(condition, message, src_loc_at=1)


def implies(condition: Any, consequence: Any) -> Value:
    """Return whether the consequence holds where the condition does."""
    return ~Value.cast(condition).bool() | Value.cast(consequence).bool()
