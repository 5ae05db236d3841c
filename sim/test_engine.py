"""The whole engine against golden model and cycle model."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from models import file
from models.random_networks import random_network
from models.tasks import digits
from sim.coverage.bins import observed_names
from sim.coverage.observer import ObservedEngine
from sim.coverage.results import folder
from sim.engine_cases import LARGEST, draw_network, draw_sequences, with_extreme_rows
from sim.engine_script import EngineScript
from sim.runner import run_bench

LANES = 16
STORES = {"bram": 4096, "spram": 16384}
#: Other networks: ADDGATE_SEED=7 pytest sim/test_engine.py
SEED = int(os.environ.get("ADDGATE_SEED", "2026"))
ZOO = Path(__file__).resolve().parent.parent / "models" / "zoo"


@cache
def engine(store, observed):
    kind = ObservedEngine if observed else Engine
    return kind(EngineParameters(lanes=LANES, weights=store, store_words=STORES[store]))


def play(script, simulator, store, case):
    """Play a script on the engine; one compiled simulation serves all scripts.

    In Verilator it is the engine that counts coverage; Icarus, which is slow, has the bare one.
    """
    name, data = f"engine-{LANES}-{store}", {"operations": script.operations}
    observed = simulator == "verilator"
    if observed:
        name += "-observed"
        data["observed"] = observed_names()
        data["hits"] = str(folder() / f"engine-{store}-{case}.json")
        Path(data["hits"]).unlink(missing_ok=True)
    run_bench(
        engine(store, observed),
        "sim.benches.engine",
        simulator,
        name=name,
        case=f"engine-{store}-{case}",
        data=data,
    )


@pytest.mark.parametrize("store", STORES)
def test_real_digits_equal_the_golden_model(simulator, store):
    network = file.load(ZOO / "digits.safetensors")
    count = {"verilator": 40, "icarus": 8}[simulator]  # Icarus is slow
    x = network.normalisation.quantize(digits.load().test.x[:count], network.spec.hb)
    script = EngineScript(LANES)
    script.load(network, check=True)
    for sequence in x:
        script.sequence(sequence)
    play(script, simulator, store, "digits")


@pytest.mark.parametrize("store", STORES)
def test_random_networks_equal_the_golden_model(simulator, store):
    """One network after the other on one engine, in streams with gaps: load B after A as well."""
    first = SEED + 1000 * list(STORES).index(store)
    seeds = range(first, first + {"verilator": 24, "icarus": 3}[simulator])
    print(f"ADDGATE_SEED={SEED}: networks {seeds}")
    script = EngineScript(LANES, seed=SEED, gaps=0.2)
    for seed in seeds:
        network = draw_network(seed)
        script.load(network, check=seed % 8 == 0)
        for sequence in draw_sequences(seed, network):
            script.sequence(sequence)
    play(script, simulator, store, "random")


def test_largest_network_equals_the_golden_model(simulator):
    """257 inputs, 256 units; some sums reach 2^23 - 257 in the last bit that there is."""
    if simulator == "icarus":
        pytest.skip("takes minutes in Icarus; Verilator runs it")
    network = with_extreme_rows(random_network(SEED, **LARGEST), np.random.default_rng(SEED))
    script = EngineScript(LANES)
    script.load(network)
    limit = network.spec.M
    script.sequence([[limit] * 257, [limit] * 257, [-limit] * 257])
    play(script, simulator, "spram", "largest")
