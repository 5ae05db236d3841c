"""What the row pass and the gate compute with."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed

from hdl.core.gate import LATENCY
from hdl.core.signatures import Parameter
from models.spec import FRACTION_BITS, MAX_FAN_IN

_LARGEST_SUM = MAX_FAN_IN * 127


def slot_with_sums(m: Module, row_pass):
    """Return that a slot's raw sums are there, and its parameters (see `RowPass`)."""
    valid = row_pass.busy
    for stage in range(1, 5):
        late = Signal(name=f"slot_{stage}")
        m.d.sync += late.eq(valid)
        valid = late
    parameter = Signal(Parameter)
    m.d.sync += parameter.eq(row_pass.parameter)
    return valid, parameter


def watch_sums(m: Module, parts):
    """Shifts of sums that are not zero, and how large the sums get."""
    row_pass, sequencer = parts.row_pass, parts.sequencer
    slot, parameter = slot_with_sums(m, row_pass)
    adds = {half: slot & parameter[f"{half}_add"] for half in ("low", "high")}
    conditions = {}
    for row, reader, column in (
        ("z", sequencer.gating, "even"),
        ("c", sequencer.gating, "odd"),
        ("even readout", sequencer.reading, "even"),
        ("odd readout", sequencer.reading, "odd"),
    ):
        for n in range(8):
            shifted = [
                add
                & (getattr(row_pass, f"{half}_{column}") != 0)
                & (parameter[f"{half}_{column}_shift"] == n)
                for half, add in adds.items()
            ]
            conditions[f"shift: {row} row by {n}"] = reader & (shifted[0] | shifted[1])
    for name, sign in (("32639", 1), ("-32639", -1)):
        largest = [
            add & (getattr(row_pass, f"{half}_{column}") == sign * _LARGEST_SUM)
            for half, add in adds.items()
            for column in ("even", "odd")
        ]
        conditions[f"sum: raw sum {name}"] = Cat(*largest).any()
    both = (row_pass.even_sum, row_pass.odd_sum)
    gated = parts.gate.valid
    conditions["sum: above 2^22"] = gated & ((both[0] > 1 << 22) | (both[1] > 1 << 22))
    conditions["sum: below -2^22"] = gated & ((both[0] < -(1 << 22)) | (both[1] < -(1 << 22)))
    return conditions


def watch_gate(m: Module, parts):
    """Where the gate cuts, and what keeps a state or lets it go."""
    gate = parts.gate
    limit = gate.limit
    pz = gate.inhibition >> FRACTION_BITS
    pc = gate.candidate >> FRACTION_BITS
    top = Signal(9)
    z_0 = Signal(9)
    c_0 = Signal(signed(9))
    m.d.comb += [
        top.eq((limit << 1) + 1),
        z_0.eq(Mux(pz < 0, 0, Mux(pz > top, top, pz))),
        c_0.eq(Mux(pc < -limit, -limit, Mux(pc > limit, limit, pc))),
    ]
    conditions = {
        "pz below 0": pz < 0,
        "pz = 0": pz == 0,
        "pz inside": (pz > 0) & (pz < top),
        "pz = 2M + 1": pz == top,
        "pz above 2M + 1": (pz > top) & (pz <= 255),
        "pz above 255": pz > 255,
        "pc below -128": pc < -128,
        "pc = -128": pc == -128,
        "pc below -M": (pc < -limit) & (pc >= -128),
        "pc = -M": pc == -limit,
        "pc inside": (pc > -limit) & (pc < limit),
        "pc = M": pc == limit,
        "pc above M": (pc > limit) & (pc <= 127),
        "pc above 127": pc > 127,
    }
    found = {f"gate: {name}": gate.valid & value for name, value in conditions.items()}

    # The same unit's z and c, at the gate's end.
    z, c = z_0, c_0
    for stage in range(LATENCY):
        z_next, c_next = Signal(9, name=f"z_{stage}"), Signal(signed(9), name=f"c_{stage}")
        m.d.sync += [z_next.eq(z), c_next.eq(c)]
        z, c = z_next, c_next
    h, new = Signal(signed(9)), gate.new_state
    m.d.comb += h.eq(new - gate.delta)
    gap = Signal(signed(10))
    width = Signal(10)
    theta = Signal(10)
    way = Signal(10)
    m.d.comb += [
        gap.eq(c - h),
        width.eq(Mux(gap < 0, -gap, gap)),
        theta.eq(-gate.minus_theta),
        way.eq(Mux(width > theta, width - theta, 0)),
    ]
    up, down = gap > 0, gap < 0
    free = (way != 0) & (way <= z)
    held = (z != 0) & (gap != 0) & (way == 0)
    # What a soft reset has left in the pipeline belongs to no network.
    done = gate.done & parts.sequencer.gating
    moves = {
        "held by z = 0": (z == 0) & (way != 0),
        "up as far as z": up & (z != 0) & (way > z),
        "down as far as z": down & (z != 0) & (way > z),
        "up, z just enough": up & (z != 0) & (way == z),
        "down, z just enough": down & (z != 0) & (way == z),
        "up to c": up & free & (theta == 0),
        "down to c": down & free & (theta == 0),
        "up to c - theta": up & free & (theta != 0),
        "down to c + theta": down & free & (theta != 0),
        "held by theta above": up & held,
        "held by theta below": down & held,
        "gap = theta": held & (width == theta),
        "gap = theta + 1": (z != 0) & (theta != 0) & (width == theta + 1),
        "c = h": (z != 0) & (gap == 0),
        "h becomes M": gate.changed & (new == limit),
        "h becomes -M": gate.changed & (new == -limit),
        "h from -M to M": (h == -limit) & (new == limit),
        "h from M to -M": (h == limit) & (new == -limit),
        "h beyond M": (new > limit) | (new < -limit),
    }
    found.update({f"gate: {name}": done & value for name, value in moves.items()})
    return found
