"""The others: the conventional GRU of `bench.gru` and the generated LSTM of `bench.elastic`."""

from __future__ import annotations

from collections.abc import Sequence

from bench import elastic
from bench.elastic_cell import find_ghdl, find_library
from bench.gru import build as gru
from bench.hardware.rows import Built, NotBuilt, Row
from bench.shell import TARGET_MHZ
from hdl.toolchain import Toolchain, ToolError

__all__ = ["GRU_NAMES", "LSTM_NAMES", "measure_gru", "measure_lstm"]

#: Steps of a digit by rows; its logits are wanted after the last.
STEPS = 8

GRU_NAMES = {"dsp": "GRU, 8 bit, 8 SB_MAC16", "logic": "GRU, 8 bit, no DSP"}
LSTM_NAMES = {
    "DSP": "LSTM of elastic-ai.creator, with DSP",
    "no DSP": "LSTM of elastic-ai.creator, no DSP",
}


def measure_gru(seeds: Sequence[int], tools: Toolchain) -> list[Row]:
    """Build and simulate both variants of the GRU; see `bench.gru.build` for errors."""
    shell = gru.measure_shell(tools)
    rows: list[Row] = []
    for variant, name in GRU_NAMES.items():
        found = gru.measure(variant, seeds, tools)

        def mean(of: dict[str, int]) -> float:
            return ((STEPS - 1) * of["step"] + of["step_with_readout"]) / STEPS

        rows.append(
            Built(
                who="gru",
                name=name,
                data="rows",
                **{kind: found[kind] for kind in ("logic_cells", "ebr", "spram", "dsp")},
                shell_cells=shell,
                clock_mhz=tuple(found["clock_mhz"]),
                seeds=tuple(seeds),
                target_mhz=float(TARGET_MHZ),
                cycles=mean(found["cycles"]),
                cycles_tag="simulated (RTL; all steps take the same, the last one's readout apart)",
                operations=mean(found["products"]),
            )
        )
    return rows


def measure_lstm(seeds: Sequence[int], wanted: bool = True) -> tuple[list[Row], dict[str, str]]:
    """Generate, simulate and build both variants of the LSTM, where its tools are.

    Parameters
    ----------
    seeds : sequence of int
        nextpnr's.
    wanted : bool
        False: leave it out, and say so.

    Returns
    -------
    list of Row, dict
        Rows, and versions of the tools that only the LSTM needs.

    Raises
    ------
    hdl.toolchain.ToolError, hdl.report.ReportError, ValueError
        If a tool that is there fails, as `bench.elastic.measure`.
    """
    reason = "" if wanted else "left out (--without-elastic)"
    try:
        if wanted:
            find_library()
            find_ghdl()
    except ToolError as error:
        reason = str(error)
    if reason:
        return [NotBuilt("lstm", name, "pixels", reason) for name in LSTM_NAMES.values()], {}
    found = elastic.measure(seeds)
    rows: list[Row] = [
        Built(
            who="lstm",
            name=name,
            data="pixels",
            **{
                kind: found["designs"][key][kind] for kind in ("logic_cells", "ebr", "spram", "dsp")
            },
            shell_cells=0,
            clock_mhz=tuple(found["designs"][key]["clock_mhz"]),
            seeds=tuple(seeds),
            target_mhz=elastic.TARGET_MHZ,
            cycles=found["cycles"],
            cycles_tag="simulated (the generated VHDL; all steps take the same, no readout)",
            operations=found["macs"],
        )
        for key, name in LSTM_NAMES.items()
    ]
    return rows, found["tools"]
