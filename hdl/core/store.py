"""The weight store: header, records, parameters and weights in one memory."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import SPRAM_BITS, SPRAM_WORDS, EngineParameters
from hdl.core.signatures import STORE_ADDRESS_BITS


def store_signature(word_bits: int) -> wiring.Signature:
    """Return the store's port as its owner sees it.

    `read_data` belongs to the `read_address` of the cycle before. `write` stores
    `write_data`; a cycle that writes reads nothing.
    """
    return wiring.Signature(
        {
            "read_address": Out(STORE_ADDRESS_BITS),
            "read_data": In(word_bits),
            "write_address": Out(STORE_ADDRESS_BITS),
            "write_data": Out(word_bits),
            "write": Out(1),
        }
    )


class BlockRAMStore(wiring.Component):
    """The store in block RAM; it can hold a network at power-up.

    Latency 1, one read and one write a cycle; reading the word that is written in the same
    cycle is not allowed (loads happen while the engine is idle).
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__({"port": In(store_signature(parameters.word_bits))})

    def elaborate(self, platform):
        m = Module()
        image = self.parameters.image
        m.submodules.memory = memory = Memory(
            shape=unsigned(self.parameters.word_bits),
            depth=self.parameters.store_words,
            init=image.words if image is not None else [],
        )
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        m.d.comb += [
            read.addr.eq(self.port.read_address),
            self.port.read_data.eq(read.data),
            write.addr.eq(self.port.write_address),
            write.data.eq(self.port.write_data),
            write.en.eq(self.port.write),
        ]
        return m


class SinglePortStore(wiring.Component):
    """The store in the iCE40UP5K's single-port RAM: large, empty at power-up.

    Latency 1, one read or one write a cycle. A word is spread over ceil(2 P / 16) primitives;
    beyond 16384 words there are several banks, chosen by the address's high bits.
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__({"port": In(store_signature(parameters.word_bits))})

    def elaborate(self, platform):
        m = Module()
        banks = self.parameters.store_words // SPRAM_WORDS
        columns = -(-self.parameters.word_bits // SPRAM_BITS)
        padded = Signal(columns * SPRAM_BITS)
        address = Signal(STORE_ADDRESS_BITS)
        m.d.comb += [
            padded.eq(self.port.write_data),
            address.eq(Mux(self.port.write, self.port.write_address, self.port.read_address)),
        ]
        bank_bits = SPRAM_WORDS.bit_length() - 1
        read_bank = Signal(STORE_ADDRESS_BITS - bank_bits)
        m.d.sync += read_bank.eq(address[bank_bits:])
        with m.Switch(read_bank):
            for bank in range(banks):
                words = []
                for column in range(columns):
                    word = Signal(SPRAM_BITS, name=f"word_{bank}_{column}")
                    words.append(word)
                    m.submodules[f"bank{bank}_{column}"] = Instance(
                        "SB_SPRAM256KA",
                        i_ADDRESS=address[:bank_bits],
                        i_DATAIN=padded.word_select(column, SPRAM_BITS),
                        i_MASKWREN=Const(0b1111, 4),
                        i_WREN=self.port.write & (address[bank_bits:] == bank),
                        i_CHIPSELECT=Const(1),
                        i_CLOCK=ClockSignal(),
                        i_STANDBY=Const(0),
                        i_SLEEP=Const(0),
                        i_POWEROFF=Const(1),  # active low: 1 means on
                        o_DATAOUT=word,
                    )
                with m.Case(bank) if bank + 1 < banks else m.Default():
                    m.d.comb += self.port.read_data.eq(Cat(*words))
        return m
