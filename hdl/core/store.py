"""The weight store: header, records, parameters and weights in one memory of two halves."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import SPRAM_BITS, EngineParameters
from hdl.core.signatures import STORE_ADDRESS_BITS


def store_signature(parameters: EngineParameters) -> wiring.Signature:
    """Return the store's port as its owner sees it.

    Each half of a word, even sources' weights and odd sources', has a read address. Of one event a
    cycle, words are undivided, and `even_address` is the only one. `read_data` belongs to the read
    addresses of the cycle before. `write` stores `write_data`; a cycle that writes reads nothing.
    """
    return wiring.Signature(
        {
            **{name: Out(STORE_ADDRESS_BITS) for name in _read_addresses(parameters)},
            "read_data": In(parameters.word_bits),
            "write_address": Out(STORE_ADDRESS_BITS),
            "write_data": Out(parameters.word_bits),
            "write": Out(1),
        }
    )


def _read_addresses(parameters: EngineParameters) -> tuple[str, ...]:
    """Return the names of the read addresses, one for each part of a word."""
    return ("even_address", "odd_address")[: parameters.events]


class BlockRAMStore(wiring.Component):
    """The store in block RAM; it can hold a network at power-up.

    Latency 1, one read and one write a cycle; reading the word that is written in the same
    cycle is not allowed (loads happen while the engine is idle).
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__({"port": In(store_signature(parameters))})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        image = self.parameters.image
        bits = self.parameters.word_format.part_bits(self.parameters.lanes)
        for half, name in enumerate(_read_addresses(self.parameters)):
            address = getattr(port, name)
            words = [
                word >> half * bits & (1 << bits) - 1 for word in (image.words if image else ())
            ]
            memory = Memory(shape=unsigned(bits), depth=self.parameters.store_words, init=words)
            m.submodules[("even", "odd")[half]] = memory
            read = memory.read_port(transparent_for=())
            write = memory.write_port()
            m.d.comb += [
                read.addr.eq(address),
                port.read_data.word_select(half, bits).eq(read.data),
                write.addr.eq(port.write_address),
                write.data.eq(port.write_data.word_select(half, bits)),
                write.en.eq(port.write),
            ]
        return m


def single_port_ram(address: Value, write_data: Value, write: Value, read_data: Value) -> Instance:
    """Return the iCE40UP5K's primitive: 16384 words of 16 bits, one read or write a cycle."""
    return Instance(
        "SB_SPRAM256KA",
        i_ADDRESS=address,
        i_DATAIN=write_data,
        i_MASKWREN=Const(0b1111, 4),
        i_WREN=write,
        i_CHIPSELECT=Const(1),
        i_CLOCK=ClockSignal(),
        i_STANDBY=Const(0),
        i_SLEEP=Const(0),
        i_POWEROFF=Const(1),  # active low: 1 means on
        o_DATAOUT=read_data,
    )


class SinglePortStore(wiring.Component):
    """The store in the iCE40UP5K's single-port RAM: large, empty at power-up.

    Latency 1, one read or one write a cycle. Half a word (all of an undivided one) is spread over
    primitives of 16 bits side by side.
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__({"port": In(store_signature(parameters))})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        bits = self.parameters.word_format.part_bits(self.parameters.lanes)
        columns = -(-bits // SPRAM_BITS)
        for half, name in enumerate(_read_addresses(self.parameters)):
            read_address = getattr(port, name)
            address = Signal(STORE_ADDRESS_BITS, name=f"address_{half}")
            padded = Signal(columns * SPRAM_BITS, name=f"padded_{half}")
            m.d.comb += [
                padded.eq(port.write_data.word_select(half, bits)),
                address.eq(Mux(port.write, port.write_address, read_address)),
            ]
            words = []
            for column in range(columns):
                word = Signal(SPRAM_BITS, name=f"word_{half}_{column}")
                words.append(word)
                m.submodules[f"half{half}_{column}"] = single_port_ram(
                    address[:14], padded.word_select(column, SPRAM_BITS), port.write, word
                )
            m.d.comb += port.read_data.word_select(half, bits).eq(Cat(*words))
        return m
