"""What the benches' command lines share: numbers are checked, errors come early and in a line."""

import argparse

import pytest

from bench.arguments import bench_parser, count, guarded, seed_value
from hdl.build import BuildError
from hdl.toolchain import ToolError


@pytest.mark.parametrize("text", ["0", "1", str(2**64 - 1)])
def test_seeds_are_taken(text):
    assert seed_value(text) == int(text)


@pytest.mark.parametrize("text", ["-1", str(2**64), "one", "1.5", ""])
def test_other_seeds_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"from 0 to 2\*\*64 - 1, not"):
        seed_value(text)


@pytest.mark.parametrize("text", ["0", "-3", "x"])
def test_counts_begin_at_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1, not"):
        count(text)


def test_the_output_is_named_after_the_module():
    assert bench_parser("gru.build", None).parse_args([]).output.as_posix() == (
        "build/bench/gru_build.json"
    )


@pytest.mark.parametrize(
    "error",
    [
        BuildError("a line"),
        ToolError("a line", tool="yosys"),
        OSError("a line"),
        ValueError("a line"),
        FloatingPointError("a line"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_a_line(tmp_path, capsys, error):
    def run(options):
        raise error

    assert guarded(run, argparse.Namespace(output=tmp_path / "figures.json")) == 1
    assert capsys.readouterr().err == "error: a line\n"


def test_an_error_of_the_program_is_not_hidden(tmp_path):
    with pytest.raises(KeyError):
        guarded(lambda options: {}["gone"], argparse.Namespace(output=tmp_path / "figures.json"))


@pytest.mark.parametrize("kind", ["a file for its folder", "a folder"])
def test_an_output_that_cannot_be_written_is_noticed_before_the_work(tmp_path, capsys, kind):
    output = tmp_path / "figures.json"
    if kind == "a folder":
        output.mkdir()
    else:
        output.write_text("")
        output = output / "more.json"
    ran = []
    assert guarded(lambda options: ran.append(1) or 0, argparse.Namespace(output=output)) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ") and str(tmp_path / "figures.json") in said
    assert not ran
