"""Consistent Overhead Byte Stuffing: frames without a zero byte, ended by one.

A frame is cut at its zeros. Each piece, of at most 254 bytes, is sent after its length plus
one, which is never zero; the cut zero itself is not sent. A piece of 254 bytes (code 0xFF)
has no zero behind it. (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999.)
"""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.signatures import BUFFER_ADDRESS_BITS, FrameItem, frame_stream

#: A piece's code when it is full: 254 bytes and no zero behind them.
FULL_CODE = 0xFF


class COBSDecoder(wiring.Component):
    """Decode a stream of bytes that cannot be held up.

    Latency: one cycle. Throughput: one byte a cycle; every byte makes at most one.

    Members
    -------
    bytes : In(stream of 8 bits, always ready)
    frames : Out(stream of FrameItem, always ready)
        Decoded bytes; each delimiter makes an end, an empty frame's too.
    malformed : Out(1)
        With an end: the delimiter cut a piece short.
    """

    bytes: In(stream.Signature(8, always_ready=True))
    frames: Out(stream.Signature(FrameItem, always_ready=True))
    malformed: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Bytes until the next code, which is itself the last one counted.
        remaining = Signal(8, init=1)
        # The next code has a zero before it.
        zero = Signal()
        delimiter = Signal()
        code = Signal()
        m.d.comb += [delimiter.eq(self.bytes.payload == 0), code.eq(remaining == 1)]
        m.d.sync += self.frames.valid.eq(0)
        with m.If(self.bytes.valid):
            m.d.sync += [
                self.frames.payload.data.eq(self.bytes.payload),
                self.frames.payload.end.eq(delimiter),
                self.frames.valid.eq(~code | zero | delimiter),
                self.malformed.eq(~code),
                remaining.eq(remaining - 1),
            ]
            with m.If(code):
                m.d.sync += [
                    self.frames.payload.data.eq(0),
                    remaining.eq(self.bytes.payload),
                    zero.eq(self.bytes.payload != FULL_CODE),
                ]
            with m.If(delimiter):
                m.d.sync += [remaining.eq(1), zero.eq(0)]
        return m


class COBSEncoder(wiring.Component):
    """Encode frames into a ring memory.

    A piece's code comes before its bytes but is known after them: its place is left open
    and written later. Nobody may read beyond `committed`, which moves when a frame is whole.

    After a reset the first thing written is a delimiter: it ends a frame that the reset tore.

    Throughput: a byte takes two cycles, a piece's code or a frame's end two more. While the
    ring is full the frame is held up until `tail` moves.

    Members
    -------
    frames : In(stream of FrameItem)
    tail : In(9)
        The ring's oldest byte in use.
    committed : Out(9)
        Where the next frame will begin.
    address, data, write : Out(9), Out(8), Out(1)
        The ring's write port.
    """

    frames: In(frame_stream())
    tail: In(BUFFER_ADDRESS_BITS)
    committed: Out(BUFFER_ADDRESS_BITS)
    address: Out(BUFFER_ADDRESS_BITS)
    data: Out(8)
    write: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        head = Signal(BUFFER_ADDRESS_BITS)
        place = Signal(BUFFER_ADDRESS_BITS)
        code = Signal(8, init=1)
        # An action takes two cycles: one to see whether there is room, one to do it.
        room = Signal()
        advance = Signal()
        open_piece = Signal()
        at_place = Signal()
        m.d.sync += room.eq(((head + 1)[:BUFFER_ADDRESS_BITS] != self.tail) & ~room)
        with m.If(at_place):
            m.d.comb += [self.address.eq(place), self.data.eq(code)]
        with m.Else():
            m.d.comb += self.address.eq(head)
        with m.If(advance):
            m.d.sync += head.eq(head + 1)
        with m.If(open_piece):
            m.d.sync += [place.eq(head), code.eq(1)]

        full = Signal()
        zero = Signal()
        m.d.sync += full.eq(code == FULL_CODE)
        m.d.comb += zero.eq(self.frames.payload.data == 0)
        with m.FSM(init="CLOSE"):
            with m.State("OPEN"):
                m.d.comb += [advance.eq(room), open_piece.eq(room)]
                with m.If(room):
                    m.next = "BODY"
            with m.State("BODY"):
                with m.If(room & self.frames.valid):
                    m.d.comb += self.write.eq(1)
                    with m.If(self.frames.payload.end):
                        m.d.comb += [self.frames.ready.eq(1), at_place.eq(1)]
                        m.next = "CLOSE"
                    with m.Elif(full):
                        # The byte waits until the full piece is closed.
                        m.d.comb += [at_place.eq(1), advance.eq(1), open_piece.eq(1)]
                    with m.Elif(zero):
                        m.d.comb += [
                            self.frames.ready.eq(1),
                            at_place.eq(1),
                            advance.eq(1),
                            open_piece.eq(1),
                        ]
                    with m.Else():
                        m.d.comb += [
                            self.frames.ready.eq(1),
                            self.data.eq(self.frames.payload.data),
                            advance.eq(1),
                        ]
                        m.d.sync += code.eq(code + 1)
            with m.State("CLOSE"):
                with m.If(room):
                    # The delimiter, a zero.
                    m.d.comb += [self.write.eq(1), advance.eq(1)]
                    m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.sync += self.committed.eq(head)
                m.next = "OPEN"
        return m
