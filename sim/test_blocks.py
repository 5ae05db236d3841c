"""The engine's blocks, each alone: lanes, weight stores, event list, the pass over rows."""

import pytest
from amaranth.lib import data

from hdl.core.events import EventList, ListEntry
from hdl.core.lanes import Lanes
from hdl.core.parameters import EngineParameters
from hdl.core.row_pass import RowPass
from hdl.core.signatures import Event, LaneControl, Parameter, PassConfig
from hdl.core.store import BlockRAMStore, SinglePortStore
from models.image import Image, compile_image
from models.random_networks import random_network
from sim.runner import run_bench

SEED = 11


def layout(structure):
    """Return {field: [first bit, width]} of a structure."""
    fields = data.Layout.cast(structure)
    return {name: [field.offset, field.width] for name, field in fields}


@pytest.mark.parametrize("lanes", [12, 16])
def test_lanes(simulator, lanes):
    run_bench(
        Lanes(EngineParameters(lanes=lanes)),
        "sim.benches.lanes",
        simulator,
        name=f"lanes-{lanes}",
        data={"lanes": lanes, "words": 32, "fields": layout(LaneControl), "seed": SEED},
    )


def test_block_ram_store(simulator):
    image: Image = compile_image(random_network(SEED), 16)
    depth = max(1024, len(image.words))
    parameters = EngineParameters(lanes=16, store_words=depth, image=image)
    run_bench(
        BlockRAMStore(parameters),
        "sim.benches.store",
        simulator,
        name="store-bram",
        data={"depth": depth, "bits": 64, "init": list(image.words), "seed": SEED},
    )


@pytest.mark.parametrize("lanes, depth", [(16, 16384), (12, 16384)])
def test_single_port_store(simulator, lanes, depth):
    parameters = EngineParameters(lanes=lanes, weights="spram", store_words=depth)
    run_bench(
        SinglePortStore(parameters),
        "sim.benches.store",
        simulator,
        name=f"store-spram-{lanes}",
        data={"depth": depth, "bits": 4 * lanes, "init": [], "seed": SEED},
    )


def test_event_list(simulator):
    run_bench(
        EventList(),
        "sim.benches.events",
        simulator,
        name="events",
        data={"event": layout(Event), "entry": layout(ListEntry), "seed": SEED},
    )


@pytest.mark.parametrize("lanes", [12, 16])
def test_pass_over_rows(simulator, lanes):
    run_bench(
        RowPass(EngineParameters(lanes=lanes)),
        "sim.benches.row_pass",
        simulator,
        name=f"row-pass-{lanes}",
        data={
            "lanes": lanes,
            "parameter": layout(Parameter),
            "config": layout(PassConfig),
            "seed": SEED,
        },
    )
