"""The frame receiver: whole, undamaged, expected requests into a buffer.

A request waits in the buffer as ``[length low] [length high] [sequence] [code] [payload]``,
with `length` = payload bytes - 1, in 10 bits two's complement (a request without a payload
has -1): a count whose sign says that nothing is left. The other six bits are undefined.
"""

from typing import Any

from amaranth.hdl import Cat, Module, ResetInserter, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.link.signatures import BUFFER_ADDRESS_BITS, BUFFER_BYTES, CRC16, ERROR_BITS, FrameItem
from models.protocol import CRC_BYTES, HEADER_BYTES, Command

#: Bits of a request's length less one, sign included.
LENGTH_BITS = BUFFER_ADDRESS_BITS + 1

#: `length` counts from here: it is -1 after the shortest frame.
FIRST_LENGTH = -1 - HEADER_BYTES - CRC_BYTES


class FrameReceiver(wiring.Component):
    """Check frames and keep the good ones.

    Bytes are written beyond `committed` as they come, two bytes late, so that the CRC never
    gets there. A good frame with the expected sequence number moves `committed`; anything
    else leaves it, and the bytes are overwritten. SYNC is good whatever its number; it
    throws away what is in the buffer before it.

    Latency: a request's first byte is offered five cycles after the frame's end. Throughput:
    one byte a cycle from the buffer.

    Assumption: a byte comes no sooner than ten cycles after the one before (a UART's
    shortest character is 40 cycles), because a frame's end takes eight. SYNC takes a cycle
    more for each byte that waits in the buffer; the host waits for its answer anyway.

    Members
    -------
    frames : In(stream of FrameItem, always ready)
    malformed : In(1)
        With an end: the frame is damaged.
    framing_error : In(1)
        Strobe: a byte of this frame was lost.
    requests : Out(stream of 8 bits)
        Accepted requests, one after the other; a request's bytes come without a pause.
    sequence : Out(8)
        Sequence number of the frame last seen.
    acknowledge : Out(8)
        The frame's acknowledgement, meant by `acknowledged`.
    acknowledged : Out(1)
        Strobe: a good frame came, SYNC excepted.
    repeat : Out(1)
        Strobe, with `acknowledged`: it was not the expected one, so the host misses responses.
    restart : Out(1)
        Strobe: SYNC came, and is the only request in the buffer. `sequence` is its number.
    link_errors : Out(3)
        Frames dropped because they were damaged or did not fit, and not yet counted by the
        command unit. It stops at its maximum: seven more in the time of one engine command
        are not told apart.
    error_counted : In(1)
        Strobe: one less.
    """

    frames: In(stream.Signature(FrameItem, always_ready=True))
    malformed: In(1)
    framing_error: In(1)
    requests: Out(stream.Signature(8))
    sequence: Out(8)
    acknowledge: Out(8)
    acknowledged: Out(1)
    repeat: Out(1)
    restart: Out(1)
    link_errors: Out(ERROR_BITS)
    error_counted: In(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=unsigned(8), depth=BUFFER_BYTES, init=[])
        # Reset instead of `start`, which costs a multiplexer in front of the CRC's logic.
        rewind = Signal()
        crc = CRC16.create()
        m.submodules.crc = ResetInserter(rewind)(crc)
        read = memory.read_port(transparent_for=())
        write = memory.write_port()

        read_pointer = Signal(BUFFER_ADDRESS_BITS)
        write_pointer = Signal(BUFFER_ADDRESS_BITS)
        committed = Signal(BUFFER_ADDRESS_BITS)
        length = Signal(signed(LENGTH_BITS), init=FIRST_LENGTH)

        # Reading: the memory's output register is the stream's payload.
        fetch = Signal()
        blocked = Signal()  # `committed` has moved, the header is not yet written
        draining = Signal()  # bytes are fetched and thrown away
        drained = Signal()
        m.d.comb += [
            drained.eq(read_pointer == committed),
            fetch.eq(~drained & ~blocked & (draining | ~self.requests.valid | self.requests.ready)),
            read.addr.eq(read_pointer),
            read.en.eq(fetch),
            self.requests.payload.eq(read.data),
        ]
        with m.If(fetch):
            m.d.sync += [read_pointer.eq(read_pointer + 1), self.requests.valid.eq(1)]
        with m.Elif(self.requests.ready):
            m.d.sync += self.requests.valid.eq(0)
        with m.If(draining):
            m.d.sync += self.requests.valid.eq(0)

        # Two bytes are held back: when the frame ends, they are the CRC. `older` is the
        # frame's byte number `length - FIRST_LENGTH - CRC_BYTES`.
        newer, older = Signal(8), Signal(8)
        byte, end = Signal(), Signal()
        filling = Signal()
        m.d.comb += [
            byte.eq(self.frames.valid & ~self.frames.payload.end),
            end.eq(self.frames.valid & self.frames.payload.end),
            filling.eq((length == FIRST_LENGTH) | (length == FIRST_LENGTH + 1)),
            crc.data.eq(older),
            crc.valid.eq(byte & ~filling),
        ]

        expected = Signal(8)
        in_sequence = Signal()
        sync = Signal()
        bad = Signal()
        good = Signal()
        store = Signal()
        advance = Signal()
        started = Signal()
        whole = Signal()
        m.d.comb += [
            # Long enough: not negative, or -1.
            whole.eq(~length[-1] | length.all()),
            write.addr.eq(write_pointer),
            write.data.eq(older),
        ]
        with m.If(store & ~bad):
            m.d.comb += [write.en.eq(1), advance.eq(1)]
        with m.If(advance):
            m.d.sync += write_pointer.eq(write_pointer + 1)
        # The pointer moved onto the oldest byte in use: no room for this frame.
        with m.If(self.framing_error | (started & (write_pointer == read_pointer))):
            m.d.sync += bad.eq(1)
        damaged = Signal()
        with m.If(damaged & ~self.error_counted):
            m.d.sync += self.link_errors.eq(self.link_errors + 1)
        with m.If(~damaged & self.error_counted):
            m.d.sync += self.link_errors.eq(self.link_errors - 1)
        m.d.sync += [
            self.acknowledged.eq(0),
            self.repeat.eq(0),
            self.restart.eq(0),
        ]
        with m.FSM(init="REWIND"):
            with m.State("REWIND"):
                m.d.comb += rewind.eq(1)
                m.d.sync += [
                    write_pointer.eq(committed),
                    length.eq(FIRST_LENGTH),
                    bad.eq(0),
                ]
                m.next = "SKIP_LOW"
            with m.State("SKIP_LOW"):
                m.d.comb += advance.eq(1)
                m.next = "SKIP_HIGH"
            with m.State("SKIP_HIGH"):
                m.d.comb += [advance.eq(1), started.eq(1)]
                m.next = "COLLECT"
            with m.State("COLLECT"):
                m.d.comb += started.eq(1)
                with m.If(byte):
                    m.d.sync += [
                        newer.eq(self.frames.payload.data),
                        older.eq(newer),
                        length.eq(length + 1),
                    ]
                    with m.Switch(length):
                        with m.Case(FIRST_LENGTH, FIRST_LENGTH + 1):
                            pass
                        with m.Case(FIRST_LENGTH + 2):
                            m.d.sync += [
                                self.sequence.eq(older),
                                in_sequence.eq(older == expected),
                            ]
                            m.d.comb += store.eq(1)
                        with m.Case(FIRST_LENGTH + 3):
                            m.d.sync += self.acknowledge.eq(older)
                        with m.Case(FIRST_LENGTH + 4):
                            m.d.sync += sync.eq(older == Command.SYNC)
                            m.d.comb += store.eq(1)
                        with m.Default():
                            m.d.comb += store.eq(1)
                with m.If(end):
                    m.d.sync += good.eq(
                        ~bad & whole & ~self.malformed & (Cat(older, newer) == crc.crc)
                    )
                    m.next = "CHECK"
                    with m.If((length == FIRST_LENGTH) & ~bad):
                        m.next = "REWIND"  # an empty frame
            with m.State("CHECK"):
                m.next = "REWIND"
                with m.If(~good):
                    m.d.comb += damaged.eq(~self.link_errors.all())
                with m.Else():
                    m.d.sync += [
                        self.acknowledged.eq(~sync),
                        self.repeat.eq(~sync & ~in_sequence),
                    ]
                    with m.If(sync):
                        m.next = "DRAIN"
                    with m.Elif(in_sequence):
                        m.next = "COMMIT"
            with m.State("DRAIN"):
                m.d.comb += draining.eq(1)
                with m.If(drained):
                    m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.sync += [
                    committed.eq(write_pointer),
                    write_pointer.eq(committed),
                    expected.eq(self.sequence + 1),
                    self.restart.eq(sync),
                ]
                m.next = "LENGTH_LOW"
            with m.State("LENGTH_LOW"):
                m.d.comb += [
                    blocked.eq(1),
                    write.data[:8].eq(length[:8]),
                    write.en.eq(1),
                    advance.eq(1),
                ]
                m.next = "LENGTH_HIGH"
            with m.State("LENGTH_HIGH"):
                # The byte's other bits mean nothing.
                m.d.comb += [blocked.eq(1), write.data[:2].eq(length[8:]), write.en.eq(1)]
                m.next = "REWIND"
        return m
