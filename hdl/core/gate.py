"""The gate unit: the additive ReLU gate in integers, without a product."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.core.arithmetic import add_with_carry
from hdl.core.signatures import DELTA_BITS, SUM_BITS, THETA_BITS
from models.spec import FRACTION_BITS

#: Cycles from sums at the input to the new state at the output.
LATENCY = 6


class GateUnit(wiring.Component):
    """``h' = h + clip(softshrink(c - h, theta), -z, z)``.

    With ``z = clip(inhibition >> F, 0, 2 M + 1)`` and ``c = clip(candidate >> F, -M, M)``.

    Latency `LATENCY`; throughput one unit a cycle. `state` is taken two cycles
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
    minus_theta : In(signed(9))
        Negative of the dead zone, which is 0 to 2 M.
    done : Out(1)
        `new_state` and what follows belong to a unit.
    new_state : Out(signed(8))
    delta : Out(signed(9))
        The new state less the old one.
    changed : Out(1)
        It is not zero.
    busy : Out(1)
        A unit is under way, from `valid` to `done`.
    """

    valid: In(1)
    inhibition: In(signed(SUM_BITS))
    candidate: In(signed(SUM_BITS))
    fetch: Out(1)
    state: In(signed(8))
    limit: In(7)
    minus_theta: In(signed(THETA_BITS))
    done: Out(1)
    new_state: Out(signed(8))
    delta: Out(signed(DELTA_BITS))
    changed: Out(1)
    busy: Out(1)

    def elaborate(self, platform):
        m = Module()
        valid = [self.valid] + [Signal(name=f"valid_{n}") for n in range(1, LATENCY)]
        for n in range(1, LATENCY):
            m.d.sync += valid[n].eq(valid[n - 1])
        m.d.sync += self.done.eq(valid[-1])
        m.d.comb += [self.fetch.eq(valid[1]), self.busy.eq(Cat(valid, self.done).any())]

        # Stage 0: shift, and compare with the bounds. Both are all ones (2 M + 1 = 2^(hb+1) - 1
        # and M = 2^hb - 1), so "too large" is any bit above the mask, and the mask is the bound.
        pz = self.inhibition[FRACTION_BITS:]
        pc = self.candidate[FRACTION_BITS:]
        z_0 = Signal(8, reset_less=True)
        c_0 = Signal(signed(8), reset_less=True)
        negative_z = Signal(reset_less=True)
        beyond_z = Signal(reset_less=True)
        # Whether the candidate is beyond its bound, in three parts: one would be too long a path.
        beyond_low_c = Signal(reset_less=True)
        above_any_c = Signal(reset_less=True)
        above_all_c = Signal(reset_less=True)
        at_limit_c = Signal(reset_less=True)
        mask_z = Signal(8)
        magnitude_c = Signal(7)  # of a negative number: less one, so -M is M - 1
        m.d.comb += [
            mask_z.eq(Cat(1, self.limit)),
            magnitude_c.eq(pc[:7] ^ pc[-1].replicate(7)),
        ]
        m.d.sync += [
            z_0.eq(pz[:8]),
            negative_z.eq(pz[-1]),
            beyond_z.eq((pz[:8] & ~mask_z).any() | pz[8:-1].any()),
            c_0.eq(Cat(pc[:7], pc[-1])),
            # Bits above the largest mask are the sign, or the value is beyond.
            beyond_low_c.eq((magnitude_c & ~self.limit).any()),
            above_any_c.eq(pc[7:].any()),
            above_all_c.eq(pc[7:].all()),
            at_limit_c.eq(magnitude_c == self.limit),
        ]

        # Stage 1: the bounds themselves.
        beyond_c = Signal()
        low = Signal(signed(8))
        z = Signal(8, reset_less=True)
        not_c = Signal(signed(8), reset_less=True)
        m.d.comb += [
            beyond_c.eq(beyond_low_c | (above_any_c & ~above_all_c)),
            low.eq(Cat(1, ~self.limit[1:], 1)),  # -M, since M is all ones
        ]
        m.d.sync += [
            z.eq((z_0 | beyond_z.replicate(8)) & mask_z & (~negative_z).replicate(8)),
            not_c.eq(
                ~Mux(
                    beyond_c | (c_0[-1] & at_limit_c),
                    Mux(c_0[-1], low, self.limit),
                    c_0,
                )
            ),
        ]

        # Stage 2: the difference h - c. What is subtracted is kept inverted, here and below,
        # because a carry chain takes its operands as they are.
        difference = Signal(signed(9), reset_less=True)
        h_3 = Signal(signed(8), reset_less=True)
        z_3 = Signal(8, reset_less=True)
        m.d.sync += [
            difference.eq(add_with_carry(self.state, not_c, Const(1, 1))),
            h_3.eq(self.state),
            z_3.eq(z),
        ]

        # Stage 3: its magnitude beyond the dead zone. A negative number's magnitude is its
        # complement plus one, and the one is the adder's carry.
        upwards = difference[-1]
        complemented = Signal(signed(9))
        reach = Signal(signed(10))
        upwards_4 = Signal(reset_less=True)
        beyond_theta = Signal(8, reset_less=True)
        not_z = Signal(8, reset_less=True)
        h_4 = Signal(signed(8), reset_less=True)
        m.d.comb += [
            complemented.eq(difference[:8] ^ upwards.replicate(8)),
            reach.eq(add_with_carry(complemented, self.minus_theta, upwards)),
        ]
        m.d.sync += [
            upwards_4.eq(upwards),
            beyond_theta.eq(Mux(reach < 0, 0, reach[:8])),
            not_z.eq(~z_3),
            h_4.eq(h_3),
        ]

        # Stage 4: no further than the inhibition lets it; complemented if it is downwards.
        downwards_5 = Signal(reset_less=True)
        move = Signal(8, reset_less=True)
        some = Signal(reset_less=True)
        too_far = Signal()
        h_5 = Signal(signed(8), reset_less=True)
        m.d.comb += too_far.eq((beyond_theta + not_z)[8])  # beyond_theta > z
        m.d.sync += [
            downwards_5.eq(~upwards_4),
            move.eq(Mux(too_far, ~not_z, beyond_theta) ^ (~upwards_4).replicate(8)),
            some.eq(beyond_theta.any() & ~not_z.all()),
            h_5.eq(h_4),
        ]

        # Stage 5: the new state.
        signed_move = Cat(move, downwards_5).as_signed()
        m.d.sync += [
            self.delta.eq(add_with_carry(signed_move, Const(0, 1), downwards_5)),
            self.new_state.eq(add_with_carry(h_5, move.as_signed(), downwards_5)),
            self.changed.eq(some),
        ]
        return m
