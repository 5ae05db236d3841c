"""Consistent Overhead Byte Stuffing: frames without a zero byte, ended by one.

A frame is cut at its zeros. Each piece, of at most 254 bytes, is sent after its length plus
one, which is never zero; the cut zero itself is not sent. A piece of 254 bytes (code 0xFF)
has no zero behind it. (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999.)
"""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.one_hot import OneHot
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

    Throughput: a byte takes three cycles, a piece's code two more, a frame's end five. While
    the ring is full the frame is held up until `tail` moves: writing needs a free byte beside
    the one that is written, so a frame that filled the ring to the last byte would never be
    committed.

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
        place = Signal(BUFFER_ADDRESS_BITS, reset_less=True)
        code = Signal(8, reset_less=True)
        room = Signal(reset_less=True)
        full = Signal(reset_less=True)
        zero = Signal(reset_less=True)
        end = Signal(reset_less=True)
        waiting = Signal(reset_less=True)
        # What WAIT decides by, one cycle late: it is entered two cycles after a byte was taken.
        m.d.sync += [
            room.eq(head != self.tail),
            full.eq(code == FULL_CODE),
            zero.eq(self.frames.payload.data == 0),
            end.eq(self.frames.payload.end),
            waiting.eq(self.frames.valid),
        ]

        # What a state does depends on nothing else.
        at_place = Signal()
        at_head = Signal()
        byte = Signal()
        advance = Signal()
        m.d.comb += [
            self.write.eq(at_place | at_head),
            self.address.eq(Mux(at_place, place, head)),
            self.data.eq(Mux(at_place, code, Mux(byte, self.frames.payload.data, 0))),
        ]
        with m.If(advance):
            m.d.sync += head.eq(head + 1)

        m.submodules.fsm = fsm = OneHot(m, init="DELIMITER")
        with fsm.state("DELIMITER"):
            m.d.comb += [at_head.eq(1), advance.eq(1)]
            fsm.go("DELIMITED")
        with fsm.state("DELIMITED"):
            # `room` is one cycle late.
            fsm.go("COMMIT")
        with fsm.state("COMMIT"):
            with m.If(room):
                m.d.sync += self.committed.eq(head)
                fsm.go("OPEN")
        with fsm.state("OPEN"):
            m.d.comb += advance.eq(1)
            m.d.sync += [place.eq(head), code.eq(1)]
            fsm.go("SETTLE")
        with fsm.state("SETTLE"):
            fsm.go("WAIT")
        with fsm.state("WAIT"):
            with m.If(room & waiting):
                with m.If(end):
                    fsm.go("END")
                with m.Elif(full):
                    fsm.go("FULL")
                with m.Elif(zero):
                    fsm.go("ZERO")
                with m.Else():
                    fsm.go("BYTE")
        with fsm.state("BYTE"):
            m.d.comb += [at_head.eq(1), byte.eq(1), advance.eq(1), self.frames.ready.eq(1)]
            m.d.sync += code.eq(code + 1)
            fsm.go("SETTLE")
        with fsm.state("ZERO"):
            m.d.comb += [at_place.eq(1), self.frames.ready.eq(1)]
            fsm.go("OPEN")
        with fsm.state("FULL"):
            # The byte waits until the full piece is closed.
            m.d.comb += at_place.eq(1)
            fsm.go("OPEN")
        with fsm.state("END"):
            m.d.comb += [at_place.eq(1), self.frames.ready.eq(1)]
            fsm.go("DELIMITER")
        return m
