"""The link: its parts and their connections.

::

    rx -> UARTReceiver -> COBSDecoder -> FrameReceiver (buffer) -> CommandUnit <-> engine
                                              | acknowledge, repeat     |
                                              v                         v responses
    tx <- UARTTransmitter <------------ FrameTransmitter (ring) <-------+

Where the board's flash may hold a network, a FlashReader stands beside the UARTReceiver and has the
decoder to itself until the flash's image ends.
"""

from typing import Any

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.core.parameters import EngineParameters
from hdl.link.cobs import COBSDecoder
from hdl.link.commands import CommandUnit
from hdl.link.flash import FLASH_PINS, FlashReader
from hdl.link.receiver import FrameReceiver
from hdl.link.signatures import engine_signature
from hdl.link.transmitter import FrameTransmitter
from hdl.link.uart import UARTReceiver, UARTTransmitter, divisor


class Link(wiring.Component):
    """Everything between the UART's two wires and the engine.

    Parameters
    ----------
    parameters : EngineParameters
        The engine behind the link.
    clock_hz, baud : int
        Frequency of the clock, bits a second on the wires.
    flash_offset : int, optional
        Where the board's flash may hold a network; None is a board without flash.

    Members
    -------
    rx : In(1)
        Asynchronous; synchronized here.
    tx : Out(1)
    reset : In(1)
        After power-up, until the clock is stable.
    engine : Out(engine_signature)
    flash : Out(FLASH_PINS)
        With `flash_offset` only.
    flash_failed : Out(1)
        With `flash_offset` only: the flash held a network, and it was bad.
    """

    def __init__(
        self,
        parameters: EngineParameters,
        clock_hz: int,
        baud: int,
        flash_offset: int | None = None,
    ) -> None:
        self.parameters = parameters
        self.flash_offset = flash_offset
        self.clock_hz = clock_hz
        self.divisor = divisor(clock_hz, baud)
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1, init=1),
                "reset": In(1),
                "engine": Out(engine_signature(parameters.word_bits)),
            }
            | ({} if flash_offset is None else {"flash": Out(FLASH_PINS), "flash_failed": Out(1)})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        uart_receiver = UARTReceiver(self.divisor)
        decoder = COBSDecoder()
        receiver = FrameReceiver()
        commands = CommandUnit(self.parameters, self.clock_hz)
        transmitter = FrameTransmitter()
        uart_transmitter = UARTTransmitter(self.divisor)
        m.submodules.uart_receiver = ResetInserter(self.reset)(uart_receiver)
        m.submodules.decoder = ResetInserter(self.reset)(decoder)
        m.submodules.receiver = ResetInserter(self.reset)(receiver)
        m.submodules.uart_transmitter = ResetInserter(self.reset)(uart_transmitter)
        # What SYNC puts back to its beginning has one register for a reset (see `Engine`).
        restart = Signal()
        m.d.sync += restart.eq(receiver.restart | self.reset)
        m.submodules.commands = ResetInserter(restart)(commands)
        m.submodules.transmitter = transmitter

        uart = uart_receiver.bytes
        if self.flash_offset is None:
            connect(m, uart, decoder.bytes)
            m.d.comb += receiver.framing_error.eq(uart_receiver.framing_error)
        else:
            m.submodules.flash_reader = flash = ResetInserter(self.reset)(
                FlashReader(self.flash_offset)
            )
            connect(m, flash.pins, flipped(self.flash))
            m.d.comb += [
                decoder.bytes.valid.eq(flash.bytes.valid | (uart.valid & ~flash.busy)),
                decoder.bytes.payload.eq(Mux(flash.busy, flash.bytes.payload, uart.payload)),
                receiver.framing_error.eq(uart_receiver.framing_error & ~flash.busy),
                # A host's next request must not pass for one that follows the flash's.
                receiver.forget.eq(flash.ended),
                flash.network_valid.eq(self.engine.network_valid),
                commands.flash_loaded.eq(flash.loaded),
                commands.flash_failed.eq(flash.failed),
                self.flash_failed.eq(flash.failed),
            ]
        connect(m, decoder.frames, receiver.frames)
        connect(m, receiver.requests, commands.requests)
        connect(m, commands.responses, transmitter.frames)
        connect(m, transmitter.bytes, uart_transmitter.bytes)
        connect(m, commands.engine, flipped(self.engine))
        m.d.comb += [
            uart_receiver.rx.eq(self.rx),
            self.tx.eq(uart_transmitter.tx),
            receiver.malformed.eq(decoder.malformed),
            transmitter.acknowledge.eq(receiver.acknowledge),
            transmitter.acknowledged.eq(receiver.acknowledged),
            transmitter.repeat.eq(receiver.repeat),
            transmitter.restart.eq(restart),
            transmitter.sequence.eq(receiver.sequence),
            commands.link_errors.eq(receiver.link_errors),
            receiver.error_counted.eq(commands.error_counted),
            self.engine.soft_reset.eq(receiver.restart | self.reset),
        ]
        return m
