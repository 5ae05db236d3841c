"""The UART on its pins."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.link.uart import UARTReceiver, UARTTransmitter
from sim.runner import run_bench


class UART(wiring.Component):
    """Both halves of a UART, one beside the other."""

    def __init__(self, divisor):
        self.divisor = divisor
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1, init=1),
                "receive": Out(stream.Signature(8, always_ready=True)),
                "send": In(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UARTReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UARTTransmitter(self.divisor)
        wiring.connect(m, receiver.bytes, wiring.flipped(self.receive))
        wiring.connect(m, wiring.flipped(self.send), transmitter.bytes)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        return m


@pytest.mark.parametrize("divisor, errors", [(16, [-0.025, 0.0, 0.025]), (4, [0.0])])
def test_uart_bears_baud_error(simulator, divisor, errors):
    run_bench(
        UART(divisor),
        "sim.benches.uart",
        simulator,
        name=f"uart-{divisor}",
        data={"divisor": divisor, "errors": errors},
    )
