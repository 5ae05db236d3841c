"""The frames' CRC-16, bit by bit."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

#: CRC-16/CCITT-FALSE, `binascii.crc_hqx(data, 0xFFFF)`; most significant bit first.
CRC16_POLYNOMIAL = 0x1021
CRC16_INIT = 0xFFFF


class SerialCRC(wiring.Component):
    """Compute the CRC while a byte is shifted out of its register.

    That is a third of the logic of a CRC that takes a byte a cycle, and bytes on a UART are
    at least 40 cycles apart.

    Latency: eight cycles after `load`; the next byte may come in the ninth.

    Members
    -------
    clear : In(1)
        Strobe: a new frame.
    load : In(1)
        Strobe: take `data`.
    data : In(8)
    crc : Out(16)
    """

    clear: In(1)
    load: In(1)
    data: In(8)
    crc: Out(16, init=CRC16_INIT)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        byte = Signal(8, reset_less=True)
        count = Signal(4, init=8)
        feedback = Signal()
        m.d.comb += feedback.eq(self.crc[-1] ^ byte[-1])
        with m.If(self.load):
            m.d.sync += [byte.eq(self.data), count.eq(0)]
        with m.Elif(~count[3]):
            taps = CRC16_POLYNOMIAL & feedback.replicate(16)
            m.d.sync += [
                byte.eq(byte << 1),
                self.crc.eq((self.crc << 1) ^ taps),
                count.eq(count + 1),
            ]
        with m.If(self.clear):
            m.d.sync += self.crc.eq(CRC16_INIT)
        return m
