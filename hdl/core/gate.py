"""The gate unit: the additive ReLU gate in integers, without a product."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import SUM_BITS
from models.spec import FRACTION_BITS

#: Cycles from sums at the input to the new state at the output.
LATENCY = 6


class GateUnit(wiring.Component):
    """``h' = h + clip(softshrink(c - h, theta), -z, z)``.

    With ``z = clip(inhibition >> F, 0, 2 M + 1)`` and ``c = clip(candidate >> F, -M, M)``.

    Latency `LATENCY`; throughput one unit every second cycle. `state` is taken two cycles
    after `valid` announces the unit's sums, one after `fetch`.

    Members
    -------
    valid : In(1)
        Sums are there.
    inhibition, candidate : In(signed(24))
        Sums with bias, before the shift by F.
    fetch : Out(1)
        In the next cycle `state` is taken.
    state : In(signed(8))
        The unit's h.
    limit : In(7)
        M = 2^hb - 1.
    theta : In(8)
        Dead zone, 0 to 2 M.
    done : Out(1)
        `new_state` and `old_state` belong to a unit.
    new_state, old_state : Out(signed(8))
    changed : Out(1)
        They differ.
    """

    valid: In(1)
    inhibition: In(signed(SUM_BITS))
    candidate: In(signed(SUM_BITS))
    fetch: Out(1)
    state: In(signed(8))
    limit: In(7)
    theta: In(8)
    done: Out(1)
    new_state: Out(signed(8))
    old_state: Out(signed(8))
    changed: Out(1)

    def elaborate(self, platform):
        m = Module()
        valid = [self.valid] + [Signal(name=f"valid_{n}") for n in range(1, LATENCY)]
        for n in range(1, LATENCY):
            m.d.sync += valid[n].eq(valid[n - 1])
        m.d.sync += self.done.eq(valid[-1])
        m.d.comb += self.fetch.eq(valid[1])

        # Stage 0: shift, and saturate to eight bits.
        pz = self.inhibition[FRACTION_BITS:]
        pc = self.candidate[FRACTION_BITS:]
        z_0 = Signal(8, reset_less=True)
        c_0 = Signal(signed(8), reset_less=True)
        negative = pc[-1]
        m.d.sync += [
            z_0.eq(Mux(pz[-1], 0, pz[:8] | pz[8:-1].any().replicate(8))),
            c_0.eq(
                Mux((pc[7:] == 0) | pc[7:].all(), pc[:8], Cat((~negative).replicate(7), negative))
            ),
        ]

        # Stage 1: the network's own bounds. Both are all ones (2 M + 1 = 2^(hb+1) - 1 and
        # M = 2^hb - 1), so "too large" is any bit above the mask, and the mask is the bound.
        mask_z = Signal(8)
        low = Signal(signed(8))
        magnitude_c = Signal(7)  # of a negative number: less one, so -M is M - 1
        beyond = Signal()
        z = Signal(8, reset_less=True)
        c = Signal(signed(8), reset_less=True)
        m.d.comb += [
            mask_z.eq(Cat(1, self.limit)),
            low.eq(-self.limit),
            magnitude_c.eq(c_0[:7] ^ c_0[-1].replicate(7)),
            beyond.eq((magnitude_c & ~self.limit).any()),
        ]
        with m.If(valid[1]):
            m.d.sync += z.eq((z_0 | (z_0 & ~mask_z).any().replicate(8)) & mask_z)
        m.d.sync += [
            c.eq(
                Mux(
                    beyond | (c_0[-1] & (magnitude_c == self.limit)),
                    Mux(c_0[-1], low, self.limit),
                    c_0,
                )
            ),
        ]

        # Stage 2: the difference, both ways round, so that its magnitude is only a choice.
        # A unit's sums take two slots at least, so units come every second cycle at most, and
        # z and h need a register for every second stage only.
        up = Signal(signed(9), reset_less=True)
        down = Signal(signed(9), reset_less=True)
        h_3 = Signal(signed(8), reset_less=True)
        m.d.sync += [up.eq(c - self.state), down.eq(self.state - c)]
        with m.If(valid[2]):
            m.d.sync += h_3.eq(self.state)

        # Stage 3: its magnitude beyond the dead zone.
        sign_4 = Signal(reset_less=True)
        magnitude = Signal(8)
        beyond_theta = Signal(8, reset_less=True)
        reach = Signal(signed(10))
        z_4 = Signal(8, reset_less=True)
        m.d.comb += [
            magnitude.eq(Mux(up[-1], down, up)),
            reach.eq(magnitude - self.theta),
        ]
        m.d.sync += [
            sign_4.eq(up[-1]),
            beyond_theta.eq(Mux(reach < 0, 0, reach[:8])),
            z_4.eq(z),
        ]

        # Stage 4: no further than the inhibition lets it.
        sign_5 = Signal(reset_less=True)
        move = Signal(8, reset_less=True)
        h_5 = Signal(signed(8), reset_less=True)
        m.d.sync += [
            sign_5.eq(sign_4),
            move.eq(Mux(beyond_theta > z_4, z_4, beyond_theta)),
        ]
        with m.If(valid[4]):
            m.d.sync += h_5.eq(h_3)

        # Stage 5: the new state.
        m.d.comb += self.old_state.eq(h_5)
        m.d.sync += [
            self.new_state.eq(Mux(sign_5, h_5 - move, h_5 + move)),
            self.changed.eq(move != 0),
        ]
        return m
