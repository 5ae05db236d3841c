"""What must stay the same in the engine when a network, or what went before, changes.

Each test plays two scripts. What must be seen in the second one comes from the first, which the
engine has been seen to do, and not from a golden model of the second.
"""

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from models.random_networks import random_inputs, random_network
from sim.engine_script import EngineScript
from tests.cases import cases, constant_inputs
from tests.hdl.core.play import Bench
from tests.transforms import as_state, holding, permuted, permuted_state, with_constant_input

SETTINGS = settings(
    max_examples=12,
    deadline=None,
    phases=[phase for phase in settings.default.phases if phase is not Phase.explain],
)
LANES = 12
#: Small enough for a test to take seconds.
SIZES = {"lanes": (LANES,), "units": 5, "layers": 2}
#: Cycles at the end of a pass whose units may change after their layer's events have begun.
UNDER_WAY = 12


@cache
def bench():
    return Bench(LANES, store_words=1024)


def play(*scripts):
    for script in scripts:
        bench().play(script.operations)


def begin(network):
    script = EngineScript(LANES)
    script.load(network)
    return script


def after_load(script):
    """The operations behind the load."""
    return script.operations[1:]


def play_permuted(network, sequences, orders, same_cycles):
    """Play a network, and then it with its units in another order.

    States are permuted; scores, labels and the number of events are the same. The cycles of the
    second are the first one's or, if these need not be the same, the cycle model's.
    """
    note(f"orders: {[order.tolist() for order in orders]}")
    here, there = begin(network), begin(permuted(network, orders))
    for script in (here, there):
        for x in sequences:
            script.sequence(x)
    there.operations[1:] = [
        {
            **one,
            "state": permuted_state(one["state"], orders),
            **{what: (one if same_cycles else other)[what] for what in ("cycles", "adding")},
        }
        for one, other in zip(after_load(here), after_load(there), strict=True)
    ]
    play(here, there)


@SETTINGS
@given(cases(**SIZES), st.data())
def test_permuted_units_have_permuted_states_and_all_else_but_cycles_the_same(case, data):
    """An even and an odd unit's events are walked together, so cycles hang on who is which."""
    network = case.network()
    orders = [np.array(data.draw(st.permutations(range(n)))) for n in network.spec.units]
    note(case.as_python())
    play_permuted(network, case.inputs(), orders, same_cycles=False)


@SETTINGS
@given(cases(**SIZES), st.data())
def test_order_of_units_is_to_the_engine_what_permuted_units_are(case, data):
    """States are written and read by position; scores and events are as without an order."""
    network = case.network()
    orders = [np.array(data.draw(st.permutations(range(n)))) for n in network.spec.units]
    note(case.as_python())
    note(f"orders: {[order.tolist() for order in orders]}")
    ordered = replace(network, order=tuple(order.astype(np.int16) for order in orders))
    plain, here, there = begin(network), begin(ordered), begin(permuted(network, orders))
    for x in case.inputs():
        for script in (plain, here, there):
            script.sequence(x)
    h = np.concatenate([part[0] for part in plain.state.h])
    here.restore(plain.state)
    there.restore(replace(plain.state, h=as_state(network, permuted_state(h, orders)).h))
    for script in (here, there):
        script.sequence(case.inputs()[0], reset=False)
    assert here.operations == there.operations
    for one, other in zip(after_load(here), after_load(plain), strict=False):
        assert (one["scores"], one["events"]) == (other["scores"], other["events"])
    play(here)


@SETTINGS
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.data())
def test_units_permuted_among_even_and_among_odd_ones_take_the_same_cycles(seed, planes, data):
    """What a layer's events cost hangs on how many even and odd units have changed.

    That is so for those that the list holds when it begins to drain. Those of a pass's last
    cycles are still under way by then, and stay where they are here.
    """
    under_way = -(-UNDER_WAY // planes)
    units = data.draw(st.lists(st.integers(2, 10), min_size=1, max_size=2))
    network = random_network(
        seed, inputs=3, units=[n + under_way for n in units], planes=planes, density=0.4
    )
    orders = []
    for count in network.spec.units:
        order = np.arange(count)
        moving = order[: count - under_way]
        for kind in (moving[0::2], moving[1::2]):
            kind[:] = data.draw(st.permutations(kind.tolist()))
        orders.append(order)
    sequences = random_inputs(seed, network, 2, 3)
    play_permuted(network, sequences, orders, same_cycles=True)


@SETTINGS
@given(cases(**SIZES), st.data())
def test_unit_whose_inhibition_is_zero_never_changes_and_sends_nothing(case, data):
    network, x = case.network(), case.inputs()[0]
    spec = network.spec
    held = [sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))) for n in spec.units]
    total = sum(spec.units)
    value = st.integers(-spec.M, spec.M)
    first = data.draw(st.lists(value, min_size=total, max_size=total))
    note(case.as_python())
    script = begin(holding(network, held, biases=(31, -32768, 0)))
    script.restore(as_state(script.network, first))
    restored = len(script.operations)
    script.sequence(x, reset=False)
    base = np.concatenate([[0], np.cumsum(spec.units)])
    still = [base[layer] + unit for layer, units in enumerate(held) for unit in units]
    for one in script.operations[restored:]:
        for unit in still:
            one["state"][unit] = first[unit]
        # Inputs and the other units at most.
        assert one["events"] <= spec.inputs + total - len(still)
    play(script)


@SETTINGS
@given(cases(**SIZES), st.data())
def test_constant_input_makes_one_event_after_a_reset_and_none_later(case, data):
    network = case.network()
    weights, value = data.draw(constant_inputs(network))
    note(case.as_python())
    plain, constant = begin(network), begin(with_constant_input(network, weights, value))
    for x in case.inputs():
        plain.sequence(x)
        constant.sequence(np.insert(x, x.shape[1], value, axis=1))
    previous = None
    for one, other in zip(after_load(constant), after_load(plain), strict=True):
        more = int(one["do"] == "step" and previous == "reset")
        one.update(events=other["events"] + more, state=other["state"], scores=other["scores"])
        if "label" in other:
            one["label"] = other["label"]
        previous = one["do"]
    play(plain, constant)


@SETTINGS
@given(cases(**SIZES, sequences=3))
def test_reset_engine_equals_a_fresh_one(case):
    """Cycles and events, too: nothing is left that a step could be compared with."""
    note(case.as_python())
    *before, x = [*case.inputs(), case.inputs()[0]]
    used, fresh = begin(case.network()), begin(case.network())
    for sequence in before:
        used.sequence(sequence)
    fresh.sequence(x)
    used.operations += after_load(fresh)
    play(fresh, used)


@SETTINGS
@given(cases(**SIZES, sequences=1, steps=5), cases(**SIZES), st.data())
def test_saved_work_goes_on_after_other_work_as_if_nothing_had_been(case, other, data):
    network, x = case.network(), case.inputs()[0]
    after = data.draw(st.integers(0, len(x) - 1))
    note(case.as_python())
    note(other.as_python())
    uninterrupted, interrupted = begin(network), begin(network)
    uninterrupted.sequence(x)
    for row in x[:after]:
        interrupted.step(row, due=False)
    saved = interrupted.state
    interrupted.load(other.network())
    for sequence in other.inputs():
        interrupted.sequence(sequence)
    interrupted.load(network)
    interrupted.restore(saved)
    resumed = len(interrupted.operations)
    interrupted.sequence(x[after:], reset=False)
    # From the reset on, one operation a step.
    expected = after_load(uninterrupted)[1 + after :]
    for one, whole in zip(interrupted.operations[resumed:], expected, strict=True):
        one["state"] = whole["state"]
        if "label" in whole:
            one.update(label=whole["label"], scores=whole["scores"])
    play(uninterrupted, interrupted)
