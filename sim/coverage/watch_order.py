"""Networks, phases, streams and resets: in which order the engine does what."""

from amaranth.hdl import Module, Signal

from hdl.core.signatures import Mode, Operation
from models.layout import READOUT_HOLD
from sim.coverage.bins import FOLLOWING
from sim.coverage.watch_events import ends
from sim.coverage.watch_gate import slot_with_sums


def _rises(m: Module, value):
    before = Signal()
    m.d.sync += before.eq(value)
    return value & ~before


def _command(m: Module, parts):
    """Return that a command is taken, its operation, and that of the command under way."""
    command = parts.engine.command
    taken = command.valid & command.ready
    under_way = Signal(Operation)
    with m.If(taken):
        m.d.sync += under_way.eq(command.payload.op)
    return taken, command.payload.op, under_way


def watch_network(m: Module, parts):
    """Sizes of networks, and how they came."""
    engine, sequencer, reader = parts.engine, parts.sequencer, parts.reader
    header, record = reader.header, reader.layer_pass
    step = sequencer.inputs_start
    begins = _rises(m, sequencer.gating)
    reads = _rises(m, sequencer.reading)
    # The layer's edge, and its theta, are read as its pass begins.
    theta = -reader.minus_theta
    theta_coming, theta_is_read = Signal(), Signal()
    m.d.sync += [theta_coming.eq(begins), theta_is_read.eq(theta_coming)]
    conditions = {
        **{f"{n} layers": step & (header.layers == n - 1) for n in range(1, 5)},
        **{f"hb = {n}": step & (header.limit == (1 << n) - 1) for n in range(3, 8)},
        "1 unit": begins & (record.units == 1),
        "256 units": begins & (record.units == 256),
        "1 input": step & (header.inputs == 1),
        "257 inputs": step & (header.inputs == 257),
        "1 output": reads & (header.outputs == 1),
        "112 outputs": reads & (header.outputs == 112),
        "theta 0": theta_is_read & (theta == 0),
        "theta between": theta_is_read & (theta > 0) & (theta < header.limit << 1),
        "theta 2M": theta_is_read & (theta == header.limit << 1),
    }
    # The first unit's slots: its inputs' sums lie in the lower half of the lanes, its states' in
    # the upper one.
    row_pass = parts.row_pass
    slot, parameter = slot_with_sums(m, row_pass)
    number = Signal(4)
    planes = {half: Signal(3, name=f"planes_{half}") for half in ("low", "high")}
    last = slot & sequencer.gating & (number == record.last_slot)
    with m.If(row_pass.start):
        m.d.sync += [number.eq(0), *(count.eq(0) for count in planes.values())]
    with m.Elif(slot & (number <= record.last_slot)):
        m.d.sync += [
            number.eq(number + 1),
            *(count.eq(count + parameter[f"{half}_add"]) for half, count in planes.items()),
        ]
    for n in range(1, 5):
        for matrix, half in (("W", "low"), ("U", "high")):
            total = planes[half] + parameter[f"{half}_add"]
            conditions[f"{n} planes of {matrix}"] = last & (total == n)
        conditions[f"{n} planes of R"] = reads & (record.last_slot + 1 == n + READOUT_HOLD)

    taken, operation, under_way = _command(m, parts)
    shape = (header.inputs, header.outputs, header.accumulators)
    kept = [Signal(len(part), name=f"kept_{n}") for n, part in enumerate(shape)]
    stepped = Signal()
    with m.If(step):
        m.d.sync += [stepped.eq(1), *(old.eq(part) for old, part in zip(kept, shape, strict=True))]
    differs = Signal()
    m.d.comb += differs.eq(sum(old != part for old, part in zip(kept, shape, strict=True)) != 0)
    configured = sequencer.configured & (under_way == Operation.CONFIGURE)
    loads = {
        "image refused": configured & ~sequencer.configure_ok,
        "image checked": taken & (operation == Operation.CHECK),
        "network loaded": configured & sequencer.configure_ok,
        "network after another": step & stepped & differs,
        "no network at a soft reset": engine.soft_reset & ~engine.network_valid,
    }
    return {
        **{f"network: {name}": value for name, value in conditions.items()},
        **{f"load: {name}": value for name, value in loads.items()},
    }


def watch_phases(m: Module, parts):
    """Passes run and skipped, and readouts."""
    sequencer, reader = parts.sequencer, parts.reader
    taken, _, under_way = _command(m, parts)
    is_step = under_way == Operation.STEP
    layer = Signal(3)
    ran = Signal()
    skipped = Signal()
    replayed = Signal()
    answered = Signal()
    reads = Signal()
    # A layer's pass begins in the next cycle, or is skipped.
    decided = Signal()
    skip = Signal()
    m.d.comb += [
        reads.eq(_rises(m, sequencer.reading)),
        skip.eq(reader.jump & is_step),
        decided.eq((sequencer.list_clear & sequencer.pass_start) | skip),
    ]
    with m.If(decided):
        m.d.sync += [layer.eq(layer + 1), ran.eq(ran | ~skip), skipped.eq(skipped | skip)]
    with m.If(reads):
        m.d.sync += answered.eq(1)
    with m.If(taken):
        m.d.sync += [layer.eq(0), ran.eq(0), skipped.eq(0), answered.eq(0)]
    with m.If(taken & (under_way == Operation.REPLAY)):
        m.d.sync += replayed.eq(1)
    with m.If(sequencer.clear):
        m.d.sync += replayed.eq(0)
    runs = decided & ~skip
    last = Signal()
    m.d.comb += last.eq(layer == reader.header.layers)
    ahead = reader.prefetch
    # Of the layer whose events begin.
    of_last, of_replay = Signal(), Signal()
    m.d.comb += [
        of_last.eq(layer == reader.header.layers + 1),
        of_replay.eq(under_way == Operation.REPLAY),
    ]
    mode = reader.header.mode
    adds = reads & (mode == Mode.SUM)
    passes = {
        **{f"layer {n} runs": runs & (layer == n - 1) for n in range(1, 5)},
        **{f"layer {n} skipped": decided & skip & (layer == n - 1) for n in range(1, 5)},
        "only layer skipped": skip & last & (layer == 0),
        "first layer of several skipped": skip & ~last & (layer == 0),
        "layer in the middle skipped": skip & ~last & (layer != 0),
        "last layer of several skipped": skip & last & (layer != 0),
        "layer's read ahead": ahead & is_step & ~of_last,
        "readout's read ahead": ahead & is_step & of_last,
        "replayed layer's read ahead": ahead & of_replay & (reader.header.layers != 0),
        "runs above a skipped one": runs & skipped,
        "skipped above one that ran": decided & skip & ran,
        "first after a reset": runs & (layer == 0) & sequencer.state_fresh,
        "first after a replay": sequencer.inputs_start
        & sequencer.inputs_fresh
        & ~sequencer.state_fresh,
    }
    readouts = {
        "in mode last": reads & (mode == Mode.LAST),
        "in mode sum": adds,
        "in mode every": reads & (mode == Mode.EVERY),
        "not due": ends(m, sequencer.working, parts.engine.soft_reset) & is_step & ~answered,
        "of a fixed point": reads & ~ran,
        "first sum": adds & sequencer.scores_fresh,
        "next sum": adds & ~sequencer.scores_fresh,
        "sum after a replay": adds & ~sequencer.scores_fresh & replayed,
    }
    return {
        **{f"pass: {name}": value for name, value in passes.items()},
        **{f"readout: {name}": value for name, value in readouts.items()},
    }


def watch_streams(m: Module, parts):
    """Bytes and commands with and without gaps."""
    engine, inputs, sequencer = parts.engine, parts.inputs, parts.sequencer
    taken, operation, under_way = _command(m, parts)
    byte = engine.inputs.valid & engine.inputs.ready
    byte_before = Signal()
    byte_came = Signal()
    busy_before = Signal()
    m.d.sync += [byte_before.eq(byte), busy_before.eq(engine.busy)]
    with m.If(byte):
        m.d.sync += byte_came.eq(1)
    with m.If(sequencer.inputs_start):
        m.d.sync += byte_came.eq(0)
    late = _rises(m, inputs.starved)
    streams = {
        "byte after byte": byte & byte_before,
        "first byte late": late & ~byte_came,
        "byte late": late & byte_came,
        "byte held back": engine.inputs.valid & byte_came & inputs.busy & ~engine.inputs.ready
        & parts.walker.busy,
        "command after a pause": taken & ~busy_before,
        **{
            f"{b} right after {a}": taken & busy_before
            & (under_way == getattr(Operation, a.upper()))
            & (operation == getattr(Operation, b.upper()))
            for a, b in FOLLOWING
        },
    }  # fmt: skip
    return {f"stream: {name}": value for name, value in streams.items()}


def watch_tally(m: Module, parts):
    """When counts are added to the counters."""
    taken, operation, _ = _command(m, parts)
    full = parts.sequencer.idle & parts.tally.full
    tallies = {
        "asked for": taken & (operation == Operation.TALLY),
        "a count is half full": full,
        "a count is half full and a command waits": full & parts.engine.command.valid,
    }
    return {f"tally: {name}": value for name, value in tallies.items()}


def watch_resets(m: Module, parts):
    """What a soft reset cuts short."""
    sequencer, reader, row_pass = parts.sequencer, parts.reader, parts.row_pass
    parameter = Signal()
    m.d.sync += parameter.eq(row_pass.advance)
    walks = parts.walker.busy
    draining, replay = sequencer.draining, sequencer.list_replay
    _, _, under_way = _command(m, parts)
    resets = {
        "idle": ~parts.engine.busy,
        "while a record is read": (reader.address != 0) & ~reader.checking & ~parameter,
        "while a byte is waited for": parts.inputs.starved & ~walks,
        "while inputs are walked": parts.inputs.busy & walks,
        "in a pass": sequencer.gating & row_pass.busy,
        "while units are walked": draining & ~replay & walks,
        "in a readout": sequencer.reading,
        "in a tally": parts.tally.pending,
        "in a reset": sequencer.clear & (under_way == Operation.RESET),
        "in a configuration": sequencer.clear & (under_way == Operation.CONFIGURE),
        "in a replay": draining & replay & walks,
        "in a check": reader.checking,
    }
    strobe = parts.engine.soft_reset
    return {f"soft reset: {name}": strobe & value for name, value in resets.items()}
