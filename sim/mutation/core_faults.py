"""The faults in the engine."""

from sim.mutation.fault import Fault

LANE = "hdl/core/lane.py"
LANES = "hdl/core/lanes.py"
UNPACK = "hdl/core/unpack.py"
WALKER = "hdl/core/walker.py"
ONE_EVENT_WALKER = "hdl/core/one_event_walker.py"
INPUTS = "hdl/core/inputs.py"
EVENTS = "hdl/core/events.py"
ROWS = "hdl/core/row_pass.py"
GATE = "hdl/core/gate.py"
READOUT = "hdl/core/readout.py"
TALLY = "hdl/core/tally.py"
READER = "hdl/core/reader.py"
SEQUENCER = "hdl/core/sequencer.py"
ENGINE = "hdl/core/engine.py"
STORE = "hdl/core/store.py"

CORE_FAULTS = (
    # Lanes.
    Fault("lane adds where it must subtract", LANE, "], minus, plus)", "], plus, plus)"),
    Fault("lane swaps plus and minus", LANE, "], minus, plus)", "], plus, minus)"),
    Fault(
        "lane adds for a weight of zero",
        LANE,
        "weight[0].replicate(DELTA_BITS) & Mux",
        "Mux",
    ),
    Fault(
        "the odd event takes the even one's weight",
        LANE,
        'getattr(self, f"{name}_weight")',
        "self.even_weight",
    ),
    Fault(
        "the odd event takes the even one's delta",
        LANE,
        'getattr(self, f"{name}_plus"), ',
        "self.even_plus, ",
    ),
    Fault("the odd event is not added", LANE, "terms[0] + terms[1]", "terms[0]"),
    Fault(
        "two deltas of the same sign wrap",
        LANE,
        "both = Signal(signed(DELTA_BITS + 1))",
        "both = Signal(signed(DELTA_BITS))",
    ),
    Fault("lane does not add", LANE, "self.value + both", "self.value"),
    Fault("minus delta is off by one", LANES, "minus.eq(~(delta - 1))", "minus.eq(~delta)"),
    Fault("clearing keeps the old sum", LANES, "self.control.clear | (self", "(self"),
    Fault("the neighbour's lane is read", LANES, "self.select != pair", "self.select != pair ^ 1"),
    Fault(
        "even and odd rows are swapped",
        LANES,
        "(self.low_even, lanes[0:half:2])",
        "(self.low_even, lanes[1:half:2])",
    ),
    Fault(
        "the upper half of the lanes has the lower one's address",
        LANES,
        '"high_address" if index >= count // 2 else "low_address"',
        '"low_address"',
    ),
    Fault(
        "odd weights are taken from the even half",
        LANES,
        "self.weights[event * count + index]",
        "self.weights[index]",
    ),
    Fault(
        "a pass writes what it reads",
        ENGINE,
        "walker.busy | sequencer.clear),",
        "walker.busy | sequencer.clear | row_pass.busy),",
    ),
    # Walker.
    Fault(
        "walker takes no stride",
        WALKER,
        "events.payload.source, self.half_sources)",
        "events.payload.source, 0)",
    ),
    Fault(
        "walker stops a word early",
        WALKER,
        "self.accumulator == self.edge.before_last)",
        "self.accumulator + 1 == self.edge.before_last)",
    ),
    Fault(
        "walker begins one accumulator high",
        WALKER,
        "self.accumulator.eq(self.first)",
        "self.accumulator.eq(self.first + 1)",
    ),
    Fault(
        "walker does not move to the next accumulator",
        WALKER,
        "self.accumulator.eq(self.accumulator + 1)",
        "self.accumulator.eq(self.accumulator)",
    ),
    Fault(
        "a delta that has been walked is walked again",
        WALKER,
        "events.payload.delta & events.valid.replicate(DELTA_BITS).as_signed()",
        "events.payload.delta",
    ),
    Fault(
        "walker begins at once again when one event came",
        WALKER,
        "some.eq(self.even.valid | self.odd.valid)",
        "some.eq(self.even.valid)",
    ),
    Fault(
        "what is held back is lost",
        INPUTS,
        "~blocked[parity] & ~(there[parity] & hold)",
        "~blocked[parity]",
    ),
    Fault(
        "a unit's event that is held back is lost",
        EVENTS,
        "~blocked[number] & ~(there[number] & hold)",
        "~blocked[number]",
    ),
    Fault("an input waits for no companion", INPUTS, "event & accept & ~offered", "0"),
    Fault(
        "a unit's event waits for no companion",
        EVENTS,
        "valid_1 & ~replaying & reading & ~(",
        "0 & (",
    ),
    # Other word formats.
    Fault("a packed weight has the next one's sign", UNPACK, "code[place]", "code[place + 1]"),
    Fault(
        "an odd source's bytes are the even one's",
        UNPACK,
        "self.word.word_select(event, part_bits)",
        "self.word.word_select(0, part_bits)",
    ),
    Fault(
        "deltas do not wait for unpacking",
        LANES,
        "late.eq(delta)\n                delta = late",
        "late.eq(delta)",
    ),
    Fault(
        "parameters do not wait for late sums",
        ROWS,
        "valid[1 + late : 4 + late]",
        "valid[1:4]",
    ),
    Fault(
        "the walker of one event takes both",
        ONE_EVENT_WALKER,
        "self.odd.ready.eq(free & ~self.even.valid)",
        "self.odd.ready.eq(free)",
    ),
    Fault(
        "the walker of one event takes odd sources for even ones",
        ONE_EVENT_WALKER,
        "Cat(Const(1, 1), self.odd.payload.source)",
        "Cat(Const(0, 1), self.odd.payload.source)",
    ),
    # Input front.
    Fault(
        "every input is an event", INPUTS, "value_valid & (value ^ previous).any()", "value_valid"
    ),
    Fault("no input is an event", INPUTS, "(value ^ previous).any()", "0"),
    Fault(
        "a change of sixteen is no event",
        INPUTS,
        "(value ^ previous).any()",
        "((value ^ previous) & 0xEF).any()",
    ),
    Fault(
        "an input's event goes the other parity's way",
        INPUTS,
        "event & (value_index[0] == parity)",
        "event & (value_index[0] != parity)",
    ),
    Fault(
        "an event is overtaken by one of its own parity",
        INPUTS,
        "Mux(value_index[0], there[1], there[0])",
        "Mux(value_index[0], there[0], there[1])",
    ),
    Fault(
        "a spare byte is lost",
        INPUTS,
        "Mux(spare_valid, spare, self.bytes.payload)",
        "self.bytes.payload",
    ),
    Fault("a byte is taken while one is spare", INPUTS, "accepting & ~spare_valid", "accepting"),
    Fault(
        "the next step's first byte is taken",
        INPUTS,
        "(accepting & ~(arrives & last))",
        "accepting",
    ),
    Fault("input delta has the wrong sign", INPUTS, "value - previous", "previous - value"),
    Fault(
        "previous input survives a reset",
        INPUTS,
        "Mux(self.fresh, 0, read.data.as_signed())",
        "read.data.as_signed()",
    ),
    Fault(
        "previous input is not kept", INPUTS, "write.en.eq(value_valid & move)", "write.en.eq(0)"
    ),
    Fault("one input too few", INPUTS, "last.eq(remaining == 2)", "last.eq(remaining == 3)"),
    Fault("a change is forgotten", INPUTS, "self.changed.eq(1)", "self.changed.eq(0)"),
    # Event list.
    Fault("first event of the list is lost", EVENTS, "here.eq(0)", "here.eq(1)"),
    Fault("last event of the list is lost", EVENTS, "here != end)", "here + 1 != end)"),
    Fault(
        "a replay's last unit is lost",
        EVENTS,
        "beyond[1:] + (beyond[0] & (number == 0))",
        "beyond[1:]",
    ),
    Fault(
        "replay begins at the wrong unit",
        EVENTS,
        "self.state_base[1:] + (self.state_base[0] & (number == 0))",
        "self.state_base[1:]",
    ),
    Fault(
        "replay offers states that are zero", EVENTS, "(~replaying | self.state_data.any())", "1"
    ),
    Fault("an entry is read twice", EVENTS, "here.eq(here + 1)", "here.eq(here + valid_1)"),
    Fault("list is not emptied", EVENTS, "end.eq(0)", "end.eq(end)"),
    Fault(
        "both lists are written to the even one's length",
        EVENTS,
        "Mux(self.odd, counts[1], counts[0])",
        "counts[0]",
    ),
    Fault(
        "a longer list's rest is not read",
        EVENTS,
        "self.more | left[0] | left[1]",
        "self.more | (left[0] & left[1])",
    ),
    Fault(
        "draining ends before the pass does",
        EVENTS,
        "self.more | left[0] | left[1]",
        "left[0] | left[1]",
    ),
    Fault(
        "an odd unit's event goes the even ones' way",
        EVENTS,
        "event & (odd_1 == number)",
        "event & (number == 0)",
    ),
    Fault(
        "an event of the other parity pushes one out",
        EVENTS,
        "with m.If(~blocked[number] & ~(there[number] & hold)):",
        "with m.If(move):",
    ),
    Fault(
        "replay takes the list's deltas",
        EVENTS,
        "payload.delta.eq(self.state_data)",
        "payload.delta.eq(read.data.delta)",
    ),
    Fault(
        "second row's shift is the first's",
        ROWS,
        'parameter[f"{half}_{name}_shift"]',
        'parameter[f"{half}_even_shift"]',
    ),
    Fault(
        "states' sums are shifted as inputs' sums are",
        ROWS,
        'parameter[f"{half}_{name}_shift"]',
        'parameter[f"low_{name}_shift"]',
    ),
    Fault("shifts one place too far", ROWS, "used << shift", "used << (shift + 1)"),
    Fault(
        "a sum that does not count is added",
        ROWS,
        'value & parameter[f"{half}_add"].replicate(16).as_signed()',
        "value",
    ),
    Fault("states' sums are left out", ROWS, "shifted[0] + shifted[1]", "shifted[0]"),
    Fault(
        "the halves of the lanes do not change places",
        ROWS,
        "upper ^ (last_slot & last_pair)",
        "upper",
    ),
    Fault(
        "a group is left after half of its pairs",
        ROWS,
        "group + (last_pair & upper)",
        "group + last_pair",
    ),
    Fault(
        "bias is added in every slot",
        ROWS,
        'Mux(first, parameter[f"{name}_bias"].as_signed(), total)',
        'parameter[f"{name}_bias"].as_signed() + total',
    ),
    Fault("bias is not signed", ROWS, '_bias"].as_signed(), total', '_bias"], total'),
    Fault(
        "a pair is complete one slot late",
        ROWS,
        "first.eq((first & ~add) | complete)",
        "first.eq(complete)",
    ),
    Fault(
        "passes step by one plane too few",
        ROWS,
        "last_slot.eq(slots_left == 1)",
        "last_slot.eq(slots_left == 2)",
    ),
    Fault(
        "the last pair of lanes is left out",
        ROWS,
        "self.select == self.pairs - 1",
        "self.select == self.pairs - 2",
    ),
    # Gate.
    Fault(
        "z and c are swapped",
        ENGINE,
        "gate.inhibition.eq(row_pass.even_sum)",
        "gate.inhibition.eq(row_pass.odd_sum)",
    ),
    Fault("negative inhibition opens the gate", GATE, "negative_z.eq(pz[-1])", "negative_z.eq(0)"),
    Fault(
        "inhibition wraps instead of saturating",
        GATE,
        " | pz[8:-1].any()",
        "",
    ),
    Fault("candidate wraps instead of saturating", GATE, " | (above_any_c & ~above_all_c)", ""),
    Fault(
        "candidate may reach -M - 1",
        GATE,
        "beyond_c | (c_0[-1] & at_limit_c)",
        "beyond_c",
    ),
    Fault(
        "inhibition's bound is M", GATE, "mask_z.eq(Cat(1, self.limit))", "mask_z.eq(self.limit)"
    ),
    Fault(
        "dead zone is one wider",
        GATE,
        "complemented, self.minus_theta, upwards",
        "complemented, self.minus_theta, Const(0, 1)",
    ),
    Fault("moves that stay in the dead zone", GATE, "Mux(reach < 0, 0, reach[:8])", "reach[:8]"),
    Fault(
        "gate moves by the larger bound",
        GATE,
        "Mux(too_far, ~not_z, beyond_theta)",
        "Mux(too_far, beyond_theta, ~not_z)",
    ),
    Fault(
        "gate moves away from the candidate",
        GATE,
        "upwards = difference[-1]",
        "upwards = ~difference[-1]",
    ),
    Fault(
        "a delta downwards is off by one",
        GATE,
        "add_with_carry(signed_move, Const(0, 1), downwards_5)",
        "signed_move",
    ),
    Fault("a unit that holds is an event", GATE, "self.changed.eq(some)", "self.changed.eq(1)"),
    Fault("state of the unit before", GATE, "self.fetch.eq(valid[1])", "self.fetch.eq(valid[0])"),
    # Readout.
    Fault(
        "last of equal scores wins",
        READOUT,
        "not_value ^ sign, carry_in",
        "not_value ^ sign, carry_in & high",
    ),
    Fault(
        "scores compare without sign",
        READOUT,
        "sign = Cat(Const(0, 15), high)",
        "sign = Const(0, 16)",
    ),
    Fault("low halves decide nothing", READOUT, "carry_in.eq(high | ~larger)", "carry_in.eq(1)"),
    Fault("a score that has just won is forgotten", READOUT, "Mux(won, passed_2, best)", "best"),
    Fault("the last score has the label", READOUT, "decided & won", "decided"),
    Fault("high half loses its carry", READOUT, "total[16] & chain", "0"),
    Fault(
        "sums of a sequence are replaced",
        READOUT,
        "(self.accumulate & active) | self.tally",
        "self.tally",
    ),
    Fault(
        "a score beyond the outputs counts",
        READOUT,
        "active & (Cat(phase[1], pair) < self.outputs)",
        "active",
    ),
    Fault(
        "largest score survives a new readout",
        READOUT,
        "pair.eq(0), phase.eq(0), some.eq(0)",
        "pair.eq(0), phase.eq(0)",
    ),
    # Reader, sequencer.
    Fault(
        "reader skips no parameters",
        READER,
        "with m.If(self.jump):",
        "with m.If(self.jump & 0):",
    ),
    Fault("checksum shifts the wrong way", READER, "(register >> 1)", "(register << 1)"),
    Fault(
        "header's first word is not looked at",
        READER,
        "self.header_ok.eq(word[:STORE_ADDRESS_BITS] == expected)",
        "self.header_ok.eq(1)",
    ),
    Fault(
        "checksum begins in the middle of a word",
        READER,
        """                fetching.eq(1),
                bit.eq(0),""",
        """                fetching.eq(1),""",
    ),
    Fault(
        "checksum stops a word early",
        READER,
        "pointer == self.image_words",
        "pointer + 1 == self.image_words",
    ),
    Fault("events leave while the pass reads", SEQUENCER, "~self.pass_reads", "1"),
    Fault(
        "last accumulators are not cleared",
        SEQUENCER,
        "clearing == self.header.accumulators",
        "clearing + 1 == self.header.accumulators",
    ),
    Fault("states survive a reset", SEQUENCER, "self.state_fresh.eq(1)", "self.state_fresh.eq(0)"),
    Fault(
        "scores survive a reset", SEQUENCER, "self.scores_fresh.eq(1)", "self.scores_fresh.eq(0)"
    ),
    Fault(
        "own events do not wake a layer",
        SEQUENCER,
        "emitted.bit_select(layer, 1).eq(~self.list_empty)",
        "emitted.bit_select(layer, 1).eq(0)",
    ),
    Fault(
        "events below do not wake a layer",
        SEQUENCER,
        "emitted_below.eq(~self.list_empty)",
        "emitted_below.eq(0)",
    ),
    Fault(
        "a skipped pass after a reset",
        SEQUENCER,
        "self.scores_fresh.eq(1),\n                unsettled.eq(1)",
        "self.scores_fresh.eq(1),\n                unsettled.eq(0)",
    ),
    Fault(
        "top layer is left out",
        SEQUENCER,
        "layer == self.header.layers",
        "layer + 1 == self.header.layers",
    ),
    Fault(
        "a due answer is not given",
        SEQUENCER,
        "due | (self.header.mode != Mode.LAST)",
        "self.header.mode != Mode.LAST",
    ),
    Fault(
        "SPRAM's odd half is read where the even one is",
        STORE,
        "Mux(port.write, port.write_address, read_address)",
        "Mux(port.write, port.write_address, port.even_address)",
    ),
    # Counters.
    Fault(
        "carry into a counter's third half-word is lost",
        READOUT,
        "chain.eq(phase[0] | (self.tally & phase[1]))",
        "chain.eq(phase[0])",
    ),
    Fault("a count is not begun anew", TALLY, "m.d.sync += counts[name].eq(0)", "pass"),
    Fault("counts are never full", TALLY, "self.full.eq(Cat", "self.full.eq(0 & Cat"),
    Fault(
        "two events at once are counted as one",
        TALLY,
        "both = self.even_event & self.odd_event",
        "both = Const(0, 1)",
    ),
    Fault(
        "a long wait for an input wraps",
        TALLY,
        "getattr(self, name) & ~counts[name][FULL_BIT:].all()",
        "getattr(self, name)",
    ),
    Fault(
        "adding is counted as reading",
        ENGINE,
        "tally.reading.eq(row_pass.busy)",
        "tally.reading.eq(walker.busy)",
    ),
)
