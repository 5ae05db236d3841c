"""The float cell and its layers: the gate's properties, and an interface like GRU's."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.cells import AdditiveGatedCell, AdditiveGatedRNN
from models.gate import gate, gate_sequence

torch.set_num_threads(1)


def pre(z, c):
    return torch.tensor([[*z, *c]], dtype=torch.float64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(1)


def test_zero_inhibition_holds_state():
    h = torch.tensor([[0.3, -0.9]], dtype=torch.float64)
    assert torch.equal(gate(pre((0.0, -2.0), (1.0, 0.5)), h), h)


def test_large_inhibition_overwrites_state():
    h = torch.tensor([[0.25, -1.0]], dtype=torch.float64)
    assert gate(pre((0.5, 9.0), (-0.25, 3.0)), h).tolist() == [[-0.25, 1.0]]


def test_inhibition_limits_the_rate():
    h = torch.tensor([[0.5, -0.5]], dtype=torch.float64)
    assert gate(pre((0.125, 0.25), (-1.0, 1.0)), h).tolist() == [[0.375, -0.25]]


def test_the_dead_zone_holds_small_changes_and_shortens_others():
    h = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    assert gate(pre((9.0, 9.0), (0.625, 0.0)), h, theta=0.25).tolist() == [[0.5, 0.25]]


def test_the_state_stays_between_old_state_and_candidate(generator):
    p = torch.randn(2000, 20, generator=generator) * 2
    h = torch.rand(2000, 10, generator=generator) * 2 - 1
    for theta in (0.0, 0.3):
        new, c = gate(p, h, theta), p[:, 10:].clamp(-1, 1)
        assert (new >= torch.minimum(h, c) - 1e-6).all()
        assert (new <= torch.maximum(h, c) + 1e-6).all()


def test_rounding_puts_states_on_the_grid(generator):
    p = torch.randn(500, 20, generator=generator)
    h = torch.randint(-7, 8, (500, 10), generator=generator) / 8
    new = gate(p, h, steps=8) * 8
    assert torch.equal(new, new.round()) and new.abs().max() == 7


def gradients(p, h, theta=0.0):
    p, h = p.clone().requires_grad_(), h.clone().requires_grad_()
    gate(p, h, theta).sum().backward()
    return p.grad.tolist(), h.grad.tolist()


def test_gradient_is_one_while_held_or_limited_and_zero_on_overwrite():
    h = torch.tensor([[0.5, 0.5, 0.5]], dtype=torch.float64)
    p_grad, h_grad = gradients(pre((-1.0, 0.1, 9.0), (0.0, 0.0, 0.0)), h)
    assert h_grad == [[1.0, 1.0, 0.0]]
    # z: flat, pulling down, free; c: no say, no say, full say.
    assert p_grad == [[0.0, -1.0, 0.0, 0.0, 0.0, 1.0]]


def test_gradient_is_one_where_a_held_state_equals_its_candidate():
    h = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    p_grad, h_grad = gradients(pre((0.0, -1.0), (0.5, 0.5)), h)
    assert (p_grad, h_grad) == ([[0.0] * 4], [[1.0, 1.0]])


def test_gradient_is_zero_where_the_inhibition_is_cut():
    # On the grid of 1/8, |c - h| is at most 14/8, so a z cut at 15/8 never limits: what it
    # would change is nothing, and so is its gradient.
    p = torch.tensor([[9.0, 0.5]], dtype=torch.float64, requires_grad=True)
    h = torch.full((1, 1), -4.0, dtype=torch.float64)  # no legal state: it forces the limit
    gate(p, h, steps=8).sum().backward()
    assert p.grad.tolist() == [[0.0, 0.0]]


def test_gradient_is_zero_where_the_candidate_is_cut():
    p_grad, _ = gradients(pre((9.0,), (1.5,)), torch.zeros(1, 1, dtype=torch.float64))
    assert p_grad == [[0.0, 0.0]]


def test_gradient_is_one_in_the_dead_zone():
    h = torch.tensor([[0.5]], dtype=torch.float64)
    p_grad, h_grad = gradients(pre((9.0,), (0.55,)), h, theta=0.25)
    assert (p_grad, h_grad) == ([[0.0, 0.0]], [[1.0]])


@pytest.mark.parametrize("theta", [0.0, 0.1])
def test_gate_gradcheck(generator, theta):
    p = torch.randn(6, 16, dtype=torch.float64, generator=generator).requires_grad_()
    h = (torch.rand(6, 8, dtype=torch.float64, generator=generator) * 1.8 - 0.9).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, h: gate(p, h, theta), (p, h))


def test_cell_gradcheck(generator):
    torch.manual_seed(3)
    cell = AdditiveGatedCell(3, 4).double()
    x = torch.randn(5, 3, dtype=torch.float64, generator=generator).requires_grad_()
    h = (torch.rand(5, 4, dtype=torch.float64, generator=generator) - 0.5).requires_grad_()

    def run(x, h, *parameters):
        return cell(x, h)

    assert torch.autograd.gradcheck(run, (x, h, *cell.parameters()))


def test_a_cell_equals_its_equation(generator):
    cell = AdditiveGatedCell(3, 4, theta=0.05)
    x, h = torch.randn(5, 3, generator=generator), torch.rand(5, 4, generator=generator) - 0.5
    p = x @ cell.weight_ih.T + h @ cell.weight_hh.T + cell.bias
    z, c = p[:, :4].relu(), p[:, 4:].clamp(-1, 1)
    gap = c - h
    gap = gap - gap.clamp(-0.05, 0.05)
    expected = h + torch.maximum(torch.minimum(gap, z), -z)
    assert torch.allclose(cell(x, h), expected, atol=1e-6)
    assert torch.allclose(cell(x[0], h[0]), expected[0], atol=1e-6)


def test_layers_are_cells_one_above_the_other(generator):
    rnn = AdditiveGatedRNN(3, 4, num_layers=2)
    x = torch.randn(6, 5, 3, generator=generator)
    output, h_n = rnn(x)
    h = [torch.zeros(5, 4), torch.zeros(5, 4)]
    for step in range(6):
        h[0] = rnn.cells[0](x[step], h[0])
        h[1] = rnn.cells[1](h[0], h[1])
        assert torch.allclose(output[step], h[1], atol=1e-6)
    assert torch.allclose(h_n, torch.stack(h), atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_first", [False, True])
def test_shapes_are_those_of_gru(layers, batch_first):
    ours = AdditiveGatedRNN(3, 4, num_layers=layers, batch_first=batch_first)
    theirs = torch.nn.GRU(3, 4, num_layers=layers, batch_first=batch_first)
    for shape in ((7, 5, 3), (7, 3)):
        x = torch.randn(shape)
        for hx in (None, theirs(x)[1]):
            a, b = ours(x, hx), theirs(x, hx)
            assert (a[0].shape, a[1].shape) == (b[0].shape, b[1].shape)


def test_batch_first_only_changes_the_layout(generator):
    rnn = AdditiveGatedRNN(3, 4, num_layers=2)
    x = torch.randn(6, 5, 3, generator=generator)
    output, h_n = rnn(x)
    rnn.batch_first = True
    first, h_first = rnn(x.transpose(0, 1))
    assert torch.equal(first, output.transpose(0, 1)) and torch.equal(h_first, h_n)


@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_equals_padded_equals_each_alone(generator, enforce_sorted, batch_first):
    rnn = AdditiveGatedRNN(3, (4, 6), batch_first=batch_first)
    x = torch.randn(5, 7, 3, generator=generator)
    lengths = [7, 7, 5, 2, 1] if enforce_sorted else [2, 7, 1, 7, 5]
    laid = x if batch_first else x.transpose(0, 1)
    packed = pack_padded_sequence(laid, lengths, batch_first, enforce_sorted=enforce_sorted)
    output, h_packed = rnn(packed)
    unpacked, found = pad_packed_sequence(output, batch_first)
    padded, h_padded = rnn(laid, lengths=lengths)
    assert found.tolist() == lengths
    assert torch.equal(unpacked, padded)
    assert all(torch.equal(a, b) for a, b in zip(h_packed, h_padded, strict=True))
    rnn.batch_first = True
    for n, length in enumerate(lengths):
        alone, h_alone = rnn(x[n : n + 1, :length])
        mine = padded[n] if batch_first else padded[:, n]
        assert torch.allclose(mine[:length], alone[0], atol=1e-6)
        assert (mine[length:] == 0).all()
        assert all(
            torch.allclose(a[n], b[0], atol=1e-6) for a, b in zip(h_padded, h_alone, strict=True)
        )


def test_continuing_from_a_state_equals_uninterrupted(generator):
    rnn = AdditiveGatedRNN(3, 4, num_layers=2)
    x = torch.randn(8, 5, 3, generator=generator)
    whole, h_whole = rnn(x)
    first, h = rnn(x[:3])
    second, h = rnn(x[3:], h)
    assert torch.allclose(torch.cat((first, second)), whole, atol=1e-6)
    assert torch.allclose(h, h_whole, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r(torch.zeros(2, 5, 4)), "3 features, not 4"),
        (lambda r: r(torch.zeros(0, 5, 3)), "at least one time step"),
        (lambda r: r(torch.zeros(2, 5, 3, 1)), "2 or 3 dimensions"),
        (lambda r: r(torch.zeros(2, 5, 3), torch.zeros(1, 5, 4)), "one per layer"),
        (lambda r: r(torch.zeros(2, 5, 3), lengths=[1, 2]), "5 integers"),
        (lambda r: r(torch.zeros(2, 2, 3), lengths=[0, 2]), "from 1 to 2"),
        (lambda r: r(torch.zeros(2, 2, 3), lengths=[1, 3]), "from 1 to 2"),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(AdditiveGatedRNN(3, 4, num_layers=2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdditiveGatedRNN(3, 4, num_layers=5), "1 to 4 layers"),
        (lambda: AdditiveGatedRNN(3, (4, 4), num_layers=3), "num_layers must be 2"),
        (lambda: AdditiveGatedRNN(3, 4, theta=(0.1, 0.2)), "theta must be given for 1"),
        (lambda: AdditiveGatedCell(3, 4, theta=2.0), "theta must be in"),
        (lambda: AdditiveGatedCell(0, 4), "at least 1"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("steps", [None, 16])
@pytest.mark.parametrize("theta", [0.0, 0.125])
@pytest.mark.parametrize("lengths", [None, [3, 7, 1, 5]])
def test_whole_sequences_equal_single_steps_with_their_gradients(generator, steps, theta, lengths):
    def draw(*shape):
        return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()

    inputs, recurrent, weight = draw(7, 4, 10), draw(10, 5), draw(7, 4, 5)
    start = (torch.rand(4, 5, dtype=torch.float64, generator=generator) - 0.5).requires_grad_()
    valid = (
        None if lengths is None else torch.arange(7)[:, None, None] < torch.tensor(lengths)[:, None]
    )
    results = []
    for together in (True, False):
        if together:
            states = gate_sequence(inputs, recurrent, start, valid, theta, steps)
        else:
            h, single = start, []
            for step in range(7):
                moved = gate(inputs[step] + h @ recurrent.T, h, theta, steps)
                h = moved if valid is None else torch.where(valid[step], moved, h)
                single.append(h)
            states = torch.stack(single)
        grads = torch.autograd.grad((states * weight).sum(), (inputs, recurrent, start))
        results.append((states, *grads))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-12)
    assert all(gradient.abs().sum() > 0 for gradient in results[0][1:])


@pytest.mark.parametrize("theta", [0.0, 0.1])
def test_sequence_gradcheck(generator, theta):
    inputs = torch.randn(5, 3, 8, dtype=torch.float64, generator=generator).requires_grad_()
    recurrent = torch.randn(8, 4, dtype=torch.float64, generator=generator).requires_grad_()
    h = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    valid = torch.arange(5)[:, None, None] < torch.tensor([5, 2, 3])[:, None]

    def run(inputs, recurrent, h):
        return gate_sequence(inputs, recurrent, h, valid, theta)

    assert torch.autograd.gradcheck(run, (inputs, recurrent, h))
