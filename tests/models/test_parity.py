"""Units assigned to parities: balanced, never dearer than as they come, all else the same."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import parity
from models.export import export
from models.file import load, save
from models.float_network import AdditiveGatedNetwork
from models.golden import GoldenModel
from models.network import NetworkError
from models.parity import LayerParities, assign_parities, describe, measure_parities
from models.qat import prepare_qat
from models.random_networks import random_inputs, random_network
from tests.transforms import holding


def raw(network, *arguments, **options):
    """Random inputs before the network's normalisation."""
    x = random_inputs(0, network, *arguments, **options) / float(1 << network.spec.hb)
    return x / network.normalisation.scale + network.normalisation.mean


def skewed(seed, units=(24, 17), every=(0, 2)):
    """A network of which many even units never change, or other ones."""
    network = random_network(seed, inputs=6, units=units, density=0.5)
    held = [
        list(range(start, 2 * count // 3, 2)) for start, count in zip(every, units, strict=True)
    ]
    return holding(network, held, biases=(31, -32768, 0))


def counted(network, x, lengths=None):
    """Events of even and of odd state addresses of each layer, and the sums of the larger ones."""
    result = GoldenModel(network).run(network.quantize(x), lengths)
    found, first = [], 0
    for states, order in zip(result.states, network.order, strict=True):
        totals, cost, pairs = np.zeros(2, int), 0, 0.0
        for sequence, after in enumerate(states):
            before = np.zeros_like(after[0])
            for h in after[: None if lengths is None else lengths[sequence]]:
                events = [0, 0]
                for position, unit in enumerate(order):
                    events[(first + position) % 2] += int(h[unit] != before[unit])
                before = h
                totals += events
                cost += max(events)
                pairs += sum(events) / 2
        found.append((tuple(totals.tolist()), cost / pairs))
        first += len(order)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_skewed_units_come_to_differ_by_less_than_a_tenth_and_cost_no_more(seed):
    network = skewed(seed)
    assigned, parities = assign_parities(network, raw(network, 30, 6))
    for layer in parities.layers:
        assert layer.apart < 0.1
        assert 1 <= layer.least <= layer.cost <= layer.cost_before
    assert max(layer.apart_before for layer in parities.layers) > 0.3
    assert assigned.reordered


def test_figures_are_what_a_count_unit_by_unit_gives():
    network = skewed(1, units=(9, 6))
    x, lengths = raw(network, 12, 5), np.array([5, 1, 3] * 4)
    assigned, parities = assign_parities(network, x, lengths)
    assert parities.steps == 36
    for layer, (before, cost_before), (after, cost) in zip(
        parities.layers, counted(network, x, lengths), counted(assigned, x, lengths), strict=True
    ):
        assert (layer.events_before, layer.events) == (before, after)
        assert (layer.cost_before, layer.cost) == pytest.approx((cost_before, cost))
    assert measure_parities(assigned, x, lengths) == parities
    untouched = measure_parities(network, x, lengths).layers[0]
    assert untouched.cost == untouched.cost_before == parities.layers[0].cost_before


def test_only_the_order_changes_and_units_of_a_parity_stay_in_order():
    network = skewed(2)
    assigned, _ = assign_parities(network, raw(network, 10, 5))
    assert replace(assigned, order=()) == network
    first = 0
    for order in assigned.order:
        for side in (0, 1):
            units = order[(first + np.arange(len(order))) % 2 == side]
            assert (np.diff(units) > 0).all()
        first += len(order)


def test_the_same_data_give_the_same_order_whatever_the_order_was():
    network = skewed(3)
    x = raw(network, 10, 5)
    one, _ = assign_parities(network, x)
    two, _ = assign_parities(replace(network, order=one.order), x)
    assert one == two


def test_a_better_partition_of_few_units_is_not_missed():
    """Against all partitions of eight units."""
    rng = np.random.default_rng(0)
    for density in (0.2, 0.5):
        changed = rng.random((40, 8)) < density * rng.random(8) * 2
        sides = parity._sides(0, 8)
        order = parity._search(changed, sides)
        assigned = np.empty_like(sides)
        assigned[order] = sides
        most = parity._most_apart(int(changed.sum()))
        costs = []
        for bits in range(256):
            candidate = 1 - 2 * np.array([bits >> unit & 1 for unit in range(8)])
            apart = parity._difference(changed, candidate)
            if candidate.sum() == 0 and abs(apart.sum()) <= most:
                costs.append(np.abs(apart).sum())
        assert np.abs(parity._difference(changed, assigned)).sum() == min(costs)


def test_balance_counts_where_the_cost_is_always_the_same():
    """Each unit changes alone, so a step costs one walk whatever the order."""
    changed = np.repeat(np.eye(8, dtype=bool), [9, 1, 9, 1, 9, 1, 9, 1], axis=0)
    order = parity._search(changed, parity._sides(0, 8))
    totals = changed.sum(axis=0)[order]
    assert totals[0::2].sum() == totals[1::2].sum() == 20


@pytest.mark.parametrize("units", [(1,), (1, 2, 1), (3, 1)])
def test_layers_of_few_units_and_none_that_change(units):
    network = random_network(0, units=units)
    still = holding(network, [range(n) for n in units], biases=(0,))
    for one in (network, still):
        _, parities = assign_parities(one, raw(one, 4, 3))
        assert len(parities.layers) == len(units)
    assert parities.layers[0] == LayerParities((0, 0), (0, 0), 0.0, 0.0, 0.0)
    assert "0 even and 0 odd events, 0.0 % apart" in describe(parities)


def test_many_steps_are_searched_in_part_and_judged_in_full(monkeypatch):
    network = skewed(4)
    x = raw(network, 40, 5)
    monkeypatch.setattr(parity, "_STEPS", 50)
    _, parities = assign_parities(network, x)
    assert parities.steps == 200
    assert all(layer.cost <= layer.cost_before for layer in parities.layers)


@pytest.mark.parametrize(
    ("x", "lengths", "message"),
    [
        (np.zeros((2, 3, 5)), None, "inputs must have 4 features"),
        (np.zeros((3, 4)), None, r"must be sequences \[N, T, I\]"),
        (np.zeros((0, 3, 4)), None, "none of them 0, not of shape"),
        (np.full((1, 2, 4), np.nan), None, "inputs must be finite"),
        (np.zeros((2, 3, 4)), [3, 4], "lengths must be from 1 to 3"),
        (np.zeros((2, 3, 4)), [3], "lengths must be 2 integers"),
    ],
)
def test_sequences_that_cannot_be_run_are_refused(x, lengths, message):
    with pytest.raises(NetworkError, match=message):
        assign_parities(random_network(0), x, lengths)


def test_export_assigns_by_calibration_and_only_then():
    torch.manual_seed(0)
    module = prepare_qat(AdditiveGatedNetwork(4, 10, 3))
    x = np.random.default_rng(0).normal(size=(20, 6, 4))
    plain = export(module)
    calibrated = export(module, calibration=x, lengths=np.full(20, 5))
    assert not plain.reordered
    assert calibrated == assign_parities(plain, x, np.full(20, 5))[0]


# -- the command


@pytest.fixture
def own(tmp_path):
    """A network file and data for it."""
    network = skewed(0, units=(12,), every=(0,))
    save(network, tmp_path / "n.safetensors")
    x = raw(network, 40, 5)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(40) % 2)
    return str(tmp_path / "n.safetensors"), str(tmp_path / "d.npz")


def test_command_writes_the_assigned_network(own, tmp_path, capsys):
    file, data = own
    output = tmp_path / "new" / "assigned.safetensors"
    assert parity.main([file, "--data", data, "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "chosen by          28 sequences, 140 steps" in shown
    assert "test part          6 sequences, 30 steps" in shown
    assert "as they come" in shown and str(output) in shown
    found = load(output)
    assert found.reordered and replace(found, order=()) == load(file)


def test_command_without_output_writes_nothing(own, tmp_path, capsys):
    file, data = own
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert parity.main([file, "--data", data, "--train-on", "all"]) == 0
    assert "chosen by          34 sequences" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_command_refuses_in_a_line(own, tmp_path, capsys):
    file, data = own
    for arguments, message in (
        ([str(tmp_path / "none.safetensors"), "--data", data], "cannot be read: No such file"),
        ([file, "digits"], "inputs must have 6 features"),
        ([file, "--data", str(tmp_path / "none.npz")], "none.npz: cannot be read"),
        ([file, "--data", data, "--output", "n.bin"], "must end in .safetensors, not n.bin"),
        ([file, "adding", "--length", "1"], "length of at least 2, not 1"),
        ([file], "there must be a task (digits,"),
        ([file, "digits", "--data", data], "digits comes with its data"),
    ):
        assert parity.main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and message in said and said.count("\n") == 1


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        parity.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "  python -m models.parity models/zoo/digits.safetensors digits\n" in said


def test_figures_can_be_written_as_json():
    network = skewed(0)
    _, parities = assign_parities(network, raw(network, 5, 4))
    data = json.loads(json.dumps(parities.as_data()))
    layer = data["layers"][0]
    assert data["steps"] == 20 and len(data["layers"]) == 2
    assert layer["cost"]["least"] <= layer["cost"]["after"] <= layer["cost"]["before"]
    assert layer["apart"]["after"] == parities.layers[0].apart
