"""The gate unit: the additive ReLU gate in integers, without a product."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.signatures import SUM_BITS
from models.spec import FRACTION_BITS

#: Cycles from sums at the input to the new state at the output.
LATENCY = 5


class GateUnit(wiring.Component):
    """``h' = h + clip(softshrink(c - h, theta), -z, z)``.

    With ``z = clip(inhibition >> F, 0, 2 M + 1)`` and ``c = clip(candidate >> F, -M, M)``.

    Latency `LATENCY`; throughput one unit a cycle. `state` belongs to the cycle after the one
    in which `valid` announces its sums.

    Members
    -------
    valid : In(1)
        Sums are there.
    inhibition, candidate : In(signed(24))
        Sums with bias, before the shift by F.
    state : In(signed(8))
        The unit's h, one cycle after `valid`.
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

        # Stage 0: shift and saturate. Both bounds are all ones (2 M + 1 = 2^(hb+1) - 1 and
        # M = 2^hb - 1), so "too large" is any bit above the mask, and a mask is the bound.
        pz = (self.inhibition >> FRACTION_BITS)[: SUM_BITS - FRACTION_BITS]
        pc = (self.candidate >> FRACTION_BITS)[: SUM_BITS - FRACTION_BITS]
        mask_z = Signal(8)
        m.d.comb += mask_z.eq((self.limit << 1) | 1)
        z = Signal(8, reset_less=True)
        above = (pz[:8] & ~mask_z).any() | pz[8:].any()
        m.d.sync += z.eq(Mux(pz[-1], 0, Mux(above, mask_z, pz[:8])))

        # For the candidate, magnitude - 1 of a negative number is its complement:
        # c < -M means ~c >= M.
        negative = pc[-1]
        folded = Signal(len(pc))
        m.d.comb += folded.eq(Mux(negative, ~pc, pc))
        beyond = (folded[:7] & ~self.limit).any() | folded[7:].any()
        c = Signal(signed(8), reset_less=True)
        low = Signal(signed(8))
        m.d.comb += low.eq(-self.limit)
        at_floor = negative & (folded[:7] == self.limit)
        m.d.sync += c.eq(Mux(beyond | at_floor, Mux(negative, low, self.limit), pc[:8].as_signed()))

        # Stage 1: the difference.
        difference = Signal(signed(9), reset_less=True)
        h_2 = Signal(signed(8), reset_less=True)
        z_2 = Signal(8, reset_less=True)
        m.d.sync += [difference.eq(c - self.state), h_2.eq(self.state), z_2.eq(z)]

        # Stage 2: its magnitude beyond the dead zone.
        sign_3 = Signal(reset_less=True)
        magnitude = Signal(8)
        beyond_theta = Signal(8, reset_less=True)
        reach = Signal(signed(10))
        m.d.comb += [
            magnitude.eq(Mux(difference[-1], -difference, difference)),
            reach.eq(magnitude - self.theta),
        ]
        h_3 = Signal(signed(8), reset_less=True)
        z_3 = Signal(8, reset_less=True)
        m.d.sync += [
            sign_3.eq(difference[-1]),
            beyond_theta.eq(Mux(reach < 0, 0, reach[:8])),
            h_3.eq(h_2),
            z_3.eq(z_2),
        ]

        # Stage 3: no further than the inhibition lets it.
        sign_4 = Signal(reset_less=True)
        move = Signal(8, reset_less=True)
        h_4 = Signal(signed(8), reset_less=True)
        m.d.sync += [
            sign_4.eq(sign_3),
            move.eq(Mux(beyond_theta > z_3, z_3, beyond_theta)),
            h_4.eq(h_3),
        ]

        # Stage 4: the new state.
        m.d.sync += [
            self.new_state.eq(Mux(sign_4, h_4 - move, h_4 + move)),
            self.old_state.eq(h_4),
            self.changed.eq(move != 0),
        ]
        return m
