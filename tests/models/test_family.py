"""The cells beside the additive gate: each against its formula, written again in NumPy."""

import numpy as np
import pytest
import torch

from models.family.egru import EGRULayer, event_rate
from models.family.named import CELLS, build
from models.family.ternary import TernaryWeight
from models.float_network import AdditiveGatedNetwork
from models.qat import prepare_qat
from models.recurrent import RecurrentLayers
from models.tasks import digits
from models.tasks.data import Part
from models.training import Settings, batches, fit, measure
from tests.models.formulas import FORMULAS

INPUTS, UNITS, LENGTH, COUNT = 3, 4, 6, 5
LENGTHS = [6, 1, 3, 5, 6]

every_cell = pytest.mark.parametrize("name", CELLS)
#: Those whose gradients are those of what they compute.
SMOOTH = [name for name in CELLS if not name.startswith("hitnet")]


def layer(name, seed=0, **settings):
    """A layer in double precision, no parameter of which is what it was initialised to."""
    torch.manual_seed(seed)
    made = CELLS[name](INPUTS, UNITS, **settings).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.rand_like(parameter))
    return made.eval()


def drawn(made, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(LENGTH, COUNT, INPUTS, generator=generator, dtype=torch.float64) * 1.5
    state = torch.rand(COUNT, made.state_size, generator=generator, dtype=torch.float64) - 0.3
    valid = torch.arange(LENGTH)[:, None, None] < torch.tensor(LENGTHS)[:, None]
    return x, state, valid


def parameters(made):
    return {name: value.detach().numpy() for name, value in made.named_parameters()}


@every_cell
@pytest.mark.parametrize("masked", [False, True])
def test_a_layer_is_its_formula_step_by_step(name, masked):
    made = layer(name)
    x, start, valid = drawn(made)
    outputs, last = made.sequence(x, start, valid if masked else None)
    assert outputs.shape == (LENGTH, COUNT, UNITS) and last.shape == (COUNT, made.state_size)
    for n in range(COUNT):
        state = start[n].numpy()
        for t in range(LENGTHS[n] if masked else LENGTH):
            given, state = FORMULAS[name](parameters(made), x[t, n].numpy(), state)
            np.testing.assert_allclose(outputs[t, n].detach(), given, rtol=0, atol=1e-12)
        np.testing.assert_allclose(last[n].detach(), state, rtol=0, atol=1e-12)
        if masked:  # what it gave last is held
            for t in range(LENGTHS[n], LENGTH):
                np.testing.assert_array_equal(outputs[t, n].detach(), outputs[t - 1, n].detach())


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("masked", [False, True])
def test_gradcheck(name, masked):
    # Of an EGRU so narrow a surrogate that no c comes near it: elsewhere it is exact.
    made = layer(name, **({"width": 1e-6} if name == "egru" else {}))
    x, start, valid = drawn(made)
    names = [key for key, _ in made.named_parameters()]

    def run(x, start, *values):
        given = dict(zip(names, values, strict=True))
        call = (x, start, valid if masked else None)
        return torch.func.functional_call(
            _Sequence(made), {f"made.{k}": given[k] for k in given}, call
        )

    values = [value.detach().clone().requires_grad_() for value in made.parameters()]
    if name == "egru":
        assert (made.sequence(x, start, None)[0] != 0).double().mean() >= 0.1
    assert torch.autograd.gradcheck(
        run, (x.requires_grad_(), start.requires_grad_(), *values), atol=1e-6
    )


class _Sequence(torch.nn.Module):
    def __init__(self, made):
        super().__init__()
        self.made = made

    def forward(self, *arguments):
        return self.made.sequence(*arguments)


def test_the_derivative_that_stands_for_an_events_own():
    made = EGRULayer(1, 3, threshold=0.5, height=0.8, width=0.2).double()
    c = torch.tensor([0.5 - 0.05, 0.5 + 0.15, 0.5 + 0.25], dtype=torch.float64, requires_grad=True)
    events = made.events(c)
    assert events.tolist() == [0, 1, 1]
    (grad,) = torch.autograd.grad(events.sum(), c)
    np.testing.assert_allclose(grad, [0.8 * 0.75, 0.8 * 0.25, 0.0], atol=1e-12)


def test_an_egru_is_silent_where_nothing_crosses_a_threshold():
    made = EGRULayer(INPUTS, UNITS, threshold=1.5)  # c cannot get there: tanh is below 1
    outputs, _ = made.sequence(torch.randn(9, 2, INPUTS), torch.zeros(2, UNITS), None)
    assert (outputs == 0).all()


def test_the_event_rate_is_of_valid_steps():
    torch.manual_seed(0)
    network = build("egru", INPUTS, (4, 7), 2, 2, settings={"threshold": 0.05})
    output = network(torch.randn(COUNT, LENGTH, INPUTS), LENGTHS)
    rates = event_rate(output)
    for rate, given in zip(rates, output.states, strict=True):
        spoken = [n for sequence, n in zip(given, LENGTHS, strict=True) for n in sequence[:n] != 0]
        assert rate == pytest.approx(float(torch.stack(spoken).double().mean()))
        assert 0 < rate < 1
    quiet = build("egru", INPUTS, 4, 2, settings={"threshold": 1.5})
    assert event_rate(quiet(torch.randn(2, 3, INPUTS))) == (0.0,)


@every_cell
def test_networks_of_all_cells_answer_alike_packed_padded_or_alone(name):
    torch.manual_seed(0)
    network = build(name, INPUTS, (4, 7), 2, mode="sum").double().eval()
    x = torch.randn(COUNT, LENGTH, INPUTS, dtype=torch.float64)
    together = network(x, LENGTHS)
    for n, length in enumerate(LENGTHS):
        alone = network(x[n : n + 1, :length])
        torch.testing.assert_close(together.scores[n], alone.scores[0])
        for state, own in zip(together.h_n, alone.h_n, strict=True):
            torch.testing.assert_close(state[n], own[0])
    parts = network(x[:, :2]), None
    rest = network(x[:, 2:], hx=parts[0].h_n)
    torch.testing.assert_close(rest.logits[:, -1], network(x).logits[:, -1])


@pytest.mark.parametrize("name", SMOOTH)
def test_networks_of_all_cells_learn_by_the_same_loop(name):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = digits.load()
    # An EGRU that hardly speaks learns slowly.
    settings = {"threshold": 0.05} if name == "egru" else None
    network = build(name, 8, 24, 10, settings=settings, normalisation=task.normalisation)
    rng = np.random.default_rng(0)
    count = -(-len(task.train) // 64)
    training = Settings(learning_rate=1e-2, epochs=6)
    before = measure(network, task.validation)[1]
    history = fit(network, lambda _: batches(task.train, 64, rng), count, task.validation, training)
    assert history.validation[-1] > 0.5 and history.validation_loss[-1] < 0.7 * before


@pytest.mark.parametrize("name", ["hitnet-gru", "hitnet-lstm"])
@pytest.mark.parametrize("drawn", [True, False])
def test_hitnet_gives_ternary_states_from_ternary_weights_and_learns(name, drawn):
    torch.manual_seed(0)
    network = build(name, INPUTS, 16, 2, settings={"drawn": drawn})
    x = torch.randn(64, 10, INPUTS)
    y = (x[:, :, 0].sum(dim=1) > 0).long()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(network(x).scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-20:]) < 0.75 * np.mean(losses[:5])
    first, second = (network(x).states[0] for _ in range(2))
    assert set(first.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert torch.equal(first, second) != drawn, "only draws differ from one time to the next"
    network.eval()
    assert torch.equal(network(x).logits, network(x).logits)
    for row in network.rnn.cells[0].weight_hh:
        sizes = set(row.abs().unique().tolist()) - {0.0}
        assert len(sizes) <= 1 and all(np.log2(size).is_integer() for size in sizes)


def test_an_additive_network_can_be_quantized():
    torch.manual_seed(5)
    one = build("additive", INPUTS, (4, 3), 2, settings={"input_scale": 3.0}, mode="sum")
    torch.manual_seed(5)
    other = AdditiveGatedNetwork(INPUTS, (4, 3), 2, input_scale=3.0, mode="sum")
    x = torch.randn(2, 7, INPUTS)
    assert torch.equal(one(x).logits, other(x).logits)
    assert prepare_qat(one)(x).scores.shape == (2, 2)


def test_a_network_that_draws_is_measured_without_drawing():
    """And the epoch that is kept is chosen so."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6, INPUTS))
    part = Part(x, (x.sum(axis=(1, 2)) > 0).astype(np.int64))
    network = build("hitnet-lstm", INPUTS, 12, 2)
    marks = {measure(network, part) for _ in range(3)}
    assert len(marks) == 1 and network.training
    history = fit(
        network, lambda _: batches(part, 32, rng), 4, part, Settings(learning_rate=1e-2, epochs=5)
    )
    assert measure(network, part)[0] == history.validation[history.best]


@every_cell
def test_no_sequences_give_no_answers(name):
    network = build(name, INPUTS, 4, 2)
    output = network(torch.zeros(0, 5, INPUTS), lengths=torch.zeros(0, dtype=torch.long))
    assert output.scores.shape == (0, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: build("rnn", 3, 4, 2), "cell must be one of additive, gru, .*, not 'rnn'"),
        (lambda: build("gru", 3, 4, 2, num_layers=5), "1 to 4 layers, not 5"),
        (lambda: build("lstm", 0, 4, 2), "sizes must be at least 1, not 0 and 4"),
        (lambda: build("egru", 3, 4, 2, settings={"threshold": 0}), "threshold, height and width"),
        (lambda: build("mi-gru", 3, 4, 2, mode="first"), "mode must be one of"),
        (lambda: build("hitnet-gru", 3, 4, 2, settings={"slope": 0}), "slope must be above 0"),
        (lambda: TernaryWeight(-0.1), "threshold must be at least 0, not -0.1"),
        (
            lambda: RecurrentLayers([CELLS["gru"](3, 4), CELLS["gru"](5, 4)]),
            "above one of 4 must take as many inputs, not 5",
        ),
        (lambda: RecurrentLayers([]), "1 to 4 layers, not 0"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
