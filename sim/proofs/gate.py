"""The gate unit against its specification."""

from amaranth.hdl import Cat, Const, Mux, Signal, Value, signed

from hdl.core.gate import LATENCY, GateUnit
from models.spec import FRACTION_BITS
from sim.mutants import Mutant
from sim.proofs.base import Harness, Opened, Proof, implies

#: Cycles after `valid` in which the state is taken.
STATE_AT = 2


def clip(value: Value, low: Value, high: Value) -> Value:
    """Return the value, or the bound that it is beyond."""
    return Mux(value < low, low, Mux(value > high, high, value))


class GateHarness(Harness):
    """Any sums, any network, any state in its range; the answer is written out anew."""

    def __init__(self) -> None:
        super().__init__()
        m = self.m
        gate = GateUnit()
        inside = self.add("dut", gate)
        self.free_inputs(gate, "limit", "minus_theta")

        bits = self.rigid(3, "fraction_bits")
        theta = self.rigid(8, "theta")
        largest = Signal(signed(9))
        self.assume((bits >= 3) & (bits <= 7))
        m.d.comb += [
            largest.eq((Const(1, 8) << bits) - 1),
            gate.limit.eq(largest),
            gate.minus_theta.eq(-theta),
        ]
        self.assume(theta <= 2 * largest)
        # What the state memory keeps to.
        self.assume(
            implies(
                self.before(gate.valid, STATE_AT),
                (gate.state >= -largest) & (gate.state <= largest),
            )
        )

        shifted_z = self.before(gate.inhibition >> FRACTION_BITS, LATENCY)
        shifted_c = self.before(gate.candidate >> FRACTION_BITS, LATENCY)
        h = self.before(gate.state, LATENCY - STATE_AT)
        z = Signal(signed(9))
        c = Signal(signed(8))
        difference = Signal(signed(9))
        shrunk = Signal(signed(9))
        expected = Signal(signed(10))
        m.d.comb += [
            z.eq(clip(shifted_z, Const(0), 2 * largest + 1)),
            c.eq(clip(shifted_c, -largest, largest)),
            difference.eq(c - h),
            shrunk.eq(
                Mux(
                    difference > theta,
                    difference - theta,
                    Mux(difference < -theta, difference + theta, 0),
                )
            ),
            expected.eq(h + clip(shrunk, -z, z)),
        ]
        self._claim_parts(inside, gate, largest)
        done = gate.done
        under_way = Cat(self.before(gate.valid, n) for n in range(LATENCY + 1))
        self.claim(done == self.before(gate.valid, LATENCY), "a unit is lost or made up")
        self.claim(gate.busy == under_way.any(), "busy while nothing is under way, or the reverse")
        self.claim(gate.fetch == self.before(gate.valid), "the state is asked for at another time")
        self.claim(implies(done, gate.new_state == expected), "not the new state")
        self.claim(implies(done, gate.delta == expected - h), "not the difference")
        self.claim(implies(done, gate.changed == (expected != h)), "changed is wrong")
        self.claim(
            implies(done & (shifted_z <= 0), (gate.new_state == h) & ~gate.changed),
            "it moves though the inhibition is zero",
        )
        self.claim(
            implies(done, (gate.new_state >= -largest) & (gate.new_state <= largest)),
            "a state beyond M",
        )
        self.see(done & gate.changed & (theta > 3), "a move beyond a dead zone")
        self.see(done & (gate.new_state == -127), "the lowest state")
        self.see(done & (h != 0) & ~gate.changed & (z > 0), "a state that stands still")
        self.see(done & self.before(done) & gate.changed, "units in every cycle")

    def _claim_parts(self, inside: Opened, gate: GateUnit, largest: Signal) -> None:
        """Say what the registers on the way hold: the solver then has small steps to take."""
        z = clip(gate.inhibition >> FRACTION_BITS, Const(0), 2 * largest + 1)
        c = clip(gate.candidate >> FRACTION_BITS, -largest, largest)
        narrow_z, narrow_c = Signal(8), Signal(signed(8))
        self.m.d.comb += [narrow_z.eq(z), narrow_c.eq(c)]
        arrived = self.before(gate.valid, 2)
        self.claim(implies(arrived, inside["z"] == self.before(narrow_z, 2)), "not z")
        self.claim(implies(arrived, ~inside["not_c"] == self.before(narrow_c, 2)), "not c")


PROOFS = (
    Proof(
        name="gate",
        claim="The gate unit equals its specification for all sums, states and networks, holds "
        "the state at z = 0, and never leaves [-M, M].",
        harness=GateHarness,
        depth=7,
        method="The gate has no feedback: its registers hold what came in the last six cycles.",
        cover=12,
        mutants={
            Mutant(
                "a dead zone that is one too small downwards",
                GateUnit,
                "add_with_carry(complemented, self.minus_theta, upwards)",
                "add_with_carry(complemented, self.minus_theta, Const(1, 1))",
            ): 9,
            Mutant(
                "the candidate's lower bound is -M - 1",
                GateUnit,
                "beyond_c | (c_0[-1] & at_limit_c)",
                "beyond_c",
            ): 9,
            Mutant(
                "a negative inhibition counts as a positive one",
                GateUnit,
                "mask_z & (~negative_z).replicate(8)",
                "mask_z",
            ): 9,
        },
    ),
)
