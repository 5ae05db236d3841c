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
    await start(dut, port__read_address=0, port__write_address=0, port__write=0)
    await RisingEdge(dut.clk)
    known = dict(enumerate(words))

    async def cycle(read=0, write=None, value=0):
        dut.port__read_address.value = read
        dut.port__write.value = int(write is not None)
        dut.port__write_address.value = write or 0
        dut.port__write_data.value = value
        await RisingEdge(dut.clk)

    async def read_all(addresses):
        """One read a cycle; each word comes with the next address."""
        previous = None
        for address in [*addresses, 0]:
            await cycle(read=address)
            if previous is not None:
                assert int(dut.port__read_data.value) == known[previous], f"word {previous}"
            previous = address

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
