"""The link: its parts and their connections.

::

    rx -> UARTReceiver -> COBSDecoder -> FrameReceiver (buffer) -> CommandUnit <-> engine
                                              | acknowledge, repeat     |
                                              v                         v responses
    tx <- UARTTransmitter <------------ FrameTransmitter (ring) <-------+
"""

from typing import Any

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.core.parameters import EngineParameters
from hdl.link.cobs import COBSDecoder
from hdl.link.commands import CommandUnit
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

    Members
    -------
    rx : In(1)
        Asynchronous; synchronized here.
    tx : Out(1)
    reset : In(1)
        After power-up, until the clock is stable.
    engine : Out(engine_signature)
    """

    def __init__(self, parameters: EngineParameters, clock_hz: int, baud: int) -> None:
        self.parameters = parameters
        self.clock_hz = clock_hz
        self.divisor = divisor(clock_hz, baud)
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1, init=1),
                "reset": In(1),
                "engine": Out(engine_signature(parameters.word_bits)),
            }
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

        connect(m, uart_receiver.bytes, decoder.bytes)
        connect(m, decoder.frames, receiver.frames)
        connect(m, receiver.requests, commands.requests)
        connect(m, commands.responses, transmitter.frames)
        connect(m, transmitter.bytes, uart_transmitter.bytes)
        connect(m, commands.engine, flipped(self.engine))
        m.d.comb += [
            uart_receiver.rx.eq(self.rx),
            self.tx.eq(uart_transmitter.tx),
            receiver.malformed.eq(decoder.malformed),
            receiver.framing_error.eq(uart_receiver.framing_error),
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
