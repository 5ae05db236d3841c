"""A stand-in for the engine, behind the link's port: memories, counters, and a busy signal.

It does what `hdl.link.signatures.engine_signature` says and computes something that is easy to
predict: after a step, score c is the sum of the inputs of all steps so far plus c.
"""

import random
import zlib
from typing import Any

from hdl.core.readout import COUNTERS
from hdl.core.signatures import STATE_ADDRESS_BITS, Mode, Operation

STATES = 1 << STATE_ADDRESS_BITS
HALVES = 256


class EngineModel:
    """Processes for the port `engine` of a command unit or a link.

    Attributes
    ----------
    log : list
        What was asked of the engine, in order: ``("STEP", due, inputs)``, ``("RESET",)``,
        ``("soft_reset",)`` and so on.
    """

    def __init__(
        self, port: Any, inputs: int = 4, outputs: int = 3, mode: Mode = Mode.LAST, seed: int = 0
    ) -> None:
        self.port = port
        self.inputs, self.outputs, self.mode = inputs, outputs, mode
        self.rng = random.Random(seed)
        self.valid = True
        self.acceptable = True  # what CONFIGURE finds
        self.image_words = 5
        self.store: dict[int, int] = {}
        self.states = [0] * STATES
        self.halves = [0] * HALVES
        self.log: list[tuple[Any, ...]] = []
        self.updates = 0  # how often the counters were asked to be up to date
        self.total = 0
        self.busy = False
        self.word_bytes = len(port.store_write_data) // 8
        self.worst_bubble = 0

    @property
    def processes(self) -> list[Any]:
        return [self.run, self.memories]

    def crc(self) -> int:
        words = (self.store.get(n, 0) for n in range(self.image_words))
        return zlib.crc32(b"".join(w.to_bytes(self.word_bytes, "little") for w in words))

    def counter(self, number: int) -> int:
        """Return one of the 64-bit counters in the score memory."""
        first = COUNTERS + 4 * number
        return sum(self.halves[first + n] << 16 * n for n in range(4))

    def _add(self, number: int, amount: int) -> None:
        value = self.counter(number) + amount
        for n in range(4):
            self.halves[COUNTERS + 4 * number + n] = value >> 16 * n & 0xFFFF

    def _report(self, ctx: Any) -> None:
        port = self.port
        ctx.set(port.network_valid, self.valid)
        ctx.set(port.inputs_count, self.inputs)
        ctx.set(port.outputs_count, self.outputs)
        ctx.set(port.mode, self.mode)
        ctx.set(port.image_words, self.image_words)

    async def memories(self, ctx: Any) -> None:
        port = self.port
        while True:
            *_, state_address, state_write, state_data, score_address, score_write, score_data = (
                await ctx.tick().sample(
                    port.state_address, port.state_write, port.state_write_data,
                    port.score_address, port.score_write, port.score_write_data,
                )
            )  # fmt: skip
            store_address, store_write, store_data, invalidate = (
                ctx.get(port.store_address), ctx.get(port.store_write),
                ctx.get(port.store_write_data), ctx.get(port.invalidate),
            )  # fmt: skip
            if self.busy:
                assert not (state_write or score_write), "memory written while the engine works"
            ctx.set(port.state_data, self.states[state_address])
            ctx.set(port.score_data, self.halves[score_address])
            if state_write:
                self.states[state_address] = state_data
            if score_write:
                self.halves[score_address] = score_data
            if store_write:
                assert not self.busy
                self.store[store_address] = store_data
            if invalidate:
                self.valid = False
                ctx.set(port.network_valid, 0)

    async def run(self, ctx: Any) -> None:
        port = self.port
        self._report(ctx)
        while True:
            ctx.set(port.command.ready, 1)
            valid = False
            while not valid:
                *_, valid, command, soft_reset = await ctx.tick().sample(
                    port.command.valid, port.command.payload, port.soft_reset
                )
                if soft_reset:
                    self.log.append(("soft_reset",))
            ctx.set(port.command.ready, 0)
            ctx.set(port.busy, 1)
            self.busy = True
            await self._carry_out(ctx, Operation(command.op), command.due)
            self.busy = False
            self._report(ctx)
            ctx.set(port.busy, 0)

    async def _carry_out(self, ctx: Any, operation: Operation, due: int) -> None:
        port = self.port
        if operation not in (Operation.CHECK, Operation.TALLY):
            assert ctx.get(port.state_address) == 0, "the engine ORs its own address"
        if operation == Operation.STEP:
            inputs = await self._take(ctx)
            self.total += sum(inputs)
            for output in range(self.outputs):
                self.halves[2 * output] = (self.total + output) & 0xFFFF
                self.halves[2 * output + 1] = (self.total + output) >> 16 & 0xFFFF
            ctx.set(port.label, self.total % self.outputs)
            self._add(0, 100 + len(self.log))
            self._add(1, len(inputs))
            self.log.append(("STEP", due, inputs))
        elif operation == Operation.CHECK:
            ctx.set(port.crc32, self.crc())
            self.log.append(("CHECK",))
        elif operation == Operation.TALLY:
            self.updates += 1
        else:
            if operation == Operation.CONFIGURE:
                self.valid = self.acceptable
            self.total = 0
            self._add(0, 10)
            self.log.append((operation.name,))
        for _ in range(self.rng.randrange(6)):
            await ctx.tick()

    async def _take(self, ctx: Any) -> list[int]:
        """Take a step's inputs, sometimes with pauses; none may come late."""
        port = self.port
        inputs: list[int] = []
        waited = 0
        while len(inputs) < self.inputs:
            ready = self.rng.random() < 0.7
            ctx.set(port.inputs.ready, ready)
            *_, valid, value = await ctx.tick().sample(port.inputs.valid, port.inputs.payload)
            if ready and valid:
                inputs.append(value)
            if ready and not valid:
                waited += 1
        ctx.set(port.inputs.ready, 0)
        self.worst_bubble = max(self.worst_bubble, waited)
        return inputs
