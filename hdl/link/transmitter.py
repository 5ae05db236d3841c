"""The frame transmitter: responses wait in a ring until the host has acknowledged them."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.link.cobs import COBSEncoder
from hdl.link.crc import CRC16_INIT, CRC16_POLYNOMIAL
from hdl.link.signatures import (
    BUFFER_ADDRESS_BITS,
    BUFFER_BYTES,
    frame_stream,
)


class ChecksumAppender(wiring.Component):
    """Append the CRC-16, low byte first, to every frame.

    The CRC is computed bit by bit, most significant first, while the byte turns once around
    its register; at the frame's end the CRC turns through the same register.

    Latency: ten cycles, at a frame's end eighteen. Throughput: a byte in ten cycles. Everything
    that leaves comes from registers.

    Members
    -------
    frames : In(stream of FrameItem)
    checked : Out(stream of FrameItem)
    """

    frames: In(frame_stream())
    checked: Out(frame_stream())

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        byte = self.checked.payload.data
        crc = Signal(16, init=CRC16_INIT)
        idle = Signal(init=1)
        # Counts to 16: eight shifts for a byte, sixteen for the CRC's low byte.
        count = Signal(5, reset_less=True)
        stage = Signal(2)  # a byte of the frame, low byte of the CRC, high byte, end
        appending = Signal()
        feedback = Signal()
        crc_clear = Signal()
        m.d.comb += [
            self.frames.ready.eq(idle),
            appending.eq(stage.any()),
            feedback.eq(crc[-1] ^ (byte[-1] & ~appending)),
            self.checked.valid.eq(count[4] & ~idle),
            self.checked.payload.end.eq(stage.all()),
        ]
        with m.If(idle):
            m.d.sync += [
                byte.eq(self.frames.payload.data),
                count.eq(Mux(self.frames.payload.end, 0, 8)),
                stage.eq(self.frames.payload.end),
                idle.eq(~self.frames.valid),
            ]
        with m.Elif(~count[4]):
            turned = Mux(appending, crc[-1], byte[-1])
            taps = CRC16_POLYNOMIAL & (feedback & ~appending).replicate(16)
            shifted = Cat(Const(0, 1), crc[:-1]) ^ (taps | (feedback & appending))
            m.d.sync += [byte.eq(Cat(turned, byte)), crc.eq(shifted), count.eq(count + 1)]
        with m.Elif(self.checked.ready):
            with m.If(appending):
                m.d.sync += stage.eq(stage + 1)
            m.d.sync += idle.eq((stage == 0) | (stage == 3))
            with m.If(stage == 1):
                m.d.sync += count.eq(8)
            m.d.comb += crc_clear.eq(stage == 3)
        with m.If(crc_clear):
            m.d.sync += crc.eq(CRC16_INIT)
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

    Only what has been sent is freed, whatever the host acknowledges: an acknowledgement of more
    holds for the rest as it is sent.

    Latency: a response's first byte goes out after its end was taken. Throughput: the UART's;
    freeing takes three cycles a byte.

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
            freeable.eq(known & ~repeating & ~(wanted - oldest)[7] & (tail != send)),
            unsent.eq(send != encoder.committed),
        ]
        with m.If(self.acknowledged):
            m.d.sync += [wanted.eq(self.acknowledge), known.eq(1)]
        m.d.sync += repeat.eq(self.repeat)
        with m.If(repeat):
            m.d.sync += again.eq(1)

        delimiter = Signal(reset_less=True)  # of the byte read two cycles ago
        m.d.comb += self.bytes.payload.eq(read.data)
        m.d.sync += delimiter.eq(read.data == 0)
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
                m.next = "FREE_LOOK"
            with m.State("FREE_LOOK"):
                m.next = "FREE"
            with m.State("FREE"):
                m.d.sync += tail.eq(tail + 1)
                m.next = "FREE_READ"
                with m.If(delimiter):
                    m.d.sync += oldest.eq(oldest + 1)
                    m.next = "SETTLE"
            with m.State("SEND_READ"):
                m.d.comb += read.en.eq(1)
                m.next = "SEND_LOOK"
            with m.State("SEND_LOOK"):
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
