"""Reading and judging what the tools report; the samples are cut from real ones."""

import json

import pytest

from hdl.report import (
    MULTIPLIERS_BEFORE,
    ReportError,
    Usage,
    count_cells,
    judge,
    read_usage,
    usage_entries,
)

RTL = {
    "creator": "Yosys 0.70",
    "modules": {
        "\\top": {"num_cells": 2, "num_cells_by_type": {"\\SB_IO": 3, "$add": 1}},
        "\\top.system": {"num_cells": 3, "num_cells_by_type": {"$mul": 2, "$memrd_v2": 1}},
        "\\top.system.lane": {"num_cells": 1, "num_cells_by_type": {"$divfloor": 1}},
    },
}
MAPPED = {"modules": {"\\top": {"num_cells_by_type": {"SB_LUT4": 60, "SB_MAC16": 1}}}}
PLACED = {
    "fmax": {
        "clk": {"achieved": 57.5, "constraint": 48.003},
        "fast": {"achieved": 90.0, "constraint": 48.003},
    },
    "utilization": {
        "ICESTORM_DSP": {"available": 8, "used": 1},
        "ICESTORM_LC": {"available": 5280, "used": 64},
        "ICESTORM_RAM": {"available": 30, "used": 17},
        "ICESTORM_SPRAM": {"available": 4, "used": 2},
    },
}
GOOD = Usage(
    used={"logic_cells": 64, "ebr": 17, "spram": 2, "dsp": 0},
    available={"logic_cells": 5280, "ebr": 30, "spram": 4, "dsp": 8},
    multipliers_before=0,
    multipliers_after=0,
    clock_mhz=57.5,
    constraint_mhz=48.003,
)


def changed(**changes):
    return Usage(**{**vars(GOOD), **changes})


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in ("rtl.json", "mapped.json", "nextpnr.json")]
    for path, data in zip(paths, (RTL, MAPPED, PLACED), strict=True):
        path.write_text(json.dumps(data))
    return paths


def test_reports_are_read_and_the_slowest_clock_counts(files):
    usage = read_usage(*files)
    assert usage.used == {"logic_cells": 64, "ebr": 17, "spram": 2, "dsp": 1}
    assert (usage.multipliers_before, usage.multipliers_after) == (3, 1)
    assert (usage.clock_mhz, usage.constraint_mhz) == (57.5, 48.003)
    assert usage_entries(usage)["multiplier_cells"] == 4


def test_multipliers_are_counted_over_all_modules():
    assert count_cells(RTL, MULTIPLIERS_BEFORE) == 3
    assert count_cells({"modules": {}}, MULTIPLIERS_BEFORE) == 0


def test_good_design_has_nothing_against_it():
    assert judge(GOOD, 48.0) == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (changed(clock_mhz=47.99), "clock missed: 47.99 MHz reached, 48 MHz wanted"),
        (changed(constraint_mhz=12.0), "constrained to 12 MHz, not 48 MHz"),
        (changed(multipliers_before=1), "1 multiplier or divider cells in the RTL before"),
        (changed(multipliers_after=2), "2 multiplier cells after mapping"),
        (changed(used={**GOOD.used, "dsp": 1}), "1 DSP blocks are used"),
        (changed(used={**GOOD.used, "ebr": 31}), "ebr: 31 used, 30 available"),
    ],
)
def test_each_fault_alone_is_a_reason(bad, reason):
    reasons = judge(bad, 48.0)
    assert len(reasons) == 1 and reason in reasons[0]


@pytest.mark.parametrize(
    ("index", "text", "message"),
    [
        (0, "{}", "no count by type"),
        (0, "{", "rtl.json"),
        (1, "[]", "must hold an object"),
        (2, '{"utilization": {}}', "does not tell the logic cells"),
        (2, json.dumps({**PLACED, "fmax": {}}), "tells no clock"),
    ],
)
def test_incomplete_report_is_an_error(files, index, text, message):
    files[index].write_text(text)
    with pytest.raises(ReportError, match=message):
        read_usage(*files)


def test_missing_report_is_an_error(files):
    files[2].unlink()
    with pytest.raises(ReportError, match=r"nextpnr\.json"):
        read_usage(*files)
