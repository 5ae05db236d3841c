"""The faults in the link."""

from sim.mutation.fault import Fault

UART = "hdl/link/uart.py"
COBS = "hdl/link/cobs.py"
RECEIVER = "hdl/link/receiver.py"
TRANSMITTER = "hdl/link/transmitter.py"
COMMANDS = "hdl/link/commands.py"
CONTROL = "hdl/link/control.py"
REGISTERS = "hdl/link/registers.py"
FIELDS = "hdl/link/fields.py"
FLASH = "hdl/link/flash.py"
LINK = "hdl/link/link.py"

LINK_FAULTS = (
    Fault(
        "UART samples at a bit's edge",
        UART,
        "timer.eq(self.divisor // 2 - 1), shift",
        "timer.eq(0), shift",
    ),
    Fault("UART's watchdog sleeps", UART, "quiet.eq(quiet + 1)", "quiet.eq(0)"),
    Fault(
        "UART takes a byte without a stop bit",
        UART,
        "self.bytes.valid.eq(line)",
        "self.bytes.valid.eq(1)",
    ),
    Fault(
        "UART sends no stop bit",
        UART,
        "self.bytes.payload & valid.replicate(8), valid)",
        "self.bytes.payload & valid.replicate(8))",
    ),
    Fault(
        "COBS loses the zero between pieces",
        COBS,
        "zero.eq(self.bytes.payload != FULL_CODE)",
        "zero.eq(0)",
    ),
    Fault(
        "COBS makes a zero after a full piece",
        COBS,
        "zero.eq(self.bytes.payload != FULL_CODE)",
        "zero.eq(1)",
    ),
    Fault("COBS encoder ends a piece late", COBS, "full.eq(code == FULL_CODE)", "full.eq(0)"),
    Fault(
        "damage is forgotten while it is counted",
        RECEIVER,
        "with m.If(~damaged & self.error_counted):",
        "with m.If(self.error_counted):",
    ),
    Fault(
        "frame that fills the ring is committed",
        COBS,
        """            with m.If(room):
                m.d.sync += self.committed""",
        """            with m.If(1):
                m.d.sync += self.committed""",
    ),
    Fault(
        "a bit of an exact length is not compared",
        COMMANDS,
        "(remaining[3:] == remaining[1:3].all().replicate(LENGTH_BITS - 3))",
        "(remaining[4:] == remaining[1:3].all().replicate(LENGTH_BITS - 4))",
    ),
    Fault(
        "byte in a drain lengthens the SYNC",
        RECEIVER,
        "with m.If(byte & counting):",
        "with m.If(byte):",
    ),
    Fault(
        "damaged frames are taken", RECEIVER, "(comparing & shifting & different)", "Const(0, 1)"
    ),
    Fault(
        "sequence numbers are not looked at",
        RECEIVER,
        "in_sequence.eq(older == expected)",
        "in_sequence.eq(1)",
    ),
    Fault(
        "a frame that does not fit is taken",
        RECEIVER,
        "full.eq(counting & (write_pointer == read_pointer))",
        "full.eq(0)",
    ),
    Fault("requests of before a SYNC stay", RECEIVER, 'fsm.go("DRAIN")', 'fsm.go("COMMIT")'),
    Fault(
        "responses are never freed", TRANSMITTER, "with m.If(freeable):", "with m.If(freeable & 0):"
    ),
    Fault("responses are never repeated", TRANSMITTER, "again.eq(1)", "again.eq(0)"),
    Fault(
        "one response too many is freed", TRANSMITTER, "wanted - oldest)", "wanted + 1 - oldest)"
    ),
    Fault(
        "a wrong checksum is accepted",
        COMMANDS,
        "with m.If(strobes.compare & ~same):",
        "with m.If(strobes.compare & 0):",
    ),
    Fault(
        "last step of a frame is not due",
        COMMANDS,
        "& registers.none_left)\n                |",
        "& 0)\n                |",
    ),
    Fault(
        "label only is not heard",
        COMMANDS,
        "now.label_only.eq((flags & StepFlags.LABEL_ONLY).any())",
        "now.label_only.eq(0)",
    ),
    Fault("FIRST does not reset", CONTROL, '("first", "FIRST"), ("", "STEP")', '("", "STEP")'),
    Fault(
        "WRITE leaves the network valid",
        CONTROL,
        '"WRITE": _go("invalidate", ',
        '"WRITE": _go("", ',
    ),
    Fault(
        "READ_STATE ignores its offset",
        CONTROL,
        '"ADDRESS_LOW": _go("take address_shift"',
        '"ADDRESS_LOW": _go("take address_clear"',
    ),
    Fault("steps are not counted", CONTROL, '"issue set_step_done"', '"issue"'),
    Fault(
        "words are written a byte early",
        REGISTERS,
        "self.byte == self.parameters.word_bytes - 1",
        "self.byte == self.parameters.word_bytes - 2",
    ),
    Fault(
        "an empty device shows a network",
        FIELDS,
        "Cat(self.network_valid, Const(0, 3)",
        "Cat(Const(1, 4)",
    ),
    Fault(
        "requests are taken before a SYNC",
        RECEIVER,
        "Signal(9, init=NOTHING_EXPECTED)",
        "Signal(9)",
    ),
    Fault(
        "an acknowledgement frees what was not sent",
        TRANSMITTER,
        " & (tail != send)),",
        "),",
    ),
    Fault(
        "requests may follow the flash's",
        LINK,
        "receiver.forget.eq(flash.ended)",
        "receiver.forget.eq(0)",
    ),
    Fault("flash is read from 0", FLASH, "self.offset.to_bytes(3", "(0).to_bytes(3"),
    Fault("flash is not woken up", FLASH, "(byte[:_PREAMBLE_BITS] == RELEASE_BYTE)", "0"),
    Fault("flash is read before it is awake", FLASH, "31, 1, 27", "8, 1, 4"),
    Fault(
        "flash's bits come in the wrong order",
        FLASH,
        "Cat(self.pins.cipo, shift)",
        "Cat(shift[1:], self.pins.cipo)",
    ),
    Fault(
        "flash's bits are sampled before they come",
        FLASH,
        "bit_ends.eq(time[:_PHASE_BITS].all())",
        "bit_ends.eq(time[:_PHASE_BITS] == 0)",
    ),
    Fault("any 0xFF ends the flash's image", FLASH, "whole & at_start & (", "whole & ("),
    Fault("a flash without an end is read for ever", FLASH, " | time[-1])", ")"),
    Fault("an erased flash counts as bad", FLASH, "self.failed.eq(present & ", "self.failed.eq("),
    Fault(
        "a bad network in the flash is not told",
        FLASH,
        "self.failed.eq(present & ~self.network_valid)",
        "self.failed.eq(0)",
    ),
    Fault(
        "the UART is heard while the flash is read",
        LINK,
        "(uart.valid & ~flash.busy)",
        "uart.valid",
    ),
)
