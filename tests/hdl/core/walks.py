"""What the tests of both walkers draw and offer."""

import random
from typing import Any, NamedTuple

Events = list[tuple[int | None, int]]


class Walk(NamedTuple):
    """A layer's first accumulator, words of a source, and base, and rounds of events.

    A round has an even and an odd one, (source, delta) each; a source of None is no event.
    """

    first: int
    words: int
    base: int
    rounds: list[Events]


def draw(sources: int) -> Walk:
    """Draw twenty rounds of events of so many sources."""
    rng = random.Random(sources)
    first, walk = rng.randrange(100), rng.randint(2, 6)
    # A base is less than nothing where a layer's first unit has a high number.
    base = rng.choice([-3, 0, 4711]) & 0xFFFF
    rounds = []
    for _ in range(20):
        drawn = [rng.choice([None, *range(parity, sources, 2)]) for parity in range(2)]
        rounds.append([(number, rng.randint(-254, 254)) for number in drawn])
    return Walk(first, walk, base, rounds)


def configure(ctx: Any, dut: Any, walk: Walk) -> None:
    """Tell a walker where it is to walk."""
    ctx.set(dut.edge.base, walk.base)
    ctx.set(dut.first, walk.first)
    ctx.set(dut.edge.before_last, walk.first + walk.words - 2)


def offer(ctx: Any, dut: Any, events: Events) -> None:
    """Put a round's events on the walker's streams."""
    for stream, (number, delta) in zip((dut.even, dut.odd), events, strict=True):
        ctx.set(stream.valid, number is not None)
        # What is not valid means nothing.
        ctx.set(stream.payload.source, 99 if number is None else number // 2)
        ctx.set(stream.payload.delta, delta)
