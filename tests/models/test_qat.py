"""Quantization-aware training and export: on the grid, and bit for bit like the golden models."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.export import export
from models.float_network import AdditiveGatedNetwork
from models.golden import GoldenModel
from models.golden_torch import TorchGoldenModel
from models.network import Normalisation
from models.qat import Planes, from_network, prepare_qat, ternarize, ternary_planes
from models.random_networks import random_inputs, random_network
from models.spec import FRACTION_BITS, MAX_SHIFT

torch.set_num_threads(1)


def agree(network, module, x, lengths=None):
    """Assert that module, NumPy and PyTorch golden models give the same logits and states."""
    golden = GoldenModel(network).run(x, lengths)
    tensors = TorchGoldenModel(network).run(torch.from_numpy(x), lengths)
    with torch.no_grad():
        output = module(torch.from_numpy(x), lengths)
    logit, state = 2.0 ** (network.spec.hb + FRACTION_BITS), 2.0**network.spec.hb
    assert (output.logits.double().numpy() * logit == golden.logits).all()
    assert (output.scores.numpy() * logit == golden.scores).all()
    assert (tensors.logits.numpy() == golden.logits).all()
    assert (tensors.scores.numpy() == golden.scores).all()
    assert (tensors.labels.numpy() == golden.labels).all()
    for floats, exact, integers in zip(output.states, golden.states, tensors.states, strict=True):
        assert (floats.numpy() * state == exact).all()
        assert (integers.numpy() == exact).all()
    return golden


@pytest.mark.parametrize("seed", range(40))
def test_three_computations_agree_on_random_networks(seed):
    rng = np.random.default_rng(seed)
    network = random_network(
        seed,
        inputs=int(rng.integers(1, 20)),
        units=rng.integers(1, 24, rng.integers(1, 5)).tolist(),
        outputs=int(rng.integers(1, 6)),
        hb=int(rng.integers(3, 8)),
        theta=int(rng.integers(0, 6)) if seed % 2 else 0,
        mode=("last", "sum", "every")[seed % 3],
        planes=1 + seed % 4 if seed % 5 == 0 else 1,
        shifts=(0, 7) if seed % 4 == 0 else (0, 4),
        bias=32768 if seed % 7 == 0 else None,
    )
    x = random_inputs(seed, network, 6, 12)
    lengths = rng.integers(1, 13, 6).tolist() if seed % 2 else None
    agree(network, from_network(network), x, lengths)


def test_the_largest_sums_are_exact():
    network = random_network(
        1, inputs=257, units=(257,), density=1.0, shifts=(7, 7), bias=32768, outputs=3
    )
    x = np.full((2, 3, 257), 127, np.int8)
    x[1] = np.sign(network.layers[0].W[0, 300]) * 127  # row 300 at its worst case
    agree(network, from_network(network), x)


def test_a_long_sum_is_exact():
    network = random_network(2, units=(40,), mode="sum", shifts=(3, 7), bias=32768, density=1.0)
    agree(network, from_network(network), random_inputs(2, network, 2, 1500))


def float_module(seed=0, hidden=(9,), **settings):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    normalisation = Normalisation(rng.normal(size=5), rng.uniform(0.3, 1.0, 5))
    module = AdditiveGatedNetwork(5, hidden, 4, normalisation=normalisation, **settings)
    with torch.no_grad():
        for cell in module.rnn.cells:
            cell.bias.uniform_(-0.3, 0.6)
    return module


def train_a_little(module, steps=6, lr=0.02):
    torch.manual_seed(5)
    optimizer = torch.optim.Adam(module.parameters(), lr)
    for _ in range(steps):
        output = module(torch.randn(16, 7, 5))
        loss = torch.nn.functional.cross_entropy(output.scores, torch.randint(4, (16,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("mode", ["last", "sum", "every"])
@pytest.mark.parametrize("hb", [3, 5, 7])
@pytest.mark.parametrize("freeze_scales", [False, True])
def test_a_trained_module_is_exported_bit_for_bit(mode, hb, freeze_scales):
    module = prepare_qat(float_module(hb, (9, 6), mode=mode, theta=(0.0, 0.2)), hb, freeze_scales)
    train_a_little(module)
    network = export(module, "trained", ["a", "b", "c", "d"], "task")
    x = torch.randn(10, 9, 5)
    quantized = network.quantize(x.numpy())
    agree(network, module, quantized, [9, 1, 5, 9, 2, 3, 4, 9, 9, 8])
    agree(network, from_network(network), quantized)
    with torch.no_grad():  # raw features and quantized ones give the same
        assert torch.equal(module(x).logits, module(torch.from_numpy(quantized)).logits)
    assert network.spec.layers[1].theta == round(0.2 * 2**hb)
    assert (network.spec.max_steps is not None) == (mode == "sum")


def test_a_module_continues_from_a_state():
    network = random_network(6, units=(7, 5), theta=2)
    module, x = from_network(network), torch.from_numpy(random_inputs(6, network, 3, 8))
    with torch.no_grad():
        whole, first = module(x), module(x[:, :3])
        second = module(x[:, 3:], hx=first.h_n)
    assert torch.equal(second.logits, whole.logits[:, 3:])
    assert all(torch.equal(a, b) for a, b in zip(second.h_n, whole.h_n, strict=True))


def test_training_moves_weights_and_lowers_the_loss():
    module = prepare_qat(float_module())
    before = [p.clone() for p in module.parameters()]
    train_a_little(module, 2)
    moved = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert all(moved)
    x, y = torch.randn(32, 7, 5), torch.arange(32) % 4
    losses = []
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(module(x).scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-5:]) < 0.7 * losses[0]


def test_rows_are_ternary_with_the_nearest_power_of_two():
    weight = torch.tensor([[0.5, -0.26, 0.1, 0.0], [4.0, 4.0, -6.0, 0.1], [1e-3, 0, 0, 0]])
    signs, k = ternarize(weight, FRACTION_BITS)
    assert signs.tolist() == [[1, -1, 0, 0], [1, 1, -1, 0], [1, 0, 0, 0]]
    # 0.38 -> 2^-1.4; 4.67 -> cut at 2^2, shift 7; 0.001 -> cut at 2^-5, shift 0.
    assert k.tolist() == [1, FRACTION_BITS - MAX_SHIFT, FRACTION_BITS]


def test_a_row_of_zeros_is_exported_as_zeros():
    module = float_module()
    with torch.no_grad():
        module.rnn.cells[0].weight_ih[3] = 0.0
    network = export(prepare_qat(module))
    assert not network.layers[0].W[0, 3].any()
    agree(network, from_network(network), random_inputs(0, network, 3, 4))


def test_frozen_scales_stay():
    frozen, free = (prepare_qat(float_module(), freeze_scales=f) for f in (True, False))
    shifts = export(frozen).layers[0].U_shift
    for module in (frozen, free):
        with torch.no_grad():
            module.rnn.cells[0].weight_hh *= 4.0
    assert (export(frozen).layers[0].U_shift == shifts).all()
    assert (export(free).layers[0].U_shift == shifts + 2).all()


@pytest.mark.parametrize(
    "planes", [Planes(2, 1, 1), Planes(1, 3, 1), Planes(1, 1, 4), Planes(4, 2, 3)], ids=str
)
@pytest.mark.parametrize("freeze_scales", [False, True])
def test_a_module_of_several_planes_is_exported_bit_for_bit(planes, freeze_scales):
    module = prepare_qat(float_module(2, (9, 6)), 7, freeze_scales, planes=planes)
    train_a_little(module)
    network = export(module)
    first, second = network.spec.layers
    assert (first.input_planes, first.recurrent_planes) == (planes.inputs, planes.recurrent)
    assert (second.input_planes, second.recurrent_planes) == (planes.recurrent, planes.recurrent)
    assert network.spec.readout.planes == planes.readout
    x = network.quantize(torch.randn(10, 9, 5).numpy())
    agree(network, module, x)
    agree(network, from_network(network), x)


def test_each_plane_takes_what_those_before_have_left():
    weight = torch.tensor([[1.0, 0.7, -0.26, 0.0], [0.5, 0.5, -0.5, 0.5], [0.0, 0.0, 0.0, 0.0]])
    signs, k = ternary_planes(weight, 2, FRACTION_BITS)
    # 0.85 -> 2^0; left are 0, -0.3, -0.26: 0.28 -> 2^-2.
    assert signs[:, 0].tolist() == [[1, 1, 0, 0], [0, -1, -1, 0]] and k[:, 0].tolist() == [0, 2]
    assert signs[:, 1].tolist() == [[1, 1, -1, 1], [0, 0, 0, 0]] and k[0, 1] == 1
    assert not signs[:, 2].any()


def test_more_planes_come_nearer():
    weight = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * 0.3
    errors = []
    for planes in range(1, 5):
        signs, k = ternary_planes(weight, planes, FRACTION_BITS)
        errors.append(float((weight - (signs * 2.0 ** -k[..., None]).sum(dim=0)).square().mean()))
    # The last is of the order of the finest plane's own step, 2^-5.
    assert all(more < 0.5 * fewer for fewer, more in zip(errors, errors[1:3], strict=False))
    assert errors[3] < errors[2]


def test_biases_are_cut_to_16_bits():
    module = float_module()
    with torch.no_grad():
        module.rnn.cells[0].bias[0], module.rnn.cells[0].bias[1] = 100.0, -100.0
        module.readout.bias[0] = 100.0
    quantized = prepare_qat(module)
    network = export(quantized)
    assert network.layers[0].b[:2].tolist() == [32767, -32768]
    assert network.readout.b[0] == 32767
    agree(network, quantized, random_inputs(0, network, 3, 4))


def test_the_rounding_half_is_in_the_gate_and_not_in_the_readout():
    network = export(prepare_qat(AdditiveGatedNetwork(5, 9, 4)))
    assert (network.layers[0].b == 2 ** (FRACTION_BITS - 1)).all()
    assert (network.readout.b == 0).all()


def test_prepare_qat_leaves_the_float_module_alone():
    module = float_module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    train_a_little(prepare_qat(module))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not isinstance(module.rnn.cells[0], type(prepare_qat(module).rnn.cells[0]))


def test_a_fine_grid_approaches_the_float_network():
    """The grid rounds; without ternary rows the two must be close."""
    network = random_network(3, inputs=5, units=(9,), shifts=(0, 3))
    module = from_network(network)
    plain = float_module()
    plain.normalisation = network.normalisation
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh"):
            getattr(plain.rnn.cells[0], name).copy_(getattr(module.rnn.cells[0], name))
        plain.rnn.cells[0].bias.copy_(module.rnn.cells[0].bias - 2.0**-8)
        x = torch.randn(20, 5, 5)
        difference = (module(x).states[0] - plain(x).states[0]).abs()
    assert difference.mean() < 0.02


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: export(m), TypeError, "still computes in floating point"),
        (lambda m: prepare_qat(prepare_qat(m)), TypeError, "not a QuantizedNetwork"),
        (lambda m: prepare_qat(m.rnn), TypeError, "not a AdditiveGatedRNN"),
        (lambda m: prepare_qat(m, hb=8), ValueError, "hb must be from 3 to 7, not 8"),
        (lambda m: Planes(inputs=5), ValueError, "planes of inputs must be from 1 to 4, not 5"),
        (lambda m: export(prepare_qat(m, fraction_bits=4)), ValueError, "5 fraction bits"),
        (lambda m: export(from_network(random_network(0))), TypeError, "exported already"),
        (lambda m: m(torch.zeros(1, 2, 5, dtype=torch.int8)), TypeError, "floating-point"),
        (lambda m: m(torch.zeros(2, 5)), ValueError, r"\[N, T, I\]"),
        (lambda m: prepare_qat(m)(torch.full((1, 2, 5), 128)), ValueError, r"\[-127, 127\]"),
        (lambda m: prepare_qat(m)(torch.full((1, 2, 5), torch.nan)), ValueError, "finite"),
    ],
)
def test_wrong_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(float_module())


def test_a_network_too_wide_for_the_engine_is_refused_at_export():
    with pytest.raises(ValueError, match="layer 0, row 0.*at most 257 sources.*not 258"):
        export(prepare_qat(AdditiveGatedNetwork(258, 4, 2)))


def test_a_mistake_in_the_golden_model_would_show():
    """The comparison itself can fail: one bias step more changes some logit."""
    network = random_network(9, units=(12,))
    readout = network.readout
    b = readout.b.copy()
    b[1] += 1
    other = replace(network, readout=replace(readout, b=b))
    with pytest.raises(AssertionError):
        agree(network, from_network(other), random_inputs(9, network, 3, 5))
