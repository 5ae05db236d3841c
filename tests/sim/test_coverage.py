"""The coverage report: what counts, what does not, and when it fails."""

from collections import Counter
from itertools import product

import pytest

from models.layout import Capacity
from models.spec import MAX_PLANES
from sim.coverage import results
from sim.coverage.__main__ import main
from sim.coverage.bins import BINS, CARRIES, LARGEST_WALK, OUTCOMES, UNREACHABLE, names, walk_ranges
from sim.coverage.outcomes import counters_seen, scores_seen

LANES = 16
REACHABLE = [name for name in names() if name not in UNREACHABLE]


def test_every_bin_has_one_name_and_a_meaning():
    assert len(set(names())) == len(names())
    assert all(meaning for table in BINS.values() for meaning in table.values())
    assert set(UNREACHABLE) < set(names())


@pytest.mark.parametrize("kind", ["input", "unit"])
def test_walk_bins_hold_every_number_of_words_once(kind):
    inside = [k for low, high in walk_ranges(kind).values() for k in range(low, high + 1)]
    assert inside == list(range(1, 129))


def test_largest_walks_are_those_of_the_largest_networks():
    """Search all planes and groups: accumulators and outputs are what limits an event's words.

    Of several layers only two matter to an event; more of them, and larger ones, leave fewer
    accumulators.
    """
    capacity = Capacity(LANES, store_words=1 << 16)
    planes = range(1, MAX_PLANES + 1)
    words = capacity.accumulator_words
    groups = range(1, words + 1)
    readouts = sorted({p * g for p in planes for g in range(1, -(-capacity.outputs // LANES) + 1)})
    largest = {"input": 0, "unit": 0}
    for w, u, g in product(planes, planes, groups):
        left = words - (w + u) * g
        fitting = [readout for readout in readouts if readout <= left]
        if fitting:
            largest["input"] = max(largest["input"], w * g)
            largest["unit"] = max(largest["unit"], u * g + fitting[-1])
        # A layer above instead, with one word of readout: its W is walked, its U is not.
        for w_above, g_above in product(planes, groups):
            if (w_above + 1) * g_above + 1 <= left:
                largest["unit"] = max(largest["unit"], u * g + w_above * g_above)
    assert largest == LARGEST_WALK


@pytest.mark.parametrize(
    "mode, scores, label, expected",
    [
        ("last", [5, 5, 1], 0, {"tie in a pair"}),
        ("sum", [1, 5, 5], 1, {"tie across pairs", "tie in mode sum"}),
        ("last", [7, 5], 0, {"label first", "decided by the low half"}),
        ("every", [-70000, -8], 1, {"label last", "all scores negative", "score below -2^15"}),
        ("last", [1 << 15, 0], 0, {"label first", "score above 2^15", "decided by the low half"}),
        ("sum", [1 << 31, -(1 << 31)], 0, {"label first", "score above 2^15",
         "score below -2^15", "sum above 2^30", "sum below -2^30"}),
        ("last", [3], 0, set()),
    ],
)  # fmt: skip
def test_answers_are_sorted_into_bins(mode, scores, label, expected):
    hits = Counter()
    scores_seen(hits, mode, scores, label)
    assert hits == Counter(f"answer: {name}" for name in expected)


def test_carry_of_a_counter_is_seen():
    hits = Counter()
    before = dict.fromkeys(CARRIES, 0)
    before.update(cycles=65535, events=65534)
    counters_seen(hits, before, {**before, "cycles": 65536, "events": 65535, "idle": 1 << 32})
    assert hits == {"counter: cycles carry": 1, "counter: idle carry": 1}


def test_counts_of_several_cases_add_up_and_outdated_ones_do_not(tmp_path, monkeypatch):
    results.save(tmp_path / "one.json", {REACHABLE[0]: 2, REACHABLE[1]: 0})
    results.save(tmp_path / "two.json", {REACHABLE[0]: 3})
    hits, used, outdated = results.merge(tmp_path)
    assert (hits, used, outdated) == ({REACHABLE[0]: 5}, 2, 0)
    monkeypatch.setattr(results, "digest", lambda: "of other sources")
    results.save(tmp_path / "two.json", {REACHABLE[0]: 3})
    hits, used, outdated = results.merge(tmp_path)
    assert (hits, used, outdated) == ({REACHABLE[0]: 3}, 1, 1)


def test_unknown_bin_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such bins: .*gate: nonsense"):
        results.save(tmp_path / "one.json", {"gate: nonsense": 1})


def test_report_fails_for_each_empty_bin_and_each_impossible_hit(tmp_path, capsys):
    everything = dict.fromkeys(REACHABLE, 7)
    results.save(tmp_path / "one.json", everything)
    assert main([str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert f"{len(REACHABLE)} of {len(REACHABLE)} bins" in shown
    assert "| gate: pz = 0 | 7 | z is 0 without a cut |" in shown
    assert all(why in shown for why in UNREACHABLE.values())

    results.save(tmp_path / "one.json", {**everything, "gate: pz = 0": 0})
    assert main([str(tmp_path)]) == 1
    assert "- gate: pz = 0: z is 0 without a cut" in capsys.readouterr().out

    results.save(tmp_path / "one.json", {**everything, "gate: h beyond M": 1})
    assert main([str(tmp_path)]) == 1
    assert "said to be unreachable:\n\n- gate: h beyond M" in capsys.readouterr().out


def test_report_of_nothing_fails(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert "run pytest sim/ first" in capsys.readouterr().err


def test_groups_of_answers_are_in_the_table():
    assert set(OUTCOMES) < set(BINS)
