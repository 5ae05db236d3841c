"""The weight store: 64 bits a cycle, from four single-port RAMs side by side."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import SPRAM_BITS, SPRAM_WORDS
from hdl.core.store import single_port_ram

#: Single-port RAMs side by side, each with the weights of two lanes.
COLUMNS = 4
ADDRESS_BITS = SPRAM_WORDS.bit_length() - 1


class WeightStore(wiring.Component):
    """Words of eight weights.

    Latency 1; one read or one write a cycle. It is empty at power-up.

    Parameters
    ----------
    words : int
        Words that are used; matters for the model only.
    model : bool
        Model the RAMs, for Amaranth's simulator, which ignores instances.

    Members
    -------
    address : In(14)
        Word to read.
    weights : Out(64)
        The word, a cycle later.
    write : In(1)
        Write instead, 16 bits.
    write_address : In(16)
        Two bits for the RAM (lanes 2n and 2n + 1), the word above.
    write_data : In(16)
    """

    def __init__(self, words: int, model: bool) -> None:
        if words > SPRAM_WORDS:
            raise ValueError(f"'words' must be at most {SPRAM_WORDS}, not {words}")
        self._words = words
        self._model = model
        super().__init__(
            {
                "address": In(ADDRESS_BITS),
                "weights": Out(COLUMNS * SPRAM_BITS),
                "write": In(1),
                "write_address": In(ADDRESS_BITS + 2),
                "write_data": In(SPRAM_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        address = Signal(ADDRESS_BITS)
        m.d.comb += address.eq(Mux(self.write, self.write_address[2:], self.address))
        words = []
        for column in range(COLUMNS):
            word = Signal(SPRAM_BITS, name=f"word_{column}")
            words.append(word)
            write = Signal(name=f"write_{column}")
            m.d.comb += write.eq(self.write & (self.write_address[:2] == column))
            if self._model:
                m.submodules[f"column_{column}"] = memory = Memory(
                    shape=unsigned(SPRAM_BITS), depth=self._words, init=[]
                )
                read_port, write_port = memory.read_port(transparent_for=()), memory.write_port()
                m.d.comb += [
                    read_port.addr.eq(address),
                    word.eq(read_port.data),
                    write_port.addr.eq(address),
                    write_port.data.eq(self.write_data),
                    write_port.en.eq(write),
                ]
                continue
            m.submodules[f"column_{column}"] = single_port_ram(
                address, self.write_data, write, word
            )
        m.d.comb += self.weights.eq(Cat(*words))
        return m
