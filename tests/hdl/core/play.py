"""Plays a script on an engine in Amaranth's own simulator."""

from amaranth.hdl import Value
from amaranth.sim import Simulator

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from sim.engine_player import EnginePlayer
from sim.engine_script import EngineScript
from tests.cases import Case


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
        form = script.word_format
        engine = Engine(
            EngineParameters(
                lanes=script.lanes,
                store_words=max(words, 16),
                events=form.events,
                packed=form.packed,
            )
        )
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


class Bench:
    """An engine that plays one script after the other, each from power-up.

    Much quicker than `play`, which elaborates an engine for every script.
    """

    def __init__(self, lanes: int, store_words: int = 2048) -> None:
        engine = Engine(EngineParameters(lanes=lanes, store_words=store_words))
        self._operations: list = []
        self._used = False
        self._simulator = Simulator(engine)
        self._simulator.add_clock(1e-6)

        async def bench(ctx):
            await EnginePlayer(AmaranthPorts(ctx, engine)).play(self._operations)

        self._simulator.add_testbench(bench)

    def play(self, operations) -> None:
        """Play the operations of a script."""
        self._operations = operations
        if self._used:
            self._simulator.reset()
        self._used = True
        self._simulator.run()


def script_of(case: Case) -> EngineScript:
    """Return all that a case does: its sequences, each after a reset, and a restored state."""
    script = EngineScript(case.lanes)
    script.load(case.network())
    sequences = case.inputs()
    for x in sequences:
        script.sequence(x)
    script.restore(script.state)
    script.sequence(sequences[-1][:1], reset=False)
    return script


def play_case(case: Case) -> None:
    """Play a case on the engine."""
    play(script_of(case))
