"""Unpacking in gateware: every byte, in every place of a word, as the code says."""

import random

import pytest

from hdl.core.parameters import EngineParameters
from hdl.core.unpack import Unpack
from models.trits import decode
from tests.hdl.link.bench import simulate


@pytest.mark.parametrize(("lanes", "events"), [(12, 2), (20, 2), (20, 1)])
def test_weights_are_those_of_the_code_a_cycle_later(lanes, events):
    parameters = EngineParameters(lanes=lanes, events=events, packed=True)
    part = parameters.word_format.part_bits(lanes)
    dut = Unpack(parameters)
    rng = random.Random(lanes)
    orders = [rng.sample(range(256), 256) for _ in range(events * part // 8)]

    async def drive(ctx):
        for codes in zip(*orders, strict=True):
            ctx.set(dut.word, int.from_bytes(bytes(codes), "little"))
            await ctx.tick()
            weights = ctx.get(dut.weights.as_value())
            for event in range(events):
                first = event * part // 8
                row = decode(codes[first : first + part // 8])[:lanes]
                for lane, expected in enumerate(row.tolist()):
                    found = weights >> 2 * (event * lanes + lane) & 3
                    # Where the weight is zero, the sign means nothing.
                    assert {1: 1, 3: -1}.get(found, 0) == expected

    simulate(dut, drive)
