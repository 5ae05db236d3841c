"""The frame transmitter: responses wait in a ring until the host has acknowledged them."""

from typing import Any

from amaranth.hdl import Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.link.cobs import COBSEncoder
from hdl.link.signatures import BUFFER_ADDRESS_BITS, BUFFER_BYTES, CRC16, frame_stream


class ChecksumAppender(wiring.Component):
    """Append the CRC-16, low byte first, to every frame.

    Latency: none; an end waits for the two bytes. Throughput: one byte a cycle.

    Members
    -------
    frames : In(stream of FrameItem)
    checked : Out(stream of FrameItem)
    """

    frames: In(frame_stream())
    checked: Out(frame_stream())

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Reset instead of `start`, which costs a multiplexer in front of the CRC's logic.
        restart = Signal()
        crc = CRC16.create()
        m.submodules.crc = ResetInserter(restart)(crc)
        sent = Signal(2)  # CRC bytes
        at_end = Signal()
        taken = Signal()
        m.d.comb += [
            at_end.eq(self.frames.valid & self.frames.payload.end),
            taken.eq(self.checked.valid & self.checked.ready),
            self.checked.valid.eq(self.frames.valid),
            self.checked.payload.end.eq(at_end & sent[1]),
            self.frames.ready.eq(self.checked.ready & (~at_end | sent[1])),
            crc.data.eq(self.frames.payload.data),
            crc.valid.eq(taken & ~at_end),
            restart.eq(taken & at_end & sent[1]),
        ]
        with m.If(~at_end):
            m.d.comb += self.checked.payload.data.eq(self.frames.payload.data)
        with m.Elif(sent[0]):
            m.d.comb += self.checked.payload.data.eq(crc.crc[8:])
        with m.Else():
            m.d.comb += self.checked.payload.data.eq(crc.crc[:8])
        with m.If(taken & at_end):
            m.d.sync += sent.eq(Mux(sent[1], 0, sent + 1))
        return m


class FrameTransmitter(wiring.Component):
    """Encode responses into a ring, send them, and free them when they are acknowledged.

    The ring holds whole encoded frames between `tail` and the encoder's `committed`; what
    lies before `send` has been sent. Pointers move from frame to frame by looking for the
    delimiters, so no table of frames is needed, only the oldest one's sequence number.

    Frames are freed, and sent again, only between two frames, so nothing torn goes out.
    A request to send again is kept until everything else has been sent, so that a host which
    repeats ten requests does not get the answers ten times. While frames are sent again none
    is freed: `send` walks behind `committed`, and `tail` must not overtake it.

    Assumption: the host acknowledges only what it has received.

    Latency: a response's first byte goes out after its end was taken. Throughput: the UART's;
    freeing takes two cycles a byte.

    Members
    -------
    frames : In(stream of FrameItem)
        Responses in the order of their sequence numbers.
    bytes : Out(stream of 8 bits)
    acknowledge : In(8)
        Sequence number of the oldest response that the host still wants, when `acknowledged`.
        One of up to 128 before the oldest that is kept is old news, and ignored.
    acknowledged : In(1)
    repeat : In(1)
        Strobe: send again what is kept.
    restart : In(1)
        Strobe: forget everything. The next response's number is `sequence`.
    sequence : In(8)
    """

    frames: In(frame_stream())
    bytes: Out(stream.Signature(8))
    acknowledge: In(8)
    acknowledged: In(1)
    repeat: In(1)
    restart: In(1)
    sequence: In(8)

    def elaborate(self, platform: Any) -> Any:
        m = Module()
        m.submodules.memory = memory = Memory(shape=unsigned(8), depth=BUFFER_BYTES, init=[])
        m.submodules.appender = appender = ChecksumAppender()
        m.submodules.encoder = encoder = COBSEncoder()
        read = memory.read_port(transparent_for=())
        write = memory.write_port()
        wiring.connect(m, wiring.flipped(self.frames), appender.frames)
        wiring.connect(m, appender.checked, encoder.frames)

        tail = Signal(BUFFER_ADDRESS_BITS)
        send = Signal(BUFFER_ADDRESS_BITS)
        m.d.comb += [
            write.addr.eq(encoder.address),
            write.data.eq(encoder.data),
            write.en.eq(encoder.write),
            encoder.tail.eq(tail),
            read.addr.eq(send),
            read.en.eq(0),
        ]

        # What there is to do, one cycle late: the state machine waits for it between frames.
        # The ring begins with a lone delimiter, as if a response had been acknowledged already;
        # so a frame is to be freed when its number here is equal to `wanted`, too.
        oldest = Signal(8, reset_less=True)
        wanted = Signal(8, reset_less=True)
        known = Signal()  # `wanted` is the host's word since the restart
        freeable = Signal()
        unsent = Signal()
        repeat = Signal()  # so late that `freeable` knows the acknowledgement beside it
        again = Signal()
        repeating = Signal()
        m.d.sync += [
            freeable.eq(known & ~repeating & ~(wanted - oldest)[7]),
            unsent.eq(send != encoder.committed),
        ]
        with m.If(self.acknowledged):
            m.d.sync += [wanted.eq(self.acknowledge), known.eq(1)]
        m.d.sync += repeat.eq(self.repeat)
        with m.If(repeat):
            m.d.sync += again.eq(1)

        delimiter = Signal()
        m.d.comb += [delimiter.eq(read.data == 0), self.bytes.payload.eq(read.data)]
        with m.FSM():
            with m.State("SETTLE"):
                m.next = "BETWEEN"
            with m.State("BETWEEN"):
                with m.If(freeable):
                    m.next = "FREE_READ"
                with m.Elif(unsent):
                    m.next = "SEND_READ"
                with m.Else():
                    # Everything has been sent: the time to repeat.
                    m.d.sync += repeating.eq(again)
                    with m.If(again):
                        m.d.sync += [send.eq(tail), again.eq(0)]
                        m.next = "SETTLE"
            with m.State("FREE_READ"):
                m.d.comb += [read.addr.eq(tail), read.en.eq(1)]
                m.next = "FREE"
            with m.State("FREE"):
                m.d.sync += tail.eq(tail + 1)
                m.next = "FREE_READ"
                with m.If(delimiter):
                    m.d.sync += oldest.eq(oldest + 1)
                    m.next = "SETTLE"
            with m.State("SEND_READ"):
                m.d.comb += read.en.eq(1)
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.bytes.valid.eq(1)
                with m.If(self.bytes.ready):
                    m.d.sync += send.eq(send + 1)
                    m.next = "SEND_READ"
                    with m.If(delimiter):
                        m.next = "SETTLE"
        with m.If(self.restart):
            m.d.sync += oldest.eq(self.sequence)
        return ResetInserter(self.restart)(m)
