"""What the walker, the input front and the event list get to see."""

from amaranth.hdl import Const, Module, Signal, signed

from hdl.core.signatures import SOURCE_BITS
from sim.coverage.bins import walk_ranges


def _counted(m: Module, event, start):
    """Count events (none, one or two a cycle) from a start on, the present cycle's included."""
    count = Signal(SOURCE_BITS + 1)
    now = Signal(SOURCE_BITS + 1)
    m.d.comb += now.eq(count + event)
    m.d.sync += count.eq(now)
    with m.If(start):
        m.d.sync += count.eq(0)
    return now


def ends(m: Module, phase, restart):
    """Return the cycle after a phase, unless a soft reset ended it.

    The strobe that asks for a soft reset comes a cycle before it.
    """
    before = Signal()
    restarts = Signal()
    abandoned = Signal()
    m.d.sync += [before.eq(phase), restarts.eq(restart), abandoned.eq(restarts)]
    return before & ~phase & ~abandoned


def _taken(events):
    return events.valid & events.ready


def watch_events(m: Module, parts):
    """Events as the walker takes them."""
    walker, reader, draining = parts.walker, parts.reader, parts.sequencer.draining
    even, odd = _taken(walker.even), _taken(walker.odd)
    held = Signal()
    m.d.sync += held.eq((parts.inputs.holds | parts.events.holds) & ~walker.busy)
    words = Signal(8)
    m.d.comb += words.eq(reader.edge.before_last + 2 - walker.first)
    conditions = {}
    for kind, mine in (("input", ~draining), ("unit", draining)):
        of_kind = (even | odd) & mine
        for name, (least, most) in walk_ranges(kind).items():
            conditions[f"{kind} event: {name}"] = of_kind & (words >= least) & (words <= most)
        for step in (1, -1, 254, -254):
            conditions[f"{kind} event: delta {step}"] = mine & (
                (even & (walker.even.payload.delta == Const(step, signed(9))))
                | (odd & (walker.odd.payload.delta == Const(step, signed(9))))
            )
        conditions[f"{kind} event: an even and an odd one"] = mine & even & odd
        conditions[f"{kind} event: an even one alone"] = mine & even & ~odd
        conditions[f"{kind} event: an odd one alone"] = mine & odd & ~even
        conditions[f"{kind} event: without a gap"] = of_kind & walker.busy
        conditions[f"{kind} event: after a gap"] = of_kind & ~walker.busy
        waited = f"{kind} event: held back for a companion that"
        conditions[f"{waited} came"] = mine & held & even & odd
        conditions[f"{waited} did not come"] = mine & held & (even ^ odd)
    return conditions


def watch_lists(m: Module, parts):
    """How many events a step's inputs, a layer's pass or a replayed layer make."""
    walker, inputs, events = parts.walker, parts.inputs, parts.events
    sequencer, header = parts.sequencer, parts.reader.header
    restart = parts.engine.soft_reset
    taken = Signal(2)
    m.d.comb += taken.eq(_taken(walker.even) + _taken(walker.odd))
    step = _counted(m, taken & (~sequencer.draining).replicate(2), sequencer.inputs_start)
    step_ends = ends(m, inputs.busy, restart)
    some_inputs = header.inputs > 1
    # The next pass is read while a layer's events are walked.
    units = Signal(SOURCE_BITS)
    with m.If(sequencer.list_drain):
        m.d.sync += units.eq(parts.reader.layer_pass.units)
    pass_ends = ends(m, sequencer.gating, restart)
    replayed = _counted(m, taken & sequencer.draining.replicate(2), sequencer.list_drain)
    entries = _counted(m, events.append, sequencer.list_clear)
    replay_ends = ends(m, sequencer.draining & sequencer.list_replay, restart)
    conditions = {
        "input event: none in a step": step_ends & (step == 0),
        "input event: one in a step": step_ends & (step == 1) & some_inputs,
        "input event: some in a step": step_ends & (step > 1) & (step < header.inputs),
        "input event: all in a step": step_ends & (step == header.inputs) & some_inputs,
        "input event: 257 in a step": step_ends & (step == 257),
    }
    for prefix, over, count in (
        (("empty", "one entry", "some entries", "all units", "256 entries"), pass_ends,
         entries),
        (("replay of nothing", "replay of one", "replay of some", "replay of all",
          "replay of 256"), replay_ends, replayed),
    ):  # fmt: skip
        cases = (
            count == 0,
            (count == 1) & (units > 1),
            (count > 1) & (count < units),
            (count == units) & (units > 1),
            count == 256,
        )
        for name, case in zip(prefix, cases, strict=True):
            conditions[f"event list: {name}"] = over & case
    return conditions
