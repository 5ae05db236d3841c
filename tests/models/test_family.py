"""The cells beside the additive gate: each against its formula, written again in NumPy."""

import numpy as np
import pytest
import torch

from models.family.egru import EGRULayer, event_rate
from models.family.named import CELLS, build
from models.family.ternary import TernaryActivation, TernaryWeight, ternary_weights
from models.float_network import AdditiveGatedNetwork
from models.qat import prepare_qat
from models.recurrent import RecurrentLayers
from models.tasks import digits
from models.tasks.data import Part
from models.training import Settings, batches, fit, measure

INPUTS, UNITS, LENGTH, COUNT = 3, 4, 6, 5
LENGTHS = [6, 1, 3, 5, 6]

every_cell = pytest.mark.parametrize("name", CELLS)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def additive(p, x, h):
    w, u, b = p["weight_ih"], p["weight_hh"], p["bias"]
    z, c = np.split(w @ x + u @ h + b, 2)
    z, c = np.maximum(z, 0), np.clip(c, -1, 1)
    # The other form of the gate.
    h = c + np.maximum(h - c - z, 0) - np.maximum(c - h - z, 0)
    return h, h


def gru(p, x, h):
    wr, wz, wn = np.split(p["gru.weight_ih_l0"], 3)
    ur, uz, un = np.split(p["gru.weight_hh_l0"], 3)
    br, bz, bn = np.split(p["gru.bias_ih_l0"], 3)
    cr, cz, cn = np.split(p["gru.bias_hh_l0"], 3)
    r, z = sigmoid(wr @ x + br + ur @ h + cr), sigmoid(wz @ x + bz + uz @ h + cz)
    n = np.tanh(wn @ x + bn + r * (un @ h + cn))
    h = (1 - z) * n + z * h
    return h, h


def lstm(p, x, state):
    h, c = np.split(state, 2)
    w, u = np.split(p["lstm.weight_ih_l0"], 4), np.split(p["lstm.weight_hh_l0"], 4)
    b = np.split(p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"], 4)
    i, f, g, o = (w[k] @ x + u[k] @ h + b[k] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, np.concatenate((h, c))


def mixed(p, prefix, part, wx, uh):
    a, b1, b2, b = (p[f"{prefix}.{n}"][part] for n in ("alpha", "beta1", "beta2", "bias"))
    return np.array(
        [a[k] * wx[k] * uh[k] + b1[k] * uh[k] + b2[k] * wx[k] + b[k] for k in range(len(wx))]
    )


def mi_gru(p, x, h):
    size = len(h)
    first, second = slice(0, size), slice(size, 2 * size)
    wr, wz, wn = np.split(p["weight_ih"], 3)
    ur, uz = np.split(p["weight_hh"], 2)
    r = sigmoid(mixed(p, "gates", first, wr @ x, ur @ h))
    z = sigmoid(mixed(p, "gates", second, wz @ x, uz @ h))
    n = np.tanh(mixed(p, "candidate", first, wn @ x, p["weight_hn"] @ (r * h)))
    h = z * h + (1 - z) * n
    return h, h


def mi_lstm(p, x, state):
    h, c = np.split(state, 2)
    size = len(h)
    w, u = np.split(p["weight_ih"], 4), np.split(p["weight_hh"], 4)
    i, f, g, o = (
        mixed(p, "integration", slice(k * size, (k + 1) * size), w[k] @ x, u[k] @ h)
        for k in range(4)
    )
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, np.concatenate((h, c))


def egru(p, x, c):
    wu, wr, wz = np.split(p["weight_ih"], 3)
    uu, ur, uz = np.split(p["weight_hh"], 3)
    bu, br, bz = np.split(p["bias"], 3)
    theta = p["threshold"]
    y = np.array([v if v > t else 0.0 for v, t in zip(c, theta, strict=True)])
    u, r = sigmoid(wu @ x + uu @ y + bu), sigmoid(wr @ x + ur @ y + br)
    z = np.tanh(wz @ x + uz @ (r * y) + bz)
    c = u * z + (1 - u) * c - np.array([t if v > t else 0.0 for v, t in zip(c, theta, strict=True)])
    return np.array([v if v > t else 0.0 for v, t in zip(c, theta, strict=True)]), c


def ttq(weight, threshold=0.7):
    rows = []
    for row in weight:
        kept = np.abs(row) > threshold * np.abs(row).mean()
        scale = 2.0 ** np.round(np.log2(np.abs(row[kept]).mean()))
        rows.append(np.sign(row) * kept * scale)
    return np.array(rows)


def cut(smooth):
    return np.where(np.abs(smooth) > 0.5, np.sign(smooth), 0.0)


def hitnet_weights(p, count):
    names = ("weight_ih", "weight_hh")
    w, u = (ttq(p[f"parametrizations.{name}.original"]) for name in names)
    return np.split(w, count), np.split(u, count), np.split(p["bias"], count)


SLOPE = 2.0


def hitnet_gru(p, x, h):
    w, u, b = hitnet_weights(p, 3)
    r, z = (cut(sigmoid(SLOPE * (w[k] @ x + u[k] @ h + b[k]))) for k in range(2))
    n = cut(np.tanh(SLOPE * (w[2] @ x + u[2] @ (r * h) + b[2])))
    h = np.where(z == 1, h, n)
    return h, h


def hitnet_lstm(p, x, state):
    h, c = np.split(state, 2)
    w, u, b = hitnet_weights(p, 4)
    i, f, g, o = (w[k] @ x + u[k] @ h + b[k] for k in range(4))
    i, f, o = (cut(sigmoid(SLOPE * gate)) for gate in (i, f, o))
    c = f * c + i * cut(np.tanh(SLOPE * g))
    h = o * cut(np.tanh(SLOPE * c))
    return h, np.concatenate((h, c))


FORMULAS = {
    "additive": additive,
    "gru": gru,
    "lstm": lstm,
    "mi-gru": mi_gru,
    "mi-lstm": mi_lstm,
    "egru": egru,
    "hitnet-gru": hitnet_gru,
    "hitnet-lstm": hitnet_lstm,
}
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


@pytest.mark.parametrize("gate", [False, True])
def test_bernoulli_draws_are_right_on_average_and_gradients_go_through(gate):
    torch.manual_seed(0)
    activation = TernaryActivation(gate=gate, slope=1.5)
    p = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    smooth = torch.sigmoid(1.5 * p) if gate else torch.tanh(1.5 * p)
    drawn = torch.stack([activation(p) for _ in range(4000)])
    assert set(drawn.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert (drawn.mean(dim=0) - smooth).abs().max() < 0.05
    (ours,) = torch.autograd.grad(activation(p).sum(), p)
    (theirs,) = torch.autograd.grad(smooth.sum(), p)
    torch.testing.assert_close(ours, theirs)
    activation.eval()
    np.testing.assert_array_equal(activation(p).detach(), cut(smooth.detach().numpy()))


def test_a_steeper_slope_leaves_less_to_chance():
    """A draw that is 1 with probability a has the variance a (1 - a)."""
    p = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    noises = []
    for slope in (1.0, 2.0, 4.0):
        torch.manual_seed(1)
        smooth = torch.tanh(slope * p)
        noise = (TernaryActivation(slope=slope)(p) - smooth).square().mean()
        expected = (smooth.abs() * (1 - smooth.abs())).mean()
        assert float(noise) == pytest.approx(float(expected), abs=0.03)
        noises.append(float(noise))
    assert noises == sorted(noises, reverse=True)


def test_any_matrix_of_a_module_can_be_made_ternary():
    linear = torch.nn.Linear(6, 4)
    original = linear.weight.detach().clone()
    ternary_weights(linear, ["weight"])
    np.testing.assert_allclose(linear.weight.detach(), ttq(original.numpy()), rtol=1e-6)
    linear(torch.ones(2, 6)).sum().backward()
    assert (linear.parametrizations.weight.original.grad == 2).all(), "straight through"
    with pytest.raises(ValueError, match="Linear has no parameter 'wait'"):
        ternary_weights(linear, ["wait"])
    with torch.no_grad():
        linear.parametrizations.weight.original.zero_()
    assert (linear.weight == 0).all()


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
