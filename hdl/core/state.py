"""The state memory: h of every unit of every layer."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import STATE_ADDRESS_BITS

STATE_WORDS = 1 << STATE_ADDRESS_BITS


class StateMemory(wiring.Component):
    """One byte for each unit, the layers one after the other.

    Latency 1; one read and one write a cycle. **Assumption**: the address read is never the
    one written in the same cycle (the gate pass writes a unit long after reading it).

    Members
    -------
    address : In(8)
    hold : In(1)
        Keep the last value read.
    data : Out(signed(8))
        One cycle after `address`; zero whatever the memory holds while `fresh`.
    fresh : In(1)
        Reset since: every state is zero.
    write : In(1)
    write_address : In(8)
    write_data : In(signed(8))
    """

    address: In(STATE_ADDRESS_BITS)
    hold: In(1)
    data: Out(signed(8))
    fresh: In(1)
    write: In(1)
    write_address: In(STATE_ADDRESS_BITS)
    write_data: In(signed(8))

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=unsigned(8), depth=STATE_WORDS, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        value = Signal(signed(8))
        m.d.comb += [
            read.addr.eq(self.address),
            read.en.eq(~self.hold),
            value.eq(read.data.as_signed()),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write),
        ]
        with m.If(~self.fresh):
            m.d.comb += self.data.eq(value)
        return m
