"""The frame receiver: whole, undamaged, expected requests into a buffer.

A request waits in the buffer as ``[length low] [length high] [sequence] [code] [payload]``,
with `length` = payload bytes - 1, in 10 bits two's complement (a request without a payload
has -1): a count whose sign says that nothing is left. The other six bits are undefined.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.one_hot import OneHot
from hdl.link.crc import CRC16_INIT, CRC16_POLYNOMIAL
from hdl.link.signatures import BUFFER_ADDRESS_BITS, BUFFER_BYTES, ERROR_BITS, FrameItem
from models.protocol import CRC_BYTES, HEADER_BYTES, Command

#: Bits of a request's length less one, sign included.
LENGTH_BITS = BUFFER_ADDRESS_BITS + 1

#: `length` counts from here: it is -1 after the shortest frame.
FIRST_LENGTH = -1 - HEADER_BYTES - CRC_BYTES


#: No sequence number is this: from power-up until a SYNC, and after `forget`.
NOTHING_EXPECTED = 0x100

#: Where the count of shifts rests: eight of them, and one cycle to take a new byte.
IDLE_COUNT = 9


class FrameReceiver(wiring.Component):
    """Check frames and keep the good ones.

    Bytes are written beyond `committed` as they come, two bytes late, so that the CRC never
    gets there. A good frame with the expected sequence number moves `committed`; anything
    else leaves it, and the bytes are overwritten. SYNC is good whatever its number; it
    throws away what is in the buffer before it.

    The CRC is computed bit by bit while bytes move through the two registers that hold them
    back, and compared bit by bit with what is in these at the frame's end: a third of the logic
    of a CRC that takes a byte a cycle and a comparison of sixteen bits.

    Latency: a request's first byte is offered fourteen cycles after the frame's end.
    Throughput: one byte a cycle from the buffer.

    Assumption: a byte comes no sooner than twenty cycles after the one before (a UART's
    shortest character is 40 cycles), because a frame's end takes seventeen; and it stands for
    ten cycles. SYNC takes a cycle more for each byte that waits in the buffer; the host waits
    for its answer anyway.

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
    forget : In(1)
        Strobe, between two frames: accept nothing but a SYNC, as after power-up.
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
    forget: In(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=unsigned(8), depth=BUFFER_BYTES, init=[])
        read = memory.read_port(transparent_for=())
        write = memory.write_port()

        read_pointer = Signal(BUFFER_ADDRESS_BITS)
        write_pointer = Signal(BUFFER_ADDRESS_BITS, reset_less=True)
        committed = Signal(BUFFER_ADDRESS_BITS)
        length = Signal(signed(LENGTH_BITS), reset_less=True)

        # Reading: the memory's output register is the stream's payload.
        fetch = Signal()
        blocked = Signal()  # `committed` has moved, the header is not yet written
        draining = Signal()  # bytes are fetched and thrown away
        waiting = Signal()  # bytes wait in the memory
        # A register of its own: the comparison below would else wait for an adder.
        next_pointer = Signal(BUFFER_ADDRESS_BITS, init=1)
        m.d.comb += [
            fetch.eq(waiting & ~blocked & (draining | ~self.requests.valid | self.requests.ready)),
            read.addr.eq(read_pointer),
            # What is read without being fetched is not offered.
            read.en.eq(~self.requests.valid | self.requests.ready),
            self.requests.payload.eq(read.data),
        ]
        with m.If(fetch):
            m.d.sync += [read_pointer.eq(next_pointer), next_pointer.eq(next_pointer + 1)]
        # In gates: as a multiplexer it would become an enable, two cells behind `fetch`.
        m.d.sync += waiting.eq(
            (fetch & (next_pointer != committed)) | (~fetch & (waiting | blocked))
        )
        m.d.sync += self.requests.valid.eq(
            ~draining & (fetch | (self.requests.valid & ~self.requests.ready))
        )

        # Two bytes are held back: when the frame ends, they are its CRC. A byte or an end moves
        # them on, the older one into the CRC or along it; a new byte then takes its place.
        newer = Signal(8, reset_less=True)
        older = Signal(8, reset_less=True)
        crc = Signal(16, init=CRC16_INIT)
        count = Signal(4, init=IDLE_COUNT)
        shifting = Signal()
        idle = Signal()
        byte, end = Signal(), Signal()
        crc_clear = Signal()
        comparing = Signal()
        feedback = Signal()
        different = Signal()
        m.d.comb += [
            byte.eq(self.frames.valid & ~self.frames.payload.end),
            end.eq(self.frames.valid & self.frames.payload.end),
            shifting.eq(~count[3]),
            idle.eq(count[3] & count[0]),
            feedback.eq((crc[-1] ^ older[-1]) & ~comparing),
            different.eq((crc[-1] ^ newer[-1]) | (crc[7] ^ older[-1])),
        ]
        with m.If(self.frames.valid):
            m.d.sync += count.eq(0)
        with m.Elif(~idle):
            m.d.sync += [
                count.eq(count + 1),
                newer.eq(Mux(shifting, newer << 1, self.frames.payload.data)),
            ]
        with m.If(shifting):
            taps = CRC16_POLYNOMIAL & feedback.replicate(16)
            m.d.sync += [older.eq(Cat(newer[-1], older)), crc.eq((crc << 1) ^ taps)]
        with m.If(crc_clear):
            m.d.sync += crc.eq(CRC16_INIT)
        expected = Signal(9, init=NOTHING_EXPECTED)
        in_sequence = Signal(reset_less=True)
        sync = Signal(reset_less=True)
        bad = Signal(reset_less=True)
        rewind = Signal()
        store = Signal()
        advance = Signal()
        counting = Signal()  # the frame takes room
        whole = Signal()
        full = Signal(reset_less=True)
        m.d.comb += [write.addr.eq(write_pointer), write.data.eq(older)]
        # A byte that comes while a SYNC drains the buffer does not belong to the SYNC.
        with m.If(byte & counting):
            m.d.sync += length.eq(length + 1)
        with m.If(store & byte & ~bad):
            m.d.comb += [write.en.eq(1), advance.eq(1)]
        with m.If(rewind):
            m.d.sync += write_pointer.eq(committed)
        with m.Elif(advance):
            m.d.sync += write_pointer.eq(write_pointer + 1)
        # The pointer moved onto the oldest byte in use: no room for this frame.
        m.d.sync += [
            full.eq(counting & (write_pointer == read_pointer)),
            bad.eq(
                ~rewind
                & (
                    bad
                    | full
                    | self.framing_error
                    | (end & (~whole | self.malformed))
                    | (comparing & shifting & different)
                )
            ),
        ]
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

        with m.If(self.forget):
            m.d.sync += expected.eq(NOTHING_EXPECTED)

        m.submodules.fsm = fsm = OneHot(m, init="REWIND")
        with fsm.state("REWIND"):
            m.d.comb += rewind.eq(1)
            m.d.sync += length.eq(FIRST_LENGTH)
            fsm.go("SKIP_LOW")
        with fsm.state("SKIP_LOW"):
            m.d.comb += advance.eq(1)
            fsm.go("SKIP_HIGH")
        with fsm.state("SKIP_HIGH"):
            m.d.comb += [advance.eq(1), counting.eq(1)]
            fsm.go("BYTE_0")
        # While a byte comes, `older` is the one two before it.
        states = ["BYTE_0", "BYTE_1", "BYTE_2", "BYTE_3", "BYTE_4", "MORE"]
        for number, state in enumerate(states):
            with fsm.state(state):
                m.d.comb += counting.eq(1)
                if state in ("BYTE_0", "BYTE_1", "BYTE_2"):
                    m.d.comb += crc_clear.eq(1)
                if state in ("BYTE_2", "BYTE_4", "MORE"):
                    m.d.comb += store.eq(1)
                with m.If(byte):
                    if state == "BYTE_2":
                        m.d.sync += [
                            self.sequence.eq(older),
                            in_sequence.eq(older == expected),
                        ]
                    elif state == "BYTE_3":
                        m.d.sync += self.acknowledge.eq(older)
                    elif state == "BYTE_4":
                        m.d.sync += sync.eq(older == Command.SYNC)
                    if state != "MORE":
                        fsm.go(states[number + 1])
                if state == "BYTE_0":
                    # An empty frame is nothing.
                    with m.If(end & ~bad):
                        fsm.go("REWIND")
                    with m.Elif(end):
                        fsm.go("COMPARE")
                else:
                    m.d.comb += whole.eq(state == "MORE")
                    with m.If(end):
                        fsm.go("COMPARE")
        with fsm.state("COMPARE"):
            m.d.comb += comparing.eq(1)
            with m.If(idle):
                fsm.go("CHECK")
        with fsm.state("CHECK"):
            m.d.comb += damaged.eq(bad & ~self.link_errors.all())
            m.d.sync += [
                self.acknowledged.eq(~bad & ~sync),
                self.repeat.eq(~bad & ~sync & ~in_sequence),
            ]
            with m.If(~bad & sync):
                fsm.go("DRAIN")
            with m.Elif(~bad & in_sequence):
                fsm.go("COMMIT")
            with m.Else():
                fsm.go("REWIND")
        with fsm.state("DRAIN"):
            m.d.comb += draining.eq(1)
            with m.If(~waiting):
                fsm.go("COMMIT")
        with fsm.state("COMMIT"):
            m.d.comb += rewind.eq(1)
            m.d.sync += [
                committed.eq(write_pointer),
                expected.eq((self.sequence + 1)[:8]),
                self.restart.eq(sync),
            ]
            fsm.go("LENGTH_LOW")
        with fsm.state("LENGTH_LOW"):
            m.d.comb += [
                blocked.eq(1),
                write.data.eq(length),
                write.en.eq(1),
                advance.eq(1),
            ]
            fsm.go("LENGTH_HIGH")
        with fsm.state("LENGTH_HIGH"):
            # The byte's other bits mean nothing.
            m.d.comb += [blocked.eq(1), write.data[:2].eq(length[8:]), write.en.eq(1)]
            fsm.go("REWIND")
        return m
