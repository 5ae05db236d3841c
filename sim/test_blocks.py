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


#: Lanes, events a cycle, packed weights.
SIZES = [(12, 2, False), (16, 2, False), (16, 1, False), (20, 2, True), (20, 1, True)]
#: Cycles from a word's address to its weights at the lanes, and from accumulators' to their values.
WEIGHTS_AFTER, VALUES_AFTER = 1, 4


@pytest.mark.parametrize("lanes, events, packed", SIZES)
def test_lanes(simulator, lanes, events, packed):
    parameters = EngineParameters(lanes=lanes, events=events, packed=packed)
    run_bench(
        Lanes(parameters),
        "sim.benches.lanes",
        simulator,
        name=f"lanes-{lanes}-{events}{'-packed' * packed}",
        data={
            "lanes": lanes,
            "events": events,
            "weights_after": WEIGHTS_AFTER + packed,
            "values_after": VALUES_AFTER + packed - (events == 1),
            "words": 32,
            "fields": layout(LaneControl),
            "seed": SEED,
        },
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
        data={"depth": depth, "bits": 64, "parts": 2, "init": list(image.words), "seed": SEED},
    )


@pytest.mark.parametrize(
    "lanes, events, packed, bits",
    [(16, 2, False, 64), (12, 2, False, 48), (24, 1, False, 48), (20, 2, True, 64)],
)
def test_single_port_store(simulator, lanes, events, packed, bits):
    depth = 16384
    parameters = EngineParameters(
        lanes=lanes, weights="spram", store_words=depth, events=events, packed=packed
    )
    run_bench(
        SinglePortStore(parameters),
        "sim.benches.store",
        simulator,
        name=f"store-spram-{lanes}-{events}{'-packed' * packed}",
        data={"depth": depth, "bits": bits, "parts": events, "init": [], "seed": SEED},
    )


def test_event_list(simulator):
    run_bench(
        EventList(),
        "sim.benches.events",
        simulator,
        name="events",
        data={"event": layout(Event), "entry": layout(ListEntry), "seed": SEED},
    )


@pytest.mark.parametrize("lanes, events, packed", SIZES)
def test_pass_over_rows(simulator, lanes, events, packed):
    run_bench(
        RowPass(EngineParameters(lanes=lanes, events=events, packed=packed)),
        "sim.benches.row_pass",
        simulator,
        name=f"row-pass-{lanes}-{events}{'-packed' * packed}",
        data={
            "lanes": lanes,
            "values_after": VALUES_AFTER + packed - (events == 1),
            "parameter": layout(Parameter),
            "config": layout(PassConfig),
            "seed": SEED,
        },
    )
