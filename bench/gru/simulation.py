"""The core in Amaranth's own simulator, with models of the device's primitives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Value
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from bench.gru.core import GRUCore
from bench.gru.image import loads
from bench.gru.model import Integers, Network

__all__ = ["Record", "Trace", "ports", "simulate"]

Record = list[tuple[int, ...]]

#: Cycles after which a step is taken to hang.
_PATIENCE = 100_000


@dataclass
class Trace:
    """What a core answered.

    Attributes
    ----------
    states : int64 [T, H]
        h after each step.
    logits : list
        By step: int64 [C], or None where the readout was not due.
    cycles : list of int
        By step: from `start` to the first cycle in which the next step may start.
    """

    states: Integers
    logits: list[Integers | None]
    cycles: list[int]


def ports(core: GRUCore) -> list[tuple[bool, Any]]:
    """Return the core's signals, each with whether it is an input."""
    members = core.signature.flatten(core)
    return [(member.flow is In, Value.cast(value)) for _, member, value in members]


def simulate(
    network: Network,
    sequences: Sequence[Integers],
    due: Sequence[bool],
    dsp: bool,
    record: Record | None = None,
) -> Trace:
    """Load a network and run sequences one after the other.

    Parameters
    ----------
    network : Network
    sequences : sequence of int64 [T, I]
        Each begins with h = 0. The next step's x is sent while a step runs.
    due : sequence of bool
        By step of all sequences: whether the readout is wanted.
    dsp : bool
        See `GRUCore`.
    record : list, optional
        Gets the values of `ports` in each cycle, before its clock edge.
    """
    size = network.sizes
    core = GRUCore(size, dsp=dsp, model=True)
    steps = np.concatenate(sequences)
    firsts = set(np.cumsum([0, *(len(x) for x in sequences)]))
    if len(due) != len(steps):
        raise ValueError(f"'due' must have {len(steps)} entries, one a step, not {len(due)}")
    states, logits, cycles = [], [], []

    async def feed(context: Any) -> None:
        context.set(core.x.valid, 1)
        for value in steps.reshape(-1):
            context.set(core.x.payload, int(value))
            await context.tick().until(core.x.ready)
        context.set(core.x.valid, 0)

    async def read(context: Any, port: Any, count: int) -> Integers:
        values = []
        for address in range(count):
            context.set(core.address, address)
            await context.tick()
            values.append(context.get(port))
        return np.array(values, np.int64)

    async def drive(context: Any) -> None:
        context.set(core.load, 1)
        for region, address, value in loads(network):
            context.set(core.load_region, region)
            context.set(core.load_address, address)
            context.set(core.load_data, value)
            await context.tick()
        context.set(core.load, 0)
        for step, wanted in enumerate(due):
            # x of the first step; that of the others has come long before.
            await context.tick().repeat(size.inputs + 1)
            context.set(core.start, 1)
            context.set(core.first, step in firsts)
            context.set(core.due, wanted)
            await context.tick()
            context.set(core.start, 0)
            count = 1
            while context.get(core.busy):
                await context.tick()
                count += 1
                if count > _PATIENCE:
                    raise RuntimeError(f"step {step} is not done after {count} cycles")
            cycles.append(count)
            states.append(await read(context, core.state, size.hidden))
            logits.append(await read(context, core.logit, size.outputs) if wanted else None)

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(feed, background=True)
    if record is not None:
        simulator.add_process(_listener(core, record))
    simulator.run()
    return Trace(np.stack(states), logits, cycles)


def _listener(core: GRUCore, record: Record) -> Any:
    async def listen(context: Any) -> None:
        signals = [signal for _, signal in ports(core)]
        async for _, _, *values in context.tick().sample(*signals):
            record.append(tuple(values))

    return listen
