"""A weight store against a list of words."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from sim.benches import data
from sim.benches.wires import start


@cocotb.test()
async def words_are_read_back(dut):
    depth, bits, words = data()["depth"], data()["bits"], data()["init"]
    rng = random.Random(data()["seed"])
    ports = [f"port__{name}_address" for name in ("even", "odd")[: data()["parts"]]]
    await start(dut, **dict.fromkeys(ports, 0), port__write_address=0, port__write=0)
    await RisingEdge(dut.clk)
    known = dict(enumerate(words))

    async def cycle(even=0, odd=0, write=None, value=0):
        for port, address in zip(ports, (even, odd), strict=False):
            getattr(dut, port).value = address
        dut.port__write.value = int(write is not None)
        dut.port__write_address.value = write or 0
        dut.port__write_data.value = value
        await RisingEdge(dut.clk)

    half = (1 << bits // len(ports)) - 1

    async def read_all(addresses):
        """One read a cycle, the halves' addresses apart; the word comes with the next ones."""
        previous = None
        others = rng.sample(addresses, len(addresses))
        for even, odd in [*zip(addresses, others, strict=True), (0, 0)]:
            await cycle(even, odd)
            if previous is not None:
                expected = known[previous[0]] & half | known[previous[1]] & ~half
                assert int(dut.port__read_data.value) == expected, f"words {previous}"
            previous = even, odd

    if words:
        await read_all(range(len(words)))
    edges = [a for n in range(0, depth, 16384) for a in (n, n + 1, min(n + 16383, depth - 1))]
    addresses = [*edges, *(rng.randrange(depth) for _ in range(300))]
    for address in addresses:
        known[address] = rng.getrandbits(bits)
        await cycle(write=address, value=known[address])
    rng.shuffle(addresses)
    await read_all(addresses)
    for address in addresses[:50]:
        known[address] ^= (1 << bits) - 1
        await cycle(write=address, value=known[address])
        await read_all([address, rng.choice(addresses)])
