"""The reader: one pointer into the store, for records, parameters and the checksum."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.core.signatures import (
    STATE_ADDRESS_BITS,
    STORE_ADDRESS_BITS,
    THETA_BITS,
    EdgeConfig,
    Mode,
    PassConfig,
)
from models.image import (
    HEADER_WORDS,
    NEXT_IS_LAST,
    NOT_STORED,
    magic,
)

CRC_POLYNOMIAL = 0xEDB88320  # CRC-32, reflected, as in zlib.crc32

#: Low bits of the pointer that tell the header's words apart.
HEADER_BITS = (HEADER_WORDS - 1).bit_length()


class Header(data.Struct):
    """What holds for the whole network."""

    limit: 7  # M = 2^hb - 1
    layers: 2  # less one
    mode: Mode
    outputs: 8
    accumulators: 7  # words in use, less one
    inputs: 9


class Reader(wiring.Component):
    """Read records into registers, feed parameters to the pass, and compute the CRC-32.

    All of it lies in the store in the order of use, so one pointer that moves on serves all.

    A record marks its own end, so the reader need not know what it reads. Only the header ends
    at a fixed address, because it is read from a store that may hold anything.

    Latency: a record of n words takes n + 1 cycles after `start`, the last of them marked by
    `done`. The CRC takes ``8 * word_bytes + 2`` cycles a word, one bit a cycle, because a load
    is rare and logic is dear.

    Members
    -------
    start : In(1)
        Load the record at the pointer.
    home : In(1)
        With `start`: load the header.
    rewind : In(1)
        Move the pointer to the record of the inputs.
    jump : In(1)
        With `done` of a layer's record: move behind its parameters.
    advance : In(1)
        A parameter word is read in this cycle.
    check : In(1)
        Compute the CRC of the words from 0 to the header's image size.
    address : Out(16)
        Store address; zero while nothing is read.
    data : In(4 * P)
        Word read, one cycle after its address.
    done : Out(1)
        The record's last word arrives; its registers are valid from the next cycle on.
    checking : Out(1)
    crc : Out(32)
    header : Out(Header)
    header_ok : Out(1)
        The header read last begins with the right word (format and fraction bits).
    edge : Out(EdgeConfig)
        Edge of the inputs, or of a layer's events.
    layer_pass : Out(PassConfig)
        Pass of a layer, or of the readout.
    state_base : Out(8)
    minus_theta : Out(signed(9))
    image_words : Out(16)
        Words of the image, while the header is the last record read.
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__(
            {
                "start": In(1),
                "home": In(1),
                "rewind": In(1),
                "jump": In(1),
                "advance": In(1),
                "check": In(1),
                "address": Out(STORE_ADDRESS_BITS),
                "data": In(parameters.word_bits),
                "done": Out(1),
                "checking": Out(1),
                "crc": Out(32),
                "header": Out(Header),
                "header_ok": Out(1),
                "edge": Out(EdgeConfig),
                "layer_pass": Out(PassConfig),
                "state_base": Out(STATE_ADDRESS_BITS),
                "minus_theta": Out(signed(THETA_BITS)),
                "image_words": Out(16),
            }
        )

    def elaborate(self, platform):
        m = Module()
        pointer = Signal(STORE_ADDRESS_BITS, reset_less=True)
        loading = Signal()
        arriving = Signal()
        begun = Signal()
        is_header = Signal(reset_less=True)
        word = self.data[:16]
        next_is_last = Signal()
        not_stored = Signal()
        next_word = self._check(m, pointer)
        m.d.comb += [
            self.done.eq(arriving & ~loading),
            next_is_last.eq(
                (arriving & self.data[NEXT_IS_LAST])
                | (is_header & (pointer[:HEADER_BITS] == HEADER_WORDS - 1))
            ),
            not_stored.eq(self.data[NOT_STORED] & ~is_header),
        ]
        with m.If(loading | self.advance | self.checking):
            m.d.comb += self.address.eq(pointer)
        with m.If(loading | self.advance | next_word):
            m.d.sync += pointer.eq(pointer + 1)
        m.d.sync += arriving.eq(loading)
        with m.If(next_is_last):
            m.d.sync += loading.eq(0)
        with m.If(self.start):
            m.d.sync += [loading.eq(1), is_header.eq(self.home)]
        with m.If(self.rewind):
            m.d.sync += pointer.eq(HEADER_WORDS)
        with m.If(self.jump & self.done):
            m.d.sync += pointer.eq(word)
        with m.If(self.home | self.check):
            m.d.sync += pointer.eq(0)

        # Words enter a chain of registers, so no field needs an enable of its own. The record's
        # last word stays in the first register, whatever the record is; fields narrow towards
        # the end of the chain.
        # Word formats: see models/image.py.
        layer_pass, edge, header = self.layer_pass, self.edge, self.header
        chain = [
            Cat(edge.accumulator, edge.before_last),
            Cat(layer_pass.accumulator, layer_pass.groups),
            Cat(layer_pass.units, layer_pass.last_slot),
            self.minus_theta,
            self.state_base,
        ]
        header_chain = [
            Cat(header.limit, header.layers, header.mode),
            header.inputs,
            Cat(header.outputs),
            header.accumulators,
        ]
        with m.If(arriving & ~not_stored):
            m.d.sync += edge.base.eq(word)
            for here, registers in ((~is_header, chain), (is_header, header_chain)):
                with m.If(here):
                    m.d.sync += [
                        to.eq(of)
                        for to, of in zip(registers, [edge.base, *registers], strict=False)
                    ]
        m.d.comb += self.image_words.eq(edge.base)
        with m.If(arriving & is_header):
            with m.If(~begun):
                m.d.sync += self.header_ok.eq(word == magic(self.parameters.word_format))
        m.d.sync += begun.eq(arriving)
        return m

    def _check(self, m: Module, pointer: Signal) -> Signal:
        """CRC-32, bit by bit; return the strobe that moves the pointer to the next word.

        The store's output stands still while the address does, so the word needs no register:
        a word's first cycle reads it, then one bit is taken a cycle.
        """
        bits = 8 * self.parameters.word_bytes
        register = Signal(32, reset_less=True)
        word = Signal(bits)
        bit = Signal(range(bits), reset_less=True)
        fetching = Signal(reset_less=True)
        next_word = Signal()
        working = Signal()
        at_end = Signal(reset_less=True)  # a cycle late: not while the next word is fetched
        feedback = Signal()
        chosen = Signal(reset_less=True)
        shifting = Signal()
        m.d.comb += [
            self.crc.eq(~register),
            word.eq(self.data),
            feedback.eq(register[0] ^ chosen),
            working.eq(self.checking & ~fetching & ~next_word),
        ]
        # A cycle to choose the byte, one to choose the bit, the third to take it.
        octet = Signal(8, reset_less=True)
        bit_1 = Signal(3, reset_less=True)
        valid = Signal(2)
        m.d.comb += shifting.eq(valid[1])
        m.d.sync += [
            octet.eq(word.bit_select(Cat(Const(0, 3), bit[3:]), 8)),
            bit_1.eq(bit[:3]),
            chosen.eq(octet.bit_select(bit_1, 1)),
            valid.eq(Cat(working & ~at_end, valid)),
            next_word.eq(0),
            at_end.eq(pointer == self.image_words),
        ]
        with m.If(shifting):
            m.d.sync += register.eq((register >> 1) ^ Mux(feedback, CRC_POLYNOMIAL, 0))
        with m.If(self.checking):
            m.d.sync += fetching.eq(next_word)
            with m.If(working & at_end):
                m.d.sync += self.checking.eq(0)
            with m.Elif(working):
                m.d.sync += bit.eq(bit + 1)
                with m.If(bit == bits - 1):
                    m.d.sync += [bit.eq(0), next_word.eq(1)]
        with m.If(self.check):
            m.d.sync += [
                self.checking.eq(1),
                fetching.eq(1),
                bit.eq(0),
                register.eq(Const(0xFFFFFFFF, 32)),
            ]
        return next_word
