"""The flash reader: at power-up, a network comes from the board's SPI flash.

What lies in the flash are requests, framed as a host would send them (docs/link.md, "Standalone
boards"); so whatever checks a host's load checks this one, and the flash needs no format, no
checksum and no loader of its own.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from models.protocol import FLASH_END

#: The flash's pins, as whoever reads it sees them; `selected` is high while the flash is.
FLASH_PINS = wiring.Signature({"selected": Out(1), "sck": Out(1), "copi": Out(1), "cipo": In(1)})

#: Clock cycles of a bit, half of them with `sck` high; at 48 MHz a byte takes 2.7 us, as long as
#: on the UART (3.3 us), so the link keeps up.
BIT_CYCLES = 16
_PHASE_BITS = (BIT_CYCLES - 1).bit_length()

#: Commands of all serial flashes (JEDEC): the configuration logic leaves the flash asleep.
RELEASE_POWER_DOWN, READ = 0xAB, 0x03

#: Before the first byte that is read: one to rest, the release, 24 for the flash to wake up in
#: (64 us at 48 MHz; the slowest in use takes 35), a command and its address.
FIRST_BYTE, RELEASE_BYTE, READ_BYTE = 31, 1, 27
_PREAMBLE_BITS = FIRST_BYTE.bit_length()

#: Bytes, these included, after which reading ends whatever was read: 0.7 s at 48 MHz. The largest
#: store's image has 160,000.
MOST_BYTES_LOG2 = 18


class FlashReader(wiring.Component):
    """Read bytes from the flash until they end, once.

    Image. It ends where a frame begins with 0xFF (`models.protocol.FLASH_END`), which no frame
    does and an erased flash consists of; and after 2^`most_bytes_log2` bytes.

    SPI mode 0. Latency: the first byte comes 32 bytes' time after the reset. Throughput: one byte
    in 128 cycles, none is held up.

    Parameters
    ----------
    offset : int
        Address of the image in the flash, 24 bits.
    most_bytes_log2 : int
        Bounds the bytes, 32 before the image included; at least 6.

    Members
    -------
    pins : Out(FLASH_PINS)
        Outputs come from registers; `cipo` may come some cycles late.
    bytes : Out(stream of 8 bits, always ready)
        Valid for one cycle.
    busy : Out(1)
        Until the image's end.
    ended : Out(1)
        Strobe: it is over.
    network_valid : In(1)
        The engine has a network.
    loaded : Out(1)
        There was an image, and at its end a network.
    failed : Out(1)
        There was an image, and at its end no network.
    """

    pins: Out(FLASH_PINS)
    bytes: Out(stream.Signature(8, always_ready=True))
    busy: Out(1, init=1)
    ended: Out(1)
    network_valid: In(1)
    loaded: Out(1)
    failed: Out(1)

    def __init__(self, offset: int, most_bytes_log2: int = MOST_BYTES_LOG2) -> None:
        self.offset = offset
        self.most_bytes_log2 = most_bytes_log2
        super().__init__()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # One counter: cycles of a bit, bits of a byte, bytes, and the end of time.
        time = Signal(_PHASE_BITS + 3 + self.most_bytes_log2 + 1)
        bit = time[_PHASE_BITS : _PHASE_BITS + 3]
        byte = time[_PHASE_BITS + 3 : -1]
        reading = Signal()  # the preamble is over
        shift = Signal(8, reset_less=True)
        bit_ends, byte_ends, whole = Signal(), Signal(), Signal()
        at_start = Signal(init=1)  # of a frame
        present = Signal()
        end = Signal()
        m.d.comb += [
            bit_ends.eq(time[:_PHASE_BITS].all()),
            byte_ends.eq(bit_ends & bit.all()),
            end.eq(whole & at_start & (shift == FLASH_END) | time[-1]),
            self.bytes.payload.eq(shift),
            self.bytes.valid.eq(whole & ~end),
        ]
        with m.If(self.busy):
            m.d.sync += time.eq(time + 1)
        with m.If(byte_ends & (byte[:_PREAMBLE_BITS] == FIRST_BYTE - 1)):
            m.d.sync += reading.eq(1)

        # What is sent in each bit of the preamble; afterwards it does not matter.
        command = Signal(8)
        with m.Switch(byte[:_PREAMBLE_BITS]):
            for number, value in self._preamble().items():
                with m.Case(number):
                    m.d.comb += command.eq(value)
        m.d.sync += [
            self.pins.selected.eq(
                self.busy
                & (
                    reading
                    | (byte[:_PREAMBLE_BITS] == RELEASE_BYTE)
                    | (byte[:_PREAMBLE_BITS] >= READ_BYTE)
                )
            ),
            self.pins.copi.eq(command.bit_select(~bit, 1)),
            self.pins.sck.eq(time[_PHASE_BITS - 1] & self.pins.selected),
        ]

        with m.If(bit_ends):
            m.d.sync += shift.eq(Cat(self.pins.cipo, shift))
        m.d.sync += whole.eq(byte_ends & reading & self.busy)
        with m.If(self.bytes.valid):
            m.d.sync += [at_start.eq(shift == 0), present.eq(1)]
        m.d.sync += self.ended.eq(end & self.busy)
        with m.If(end & self.busy):
            m.d.sync += [
                self.busy.eq(0),
                self.loaded.eq(present & self.network_valid),
                self.failed.eq(present & ~self.network_valid),
            ]
        return m

    def _preamble(self) -> dict[int, int]:
        """Return the bytes that are sent, by their number."""
        address = self.offset.to_bytes(3, "big")
        return {RELEASE_BYTE: RELEASE_POWER_DOWN, **dict(enumerate([READ, *address], READ_BYTE))}
