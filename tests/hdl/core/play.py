"""Plays a script on an engine in Amaranth's own simulator."""

from amaranth.hdl import Value
from amaranth.sim import Simulator

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from sim.engine_player import EnginePlayer
from sim.engine_script import EngineScript


class AmaranthPorts:
    """See `sim.engine_player.Ports`."""

    def __init__(self, ctx, engine):
        self.ctx = ctx
        self.signals = {
            "__".join(str(part) for part in path): Value.cast(value)
            for path, _, value in engine.signature.flatten(engine)
        }

    def put(self, name, value):
        self.ctx.set(self.signals[name], value)

    def look(self, name):
        return self.ctx.get(self.signals[name])

    async def tick(self, cycles=1):
        for _ in range(cycles):
            await self.ctx.tick()

    async def until(self, name, value, patience):
        for _ in range(patience):
            if self.look(name) == value:
                return True
            await self.ctx.tick()
        return False


def play(script: EngineScript, engine: Engine | None = None, disturb=None) -> None:
    """Play a script on an engine with its store in block RAM.

    `disturb(ports)`, if given, runs beside it until the script is done.
    """
    if engine is None:
        words = max(len(op["words"]) for op in script.operations if op["do"] == "load")
        engine = Engine(EngineParameters(lanes=script.lanes, store_words=max(words, 16)))
    simulator = Simulator(engine)
    simulator.add_clock(1e-6)

    async def bench(ctx):
        await EnginePlayer(AmaranthPorts(ctx, engine)).play(script.operations)

    simulator.add_testbench(bench)
    if disturb is not None:

        async def beside(ctx):
            await disturb(AmaranthPorts(ctx, engine))

        simulator.add_testbench(beside, background=True)
    simulator.run()
