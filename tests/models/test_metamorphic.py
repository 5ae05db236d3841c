"""What must stay the same in the golden model when a network, or what went before, changes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.golden import GoldenModel, State
from tests.cases import cases, constant_inputs
from tests.transforms import as_state, holding, permuted, permuted_state, with_constant_input

SETTINGS = settings(max_examples=60, deadline=None)


def run(network, x, state=None):
    return GoldenModel(network).run(x[None], state=state)


def units_of(result):
    """All units' states, [T, units]."""
    return np.concatenate([states[0] for states in result.states], axis=1)


@SETTINGS
@given(cases(), st.data())
def test_permuted_units_have_permuted_states_and_the_same_logits(case, data):
    network, x = case.network(), case.inputs()[0]
    orders = [np.array(data.draw(st.permutations(range(n)))) for n in network.spec.units]
    here, there = run(network, x), run(permuted(network, orders), x)
    for before, after in zip(units_of(here), units_of(there), strict=True):
        assert permuted_state(before, orders) == after.tolist()
    assert np.array_equal(here.logits, there.logits)
    assert np.array_equal(here.scores, there.scores)


@SETTINGS
@given(cases(), st.data())
def test_unit_whose_inhibition_is_zero_never_changes(case, data):
    network, x = case.network(), case.inputs()[0]
    held = [data.draw(st.sets(st.integers(0, n - 1), min_size=1)) for n in network.spec.units]
    begin = data.draw(
        st.lists(
            st.integers(-network.spec.M, network.spec.M),
            min_size=(n := sum(network.spec.units)),
            max_size=n,
        )
    )
    still = holding(network, [sorted(units) for units in held], biases=(31, -32768, 0))
    result = run(still, x, as_state(still, begin))
    for states, first, units in zip(result.states, as_state(still, begin).h, held, strict=True):
        for unit in units:
            assert (states[0, :, unit] == first[0, unit]).all()


@SETTINGS
@given(cases(), st.data())
def test_constant_input_is_a_bias(case, data):
    network, x = case.network(), case.inputs()[0]
    weights, value = data.draw(constant_inputs(network))
    more = with_constant_input(network, weights, value)
    here, there = run(network, x), run(more, np.insert(x, x.shape[1], value, axis=1))
    assert np.array_equal(units_of(here), units_of(there))
    assert np.array_equal(here.logits, there.logits)


@SETTINGS
@given(cases(steps=6))
def test_interrupted_sequence_equals_an_uninterrupted_one(case):
    network, x = case.network(), case.inputs()[0]
    whole = run(network, x)
    state: State | None = None
    for step in range(len(x)):
        part = run(network, x[step : step + 1], state)
        assert np.array_equal(units_of(part)[0], units_of(whole)[step])
        assert np.array_equal(part.logits[0, 0], whole.logits[0, step])
        state = part.state
    assert np.array_equal(part.scores, whole.scores)
    assert np.array_equal(part.labels, whole.labels)


@SETTINGS
@given(cases(steps=6))
def test_batch_equals_its_sequences_one_by_one(case):
    network, x = case.network(), case.inputs()[0]
    both = np.stack([x, x[::-1]])
    batch = GoldenModel(network).run(both)
    for number, sequence in enumerate(both):
        alone = run(network, sequence)
        assert np.array_equal(batch.logits[number], alone.logits[0])
        assert np.array_equal(batch.labels[number : number + 1], alone.labels)
