"""The shipped networks, computed anew at three levels in one run; no stored number is involved.

Expected are the states and logits of the PyTorch module rebuilt from the file
(`models.qat.from_network`), which shares no arithmetic with the golden model.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from models.evaluate import load_part
from models.file import load
from models.golden import GoldenModel
from models.qat import from_network
from models.spec import FRACTION_BITS
from sim.engine_script import EngineScript
from sim.test_engine import LANES, play
from tests.shared_data import data_of

ZOO = Path(__file__).resolve().parent.parent / "models" / "zoo"
NETWORKS = sorted(ZOO.glob("*.safetensors"))
#: Steps played on the RTL; Icarus is slow.
ON_RTL = {"verilator": 192, "icarus": 24}
#: Sequences that are long enough take this many of them, from their beginning.
MOST_STEPS = {"verilator": 96, "icarus": 12}


@cache
def shipped(path):
    """Return the network and its task's test part."""
    network = load(path)
    assert network.spec.task is not None, "a shipped network says what it was trained for"
    return network, load_part(network, network.spec.task, data_of(network.spec.task))


def computed_by_torch(network, part):
    """Return integer states [N, T, H] of each layer, logits [N, T, C] and scores [N, C]."""
    with torch.no_grad():
        lengths = None if part.lengths is None else torch.from_numpy(part.lengths)
        output = from_network(network)(torch.from_numpy(part.features), lengths)

    def integers(values, bits):
        scaled = values.double().numpy() * float(1 << bits)
        assert (scaled == np.rint(scaled)).all()
        return scaled.astype(np.int64)

    hb = network.spec.hb
    return (
        [integers(states, hb) for states in output.states],
        integers(output.logits, hb + FRACTION_BITS),
        integers(output.scores, hb + FRACTION_BITS),
    )


def test_there_are_shipped_networks():
    assert NETWORKS


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_golden_model_equals_the_torch_module_on_the_whole_test_part(path):
    network, part = shipped(path)
    states, logits, scores = computed_by_torch(network, part)
    result = GoldenModel(network).run(network.quantize(part.features), part.lengths)
    for mine, expected in zip(result.states, states, strict=True):
        assert np.array_equal(mine, expected)
    assert np.array_equal(result.logits, logits)
    assert np.array_equal(result.scores, scores)
    assert np.array_equal(result.labels, scores.argmax(axis=1))


@pytest.mark.parametrize("store", ["bram", "spram"])
@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_engine_equals_the_torch_module(simulator, path, store):
    """Every state after every step, and every logit, as PyTorch computed them."""
    network, part = shipped(path)
    longest = MOST_STEPS[simulator]
    mean = part.x.shape[1] if part.lengths is None else part.lengths.mean()
    count = max(1, round(ON_RTL[simulator] / min(longest, mean)))
    part = part.take(np.linspace(0, len(part) - 1, count).astype(int))
    states, logits, scores = computed_by_torch(network, part)
    script = EngineScript(LANES)
    script.load(network, check=True)
    x = network.quantize(part.features)
    lengths = [x.shape[1]] * len(x) if part.lengths is None else part.lengths
    for number, length in enumerate(lengths):
        script.reset()
        for step, row in enumerate(x[number, : min(length, longest)]):
            script.step(row)
            seen = np.concatenate([of_layer[number, step] for of_layer in states])
            memory = seen[network.state_order]
            given = logits[number, step]
            if network.spec.readout.mode == "sum":
                given = logits[number, : step + 1].sum(axis=0)
            script.operations[-1].update(
                state=memory.tolist(), scores=given.tolist(), label=int(given.argmax())
            )
        if length <= longest:
            assert script.operations[-1]["scores"] == scores[number].tolist()
    play(script, simulator, store, f"zoo-{path.stem}")
