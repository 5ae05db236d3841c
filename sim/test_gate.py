"""The gate unit alone: exhaustive for a small network, corners and random for a large one."""

import random

import pytest

from hdl.core.gate import GateUnit
from models.spec import FRACTION_BITS
from sim.runner import run_bench

SUM_MIN, SUM_MAX = -(1 << 23), (1 << 23) - 1
SEED = 5


def sums(rng, value):
    """Return a sum whose shift by F gives `value`."""
    return (value << FRACTION_BITS) + rng.randrange(1 << FRACTION_BITS)


def run(simulator, case, limit, theta, units):
    run_bench(
        GateUnit(),
        "sim.benches.gate",
        simulator,
        name="gate",
        case=f"gate-{case}",
        data={"limit": limit, "theta": theta, "units": units},
        seed=SEED,
    )


@pytest.mark.parametrize("theta", [0, 3, 14])
def test_every_state_candidate_and_inhibition(simulator, theta):
    """hb = 3: all (h, c, z), a little beyond their bounds."""
    rng = random.Random(SEED)
    limit = 7
    units = [
        [sums(rng, z), sums(rng, c), h]
        for h in range(-limit, limit + 1)
        for c in range(-limit - 1, limit + 2)
        for z in range(-1, 2 * limit + 3)
    ]
    run(simulator, f"all-{theta}", limit, theta, units)


@pytest.mark.parametrize("hb, theta", [(7, 0), (7, 40), (7, 254), (5, 1)])
def test_corners_and_random_sums(simulator, hb, theta):
    rng = random.Random(SEED)
    limit = 2**hb - 1
    corners = [SUM_MIN, SUM_MAX, -1, 0, 31, 32, -32, -33]
    for bound in (limit, -limit, 2 * limit + 1, 128, -128, 255, 256, 32767, -32768):
        corners += [(bound << FRACTION_BITS) + offset for offset in (-1, 0, 31, 32)]
    states = [-limit, -limit + 1, -1, 0, 1, limit - 1, limit]
    units = [[rng.choice(corners), rng.choice(corners), rng.choice(states)] for _ in range(1500)]
    units += [
        [
            rng.choice([rng.randint(SUM_MIN, SUM_MAX), sums(rng, rng.randint(0, 2 * limit))]),
            sums(rng, rng.randint(-limit - 3, limit + 3)),
            rng.randint(-limit, limit),
        ]
        for _ in range(2500)
    ]
    run(simulator, f"corners-{hb}-{theta}", limit, theta, units)
