"""Plays a script (`sim.engine_script`) on an engine, whatever simulates it.

Inputs change, and outputs are looked at, between two rising edges of the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from hdl.core.readout import COUNTER_WORDS, COUNTERS
from hdl.core.signatures import Mode, Operation
from hdl.core.tally import PLACES
from sim.coverage.outcomes import counters_seen, scores_seen

#: Cycles after which a command is said to hang.
PATIENCE = 200_000


class Ports(Protocol):
    """An engine in some simulator; members of its signature are named `stream__valid`."""

    def put(self, name: str, value: int) -> None:
        """Set an input."""

    def look(self, name: str) -> int:
        """Return an output."""

    async def tick(self, cycles: int = 1) -> None:
        """Let clock cycles pass."""

    async def until(self, name: str, value: int, patience: int) -> bool:
        """Wait until an output has a value, for no cycle if it has; False if it never had."""


class EnginePlayer:
    """Plays scripts; `AssertionError` names the operation and what differed.

    `hits` counts the bins of `sim.coverage` that show in the engine's answers.
    """

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.hits: Counter[str] = Counter()
        self._counted: dict[str, int] = {}

    async def play(self, operations: Sequence[dict[str, Any]]) -> None:
        """Play all operations, and compare what each says."""
        await self._idle()
        self._counted = await self._counters()
        for index, operation in enumerate(operations):
            do = operation["do"]
            name = f"operation {index} ({do})"
            await getattr(self, f"_{do}")(operation, name)
            await self._compare(operation, name)

    # -- operations

    async def _load(self, operation: dict[str, Any], name: str) -> None:
        ports = self.ports
        ports.put("invalidate", 1)
        await ports.tick()
        ports.put("invalidate", 0)
        self._same(name, "network_valid", ports.look("network_valid"), 0)
        ports.put("store_write", 1)
        for address, word in enumerate(operation["words"]):
            ports.put("store_address", address)
            ports.put("store_write_data", word)
            await ports.tick()
        ports.put("store_write", 0)
        if operation["crc32"] is not None:
            await self._command(Operation.CHECK)
            await self._idle(80 * len(operation["words"]))
            self._same(name, "crc32", ports.look("crc32"), operation["crc32"])
            self._same(name, "network_valid", ports.look("network_valid"), 0)
        await self._command(Operation.CONFIGURE)
        await self._idle()
        for field, expected in operation["header"].items():
            self._same(name, field, ports.look(field), expected)

    async def _step(self, operation: dict[str, Any], name: str) -> None:
        ports = self.ports
        await ports.tick(operation["pause"])
        await self._command(Operation.STEP, operation["due"])
        for value, gap in zip(operation["x"], operation["gaps"], strict=True):
            if gap:
                ports.put("inputs__valid", 0)
                await ports.tick(gap)
            ports.put("inputs__payload", value & 0xFF)
            ports.put("inputs__valid", 1)
            assert await ports.until("inputs__ready", 1, PATIENCE), f"{name}: input not taken"
            await ports.tick()
        ports.put("inputs__valid", 0)
        await self._idle()

    async def _burst(self, operation: dict[str, Any], name: str) -> None:
        """Commands and bytes are always there; nothing is looked at in between."""
        ports = self.ports
        commands = list(operation["commands"])
        left = [value & 0xFF for value in operation["x"]]
        for _ in range(PATIENCE):
            ports.put("command__valid", bool(commands))
            ports.put("inputs__valid", bool(left))
            if commands:
                due = bool(commands[0]["due"])
                command = getattr(Operation, commands[0]["do"].upper())
                ports.put("command__payload", command.value | due << 3)
            if left:
                ports.put("inputs__payload", left[0])
            taken = commands and ports.look("command__ready")
            byte = left and ports.look("inputs__ready")
            await ports.tick()
            if taken:
                commands.pop(0)
            if byte:
                left.pop(0)
            if not commands and not left:
                break
        else:
            raise AssertionError(f"{name}: {len(commands)} commands, {len(left)} bytes not taken")
        ports.put("command__valid", 0)
        ports.put("inputs__valid", 0)
        await self._idle()

    async def _reset(self, operation: dict[str, Any], name: str) -> None:
        await self.ports.tick(operation["pause"])
        await self._command(Operation.RESET)
        await self._idle()

    async def _replay(self, operation: dict[str, Any], name: str) -> None:
        await self.ports.tick(operation["pause"])
        await self._command(Operation.REPLAY)
        await self._idle()

    async def _write_state(self, operation: dict[str, Any], name: str) -> None:
        await self._write("state", [value & 0xFF for value in operation["values"]])

    async def _write_scores(self, operation: dict[str, Any], name: str) -> None:
        halves = [
            half for value in operation["values"] for half in (value & 0xFFFF, value >> 16 & 0xFFFF)
        ]
        await self._write("score", halves)

    async def _abandon(self, operation: dict[str, Any], name: str) -> None:
        ports = self.ports
        await self._command(getattr(Operation, operation["command"].upper()), due=True)
        left = list(operation["x"])
        for _ in range(operation["after"]):
            if left:
                ports.put("inputs__payload", left[0] & 0xFF)
                ports.put("inputs__valid", 1)
                if ports.look("inputs__ready"):
                    left.pop(0)
            else:
                ports.put("inputs__valid", 0)
            await ports.tick()
        ports.put("inputs__valid", 0)
        ports.put("soft_reset", 1)
        await ports.tick()
        ports.put("soft_reset", 0)
        await self._idle()
        # What the abandoned step has cost nobody knows.
        self._counted = await self._counters()

    # -- parts of them

    async def _command(self, operation: Any, due: bool = False) -> None:
        ports = self.ports
        ports.put("command__payload", operation.value | due << 3)
        ports.put("command__valid", 1)
        assert await ports.until("command__ready", 1, PATIENCE), "a command is not taken"
        await ports.tick()
        ports.put("command__valid", 0)

    async def _idle(self, patience: int = PATIENCE) -> None:
        await self.ports.tick()
        assert await self.ports.until("busy", 0, patience), f"busy after {patience} cycles"

    async def _write(self, memory: str, values: Sequence[int]) -> None:
        ports = self.ports
        ports.put(f"{memory}_write", 1)
        for address, value in enumerate(values):
            ports.put(f"{memory}_address", address)
            ports.put(f"{memory}_write_data", value)
            await ports.tick()
        ports.put(f"{memory}_write", 0)
        ports.put(f"{memory}_address", 0)

    async def _read(self, memory: str, addresses: range, bits: int) -> list[int]:
        """Return signed values of a memory."""
        ports = self.ports
        values = []
        for address in addresses:
            ports.put(f"{memory}_address", address)
            await ports.tick()
            value = ports.look(f"{memory}_data")
            values.append(value - (value >> (bits - 1) << bits))
        ports.put(f"{memory}_address", 0)
        return values

    async def _counters(self) -> dict[str, int]:
        """Return the engine's counters by name, 64 bits each."""
        await self._command(Operation.TALLY)
        await self._idle()
        addresses = range(COUNTERS, COUNTERS + 4 * COUNTER_WORDS)
        halves = [half & 0xFFFF for half in await self._read("score", addresses, 16)]
        return {
            name: sum(half << 16 * n for n, half in enumerate(halves[4 * place : 4 * place + 4]))
            for name, place in PLACES.items()
        }

    async def _scores(self, count: int) -> list[int]:
        halves = await self._read("score", range(2 * count), 16)
        return [
            (low & 0xFFFF) + (high << 16)
            for low, high in zip(halves[0::2], halves[1::2], strict=True)
        ]

    async def _compare(self, operation: dict[str, Any], name: str) -> None:
        if "cycles" in operation:
            before, self._counted = self._counted, await self._counters()
            counters_seen(self.hits, before, self._counted)
            grown = {what: count - before[what] for what, count in self._counted.items()}
            cycles = grown["cycles"]
            self._same(name, "events", grown["events"], operation["events"])
            # Bytes that come late may cost some of the cycles in between, as the pipeline runs
            # empty, or a walk of their own, or save that of an event that waits for them; without
            # them the number is exact.
            late, early = operation.get("late", 0), operation.get("early", 0)
            least, most = operation["cycles"] - early, operation["cycles"] + late
            if not least <= cycles <= most:
                self._same(name, "busy cycles", cycles, f"{least} to {most}")
            self._same(name, "reading cycles", grown["reading"], operation["reading"])
            if not late:
                self._same(name, "adding cycles", grown["adding"], operation["adding"])
                self._same(name, "starved cycles", grown["starved"] > 0, False)
        if operation.get("state") is not None:
            state = await self._read("state", range(len(operation["state"])), 8)
            self._same(name, "state", state, operation["state"])
        if operation.get("scores") is not None:
            scores = await self._scores(len(operation["scores"]))
            self._same(name, "scores", scores, operation["scores"])
        if "label" in operation:
            label = self.ports.look("label")
            self._same(name, "label", label, operation["label"])
            mode = Mode(self.ports.look("mode")).name.lower()
            scores_seen(self.hits, mode, operation["scores"], label)

    @staticmethod
    def _same(name: str, what: str, found: Any, expected: Any) -> None:
        assert found == expected, f"{name}: {what} is {found}, not {expected}"
