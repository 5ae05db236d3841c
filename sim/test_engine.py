"""The whole engine against golden model and cycle model."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from hdl.core.engine import Engine
from hdl.core.parameters import EngineParameters
from models import file
from models.tasks import digits
from sim.engine_script import EngineScript
from sim.runner import run_bench

LANES = 16
STORES = {"bram": 4096, "spram": 32768}
ZOO = Path(__file__).resolve().parent.parent / "models" / "zoo"


@cache
def engine(store):
    return Engine(EngineParameters(lanes=LANES, weights=store, store_words=STORES[store]))


def play(script, simulator, store, case):
    """Play a script on the engine; one compiled simulation serves all scripts."""
    run_bench(
        engine(store),
        "sim.benches.engine",
        simulator,
        name=f"engine-{LANES}-{store}",
        case=f"engine-{store}-{case}",
        data={"operations": script.operations},
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
