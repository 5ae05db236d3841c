"""The table of situations that the tests must see: each bin's name and what it means.

A bin is named "group: bin". What counts it is `sim.coverage.observer` (in the simulated
engine, from the signals between its parts) or `sim.coverage.outcomes` (from its answers).
"""

from __future__ import annotations

from models.layout import MIN_WALK

#: Words of an event: the most that a network with 128 accumulators in a lane and 112 outputs
#: can have on 16 lanes; `sim/test_coverage.py` searches all sizes for them.
LARGEST_WALK = {"input": 100, "unit": 108}
#: Words of an event that have a bin of their own, then ranges, the largest alone again.
_WALKS = [(k, k) for k in range(1, 9)] + [(9, 16), (17, 32), (33, 64)]


def walk_ranges(kind: str) -> dict[str, tuple[int, int]]:
    """Return the bins of the words that an event of a kind ("input", "unit") touches."""
    largest = LARGEST_WALK[kind]
    ranges = [*_WALKS, (65, largest - 1), (largest, largest), (largest + 1, 128)]
    return {f"K = {a}" if a == b else f"K = {a} to {b}": (a, b) for a, b in ranges}


#: Counters that are seen to carry.
CARRIES = ("cycles", "events", "adding", "idle")

#: Operations as they follow one another without a cycle between them.
FOLLOWING = [("step", "step"), ("step", "reset"), ("reset", "step"), ("replay", "step")]

BINS: dict[str, dict[str, str]] = {
    "network": {
        **{f"{n} layers": "a step of a network of that many layers" for n in range(1, 5)},
        **{f"hb = {n}": "a step with states of that many fraction bits" for n in range(3, 8)},
        **{
            f"{n} planes of {matrix}": "a pass adds that many planes"
            for matrix in "WUR"
            for n in range(1, 5)
        },
        "1 unit": "a pass over a layer of one unit",
        "256 units": "a pass over as many units as there are states",
        "1 input": "a step of one input",
        "257 inputs": "a step of as many inputs as a row may have",
        "1 output": "a readout without an odd row",
        "112 outputs": "a readout that fills the score memory",
        "theta 0": "a pass without a dead zone",
        "theta between": "a pass with a dead zone from 1 to 2M - 1",
        "theta 2M": "a pass with the largest dead zone",
    },
    "load": {
        "image refused": "the header's first word is not that of an image",
        "image checked": "the CRC-32 over the store is computed",
        "network loaded": "a right header, and all accumulators are cleared",
        "network after another": "the network before had a different shape",
        "no network at a soft reset": "there is nothing to configure again",
    },
    "input event": {
        **dict.fromkeys(walk_ranges("input"), "words that an input's event touches"),
        "delta 1": "the smallest step up",
        "delta -1": "the smallest step down",
        "delta 254": "from -127 to 127",
        "delta -254": "from 127 to -127",
        "none in a step": "no input moved",
        "one in a step": "one of several inputs moved",
        "some in a step": "more than one, not all",
        "all in a step": "all of several inputs moved",
        "257 in a step": "all of as many as there can be",
        "an even and an odd one": "walked together",
        "an even one alone": "there was no odd source's event",
        "an odd one alone": "there was no even source's event",
        "without a gap": "accepted in the cycle of the last word of the events before",
        "after a gap": "the walker was idle",
        "held back for a companion that came": "the walker was idle and waited a cycle",
        "held back for a companion that did not come": "the walker was idle and waited a cycle",
    },
    "unit event": {
        **dict.fromkeys(walk_ranges("unit"), "words that a unit's event touches"),
        "delta 1": "the smallest step up",
        "delta -1": "the smallest step down",
        "delta 254": "from -127 to 127",
        "delta -254": "from 127 to -127",
        "an even and an odd one": "walked together",
        "an even one alone": "there was no odd source's event",
        "an odd one alone": "there was no even source's event",
        "without a gap": "accepted in the cycle of the last word of the events before",
        "after a gap": "the walker was idle",
        "held back for a companion that came": "the walker was idle and waited a cycle",
        "held back for a companion that did not come": "the walker was idle and waited a cycle",
    },
    "event list": {
        "empty": "a pass in which no unit changed",
        "one entry": "a pass in which one of several units changed",
        "some entries": "more than one, not all",
        "all units": "a pass in which each of several units changed",
        "256 entries": "a pass that fills the list",
        "replay of nothing": "a layer whose states are all zero is replayed",
        "replay of one": "one of several states is not zero",
        "replay of some": "more than one, not all",
        "replay of all": "each of several states is not zero",
        "replay of 256": "all of as many states as there can be",
    },
    "shift": {
        f"{row} row by {n}": "a raw sum that is not zero is shifted that far"
        for row in ("z", "c", "even readout", "odd readout")
        for n in range(8)
    },
    "sum": {
        "raw sum 32639": "257 sources of 127, all added",
        "raw sum -32639": "257 sources of 127, all subtracted",
        "above 2^22": "of a pass, before the shift right: upper half of the positive range",
        "below -2^22": "of a pass, before the shift right: lower half of the negative range",
    },
    "gate": {
        "pz below 0": "z is cut at 0",
        "pz = 0": "z is 0 without a cut",
        "pz inside": "0 < pz < 2M + 1",
        "pz = 2M + 1": "z is largest without a cut",
        "pz above 2M + 1": "z is cut, and the number still fits eight bits",
        "pz above 255": "z is cut, and the number does not fit eight bits",
        "pc below -128": "c is cut at -M, and the number does not fit eight bits",
        "pc = -128": "the one negative number that has no opposite in eight bits",
        "pc below -M": "c is cut at -M, and the number still fits eight bits",
        "pc = -M": "c is lowest without a cut",
        "pc inside": "-M < pc < M",
        "pc = M": "c is highest without a cut",
        "pc above M": "c is cut at M, and the number still fits eight bits",
        "pc above 127": "c is cut at M, and the number does not fit eight bits",
        "held by z = 0": "c differs from h by more than theta",
        "up as far as z": "the way to c is longer than z",
        "down as far as z": "the way to c is longer than z",
        "up, z just enough": "the way to c is exactly z",
        "down, z just enough": "the way to c is exactly z",
        "up to c": "h becomes c, theta is 0",
        "down to c": "h becomes c, theta is 0",
        "up to c - theta": "h stops theta before c",
        "down to c + theta": "h stops theta before c",
        "held by theta above": "0 < c - h <= theta, and z is not 0",
        "held by theta below": "0 < h - c <= theta, and z is not 0",
        "gap = theta": "the widest gap that holds; theta and z are not 0",
        "gap = theta + 1": "the narrowest gap that moves; theta and z are not 0",
        "c = h": "nothing to do, though z is not 0",
        "h becomes M": "the highest state is reached",
        "h becomes -M": "the lowest state is reached",
        "h from -M to M": "the longest way up in one step",
        "h from M to -M": "the longest way down in one step",
        "h beyond M": "a state that is no state",
    },
    "pass": {
        **{f"layer {n} runs": "the layer's units are computed" for n in range(1, 5)},
        **{f"layer {n} skipped": "a fixed point: its units would not change" for n in range(1, 5)},
        "only layer skipped": "there is one layer",
        "first layer of several skipped": "no input moved",
        "layer in the middle skipped": "between two others",
        "last layer of several skipped": "nothing reached it",
        "layer's read ahead": "as the events of the layer below begin",
        "readout's read ahead": "as the last layer's events begin",
        "replayed layer's read ahead": "as the events of the layer below begin",
        "runs above a skipped one": "the first layer stands still, a later one moves on its own",
        "skipped above one that ran": "the layer below changed nothing",
        "first after a reset": "previous inputs, states and accumulators are zero",
        "first after a replay": "states and accumulators are not zero, previous inputs are",
    },
    "readout": {
        **{f"in mode {mode}": "an answer is made" for mode in ("last", "sum", "every")},
        "not due": "mode last, and nobody wants an answer",
        "of a fixed point": "an answer though every layer was skipped",
        "first sum": "a running sum begins",
        "next sum": "a running sum grows",
        "sum after a replay": "a running sum that was restored grows",
    },
    "answer": {
        "label first": "the first of several outputs has the largest score",
        "label last": "the last of several outputs has the largest score",
        "tie in a pair": "two rows that are stored together share the largest score",
        "tie across pairs": "two rows of different pairs share the largest score",
        "tie in mode sum": "two running sums share the largest score",
        "decided by the low half": "the two largest scores share their upper 16 bits",
        "all scores negative": "the largest score is below zero",
        "score above 2^15": "the upper half-word of the largest score is not just its sign",
        "score below -2^15": "the upper half-word of the lowest score is not just its sign",
        "sum above 2^30": "a running sum in the upper half of its range",
        "sum below -2^30": "a running sum in the lower half of its range",
    },
    "stream": {
        "byte after byte": "input bytes are taken in two cycles in a row",
        "first byte late": "a step waits for its first byte",
        "byte late": "a step waits for a later byte",
        "byte held back": "a byte waits for the walker",
        "command after a pause": "the engine was idle",
        **{f"{b} right after {a}": "no idle cycle between the two" for a, b in FOLLOWING},
    },
    "soft reset": {
        "idle": "no command is carried out",
        "while a record is read": "or the header",
        "while a byte is waited for": "in a step",
        "while inputs are walked": "in a step",
        "in a pass": "in a step",
        "while units are walked": "in a step",
        "in a readout": "in a step",
        "in a tally": "the counters are being added to",
        "in a reset": "accumulators are being cleared",
        "in a configuration": "accumulators are being cleared for a new network",
        "in a replay": "states are being walked",
        "in a check": "the CRC-32 is being computed",
    },
    "tally": {
        "asked for": "a command brings the counters up to date",
        "a count is half full": "in the engine's own time",
        "a count is half full and a command waits": "it is taken after the tally",
    },
    "counter": {f"{name} carry": "a counter carries into its second half-word" for name in CARRIES},
}

#: Bins that nothing can reach, and why. A hit in one is an error, too.
UNREACHABLE = {
    "unit event: held back for a companion that did not come": "the entry that follows is an event",
    "input event: K = 1": f"edges are padded to {MIN_WALK} words (models.layout.MIN_WALK)",
    "unit event: K = 1": "a unit's event walks a word of U and a word of what lies above at least",
    "input event: K = 101 to 128": "W, U and the readout share a lane's 128 accumulators",
    "unit event: K = 109 to 128": "W, U and 112 outputs share a lane's 128 accumulators",
    "gate: h beyond M": "h' lies between h and c, and both are cut at M",
}


#: Groups that `sim.coverage.outcomes` counts; `sim.coverage.observer` counts all others.
OUTCOMES = ("answer", "counter")


def names() -> list[str]:
    """Return all bins in the table's order."""
    return [f"{group}: {name}" for group, table in BINS.items() for name in table]


def observed_names() -> list[str]:
    """Return the bins that an observed engine counts, in the order in which it tells them."""
    return [name for name in names() if name.partition(":")[0] not in OUTCOMES]


def meaning(name: str) -> str:
    """Return what a bin means."""
    group, _, rest = name.partition(": ")
    return BINS[group][rest]
