"""The frames' CRC-16: CRC-16/CCITT-FALSE, `binascii.crc_hqx(data, 0xFFFF)`.

Receiver and transmitter compute it bit by bit, most significant first, while a byte moves
through a register. That is a third of the logic of a CRC that takes a byte a cycle, and bytes
on a UART are at least 40 cycles apart.
"""

CRC16_POLYNOMIAL = 0x1021
CRC16_INIT = 0xFFFF
