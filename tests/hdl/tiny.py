"""A system small enough to build in seconds: an echo, a counter and a block RAM."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Tiny(wiring.Component):
    """Send back what is received; blink through a memory, so that a block RAM is used.

    Parameters
    ----------
    multiply : bool
        Also multiply, which every build must refuse.
    chain : int
        Additions in one cycle, to miss a clock with.
    """

    def __init__(self, multiply: bool = False, chain: int = 0):
        self.multiply = multiply
        self.chain = chain
        super().__init__({"rx": In(1), "tx": Out(1), "led": Out(1), "reset": In(1)})

    def elaborate(self, platform):
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1)
        m.d.sync += self.tx.eq(rx)

        count = Signal(8)
        m.d.sync += count.eq(count + rx)
        m.submodules.memory = memory = Memory(
            shape=unsigned(16), depth=256, init=[i * 257 & 0xFFFF for i in range(256)]
        )
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        m.d.comb += [
            read.addr.eq(count),
            write.addr.eq(~count),
            write.data.eq(read.data + 1),
            write.en.eq(rx),
        ]
        value = read.data
        if self.multiply:
            value = (read.data[:8] * read.data[8:])[:16]
        for _ in range(self.chain):
            value = ((value + count)[:16] ^ read.data) + 1
        m.d.sync += self.led.eq(value[:16].xor())
        return m
