"""The reader: one pointer into the store, for records, parameters and the checksum."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.parameters import EngineParameters
from hdl.core.signatures import (
    STORE_ADDRESS_BITS,
    THETA_BITS,
    EdgeConfig,
    Mode,
    PassConfig,
)
from models.image import HEADER_WORDS, magic

CRC_POLYNOMIAL = 0xEDB88320  # CRC-32, reflected, as in zlib.crc32


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

    All requests to read come a cycle ahead: the store's whole address hangs on the register that
    they are joined in. What is read in a cycle stands in its registers two cycles later. The CRC
    takes ``8 * word_bytes + 2`` cycles a word, one bit a cycle, because a load is rare and logic is
    dear.

    Members
    -------
    home : In(1)
        Move the pointer to the header.
    rewind : In(1)
        Move the pointer to the record of the inputs.
    header_read : In(1)
        A word of the header is read in the next cycle; the second one a cycle after the first.
    edge_read, pass_read : In(1)
        An edge, or a pass, is read in the next cycle.
    prefetch : In(1)
        Read a pass as soon as the parameters have been read.
    jump : In(1)
        Two cycles after `edge_read`: move the pointer to the pass after that edge's layer.
    advance : In(1)
        A parameter word is read in the next cycle.
    check : In(1)
        Compute the CRC of the words from 0 to the header's image size.
    address : Out(16)
        Store address; zero while nothing is read.
    data : In(4 * P)
        Word read, one cycle after its address.
    checking : Out(1)
    crc : Out(32)
    header : Out(Header)
    header_ok : Out(1)
        The header read last begins with the right word (format and fraction bits).
    edge : Out(EdgeConfig)
        Edge of the inputs, or of a layer's events.
    layer_pass : Out(PassConfig)
        Pass of a layer, or of the readout.
    minus_theta : Out(signed(9))
        Of the layer whose edge was read last.
    image_words : Out(16)
        Words of the image, while the header is the last record read.
    """

    def __init__(self, parameters: EngineParameters):
        self.parameters = parameters
        super().__init__(
            {
                "home": In(1),
                "rewind": In(1),
                "header_read": In(1),
                "edge_read": In(1),
                "pass_read": In(1),
                "prefetch": In(1),
                "jump": In(1),
                "advance": In(1),
                "check": In(1),
                "address": Out(STORE_ADDRESS_BITS),
                "data": In(parameters.word_bits),
                "checking": Out(1),
                "crc": Out(32),
                "header": Out(Header),
                "header_ok": Out(1),
                "edge": Out(EdgeConfig),
                "layer_pass": Out(PassConfig),
                "minus_theta": Out(signed(THETA_BITS)),
                "image_words": Out(16),
            }
        )

    def elaborate(self, platform):
        m = Module()
        pointer = Signal(STORE_ADDRESS_BITS, reset_less=True)
        awaited = Signal()  # a pass is to be read when the parameters have been
        fetching = Signal()
        reading = Signal()
        next_word = self._check(m, pointer)
        m.d.comb += fetching.eq(awaited & ~self.advance)
        m.d.sync += [
            awaited.eq(self.prefetch | (awaited & self.advance)),
            reading.eq(
                self.header_read | self.edge_read | self.pass_read | fetching | self.advance
            ),
        ]
        with m.If(reading | self.checking):
            m.d.comb += self.address.eq(pointer)
        with m.If(reading | next_word):
            m.d.sync += pointer.eq(pointer + 1)
        with m.If(self.jump):
            m.d.sync += pointer.eq(self.data.word_select(1, STORE_ADDRESS_BITS))
        with m.If(self.rewind):
            m.d.sync += pointer.eq(HEADER_WORDS)
        with m.If(self.home | self.check):
            m.d.sync += pointer.eq(0)

        # Word formats: see models/image.py.
        arrives = {}
        for name, asked in (
            ("header", self.header_read),
            ("edge", self.edge_read),
            ("pass", self.pass_read | fetching),
        ):
            read = Signal(name=f"{name}_is_read")
            arrives[name] = Signal(name=f"{name}_arrives")
            m.d.sync += [read.eq(asked), arrives[name].eq(read)]
        header_begun = Signal()
        m.d.sync += header_begun.eq(arrives["header"])
        word, header = self.data, self.header
        with m.If(arrives["header"] | arrives["edge"]):
            # A header's size comes last, and stays where an edge's base would.
            m.d.sync += self.edge.base.eq(word[:STORE_ADDRESS_BITS])
        with m.If(arrives["edge"]):
            m.d.sync += Cat(self.edge.before_last, self.minus_theta).eq(
                word[2 * STORE_ADDRESS_BITS :]
            )
        with m.If(arrives["pass"]):
            m.d.sync += self.layer_pass.eq(word[: Shape.cast(PassConfig).width])
        with m.If(arrives["header"]):
            more = word[STORE_ADDRESS_BITS:]
            expected = magic(self.parameters.word_format)
            with m.If(header_begun):
                m.d.sync += Cat(header.inputs, header.outputs).eq(more)
            with m.Else():
                m.d.sync += [
                    self.header_ok.eq(word[:STORE_ADDRESS_BITS] == expected),
                    Cat(header.accumulators, header.limit, header.layers, header.mode).eq(more),
                ]
        m.d.comb += self.image_words.eq(self.edge.base)
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
