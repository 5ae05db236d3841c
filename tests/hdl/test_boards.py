"""Board files: what they say, and what is said about wrong ones."""

from fractions import Fraction

import pytest

from hdl.boards import CONSTRAINTS, BoardError, known_boards, load_board


def write(folder, change=lambda text: text, name="icebreaker"):
    text = (CONSTRAINTS / "icebreaker.yaml").read_text(encoding="utf-8")
    (folder / f"{name}.yaml").write_text(change(text), encoding="utf-8")
    return folder


def test_icebreaker_is_what_the_vendor_says():
    board = load_board("icebreaker")
    assert (board.device, board.package) == ("iCE40UP5K", "sg48")
    assert (board.memories.ebr, board.memories.spram, board.logic_cells) == (30, 4, 5280)
    assert board.dsp == 8
    assert board.clock.input_mhz == 12 and board.clock.target_mhz == 48
    assert board.link.baud == 3_000_000 and board.lanes == 16


@pytest.mark.parametrize("name", known_boards())
def test_every_board_has_an_amaranth_platform_that_agrees(name):
    board = load_board(name)
    platform = board.platform()
    assert platform.device == board.device
    assert platform.package.lower() == board.package
    assert platform.lookup(board.clock.resource).clock.frequency == board.clock.input_mhz * 10**6
    flash = () if board.flash is None else (board.flash.resource, board.flash.alarm)
    for resource in (board.link.resource, board.led, *flash):
        platform.lookup(resource)


def test_a_board_may_have_no_flash(tmp_path):
    def without(text):
        begin, end = text.index("flash: "), text.index("led: ")
        return text[:begin] + text[end:]

    assert load_board("icebreaker", write(tmp_path, without)).flash is None


def test_unknown_board_lists_the_known_ones():
    with pytest.raises(BoardError, match="'icebreakr'.*known boards: icebreaker"):
        load_board("icebreakr")


def test_board_name_is_no_path():
    with pytest.raises(BoardError, match="unknown board"):
        load_board("../constraints/icebreaker")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("device: iCE40UP5K\n", "", "'device' is missing"),
        ("  ebr: 30 ", "  ebr: many ", "'memories.ebr' must be a whole number, not 'many'"),
        ("  ebr: 30 ", "  ebr: -1 ", "must not be negative, not -1"),
        ("  ebr: 30 ", "  ebr: true ", "must be a whole number, not True"),
        ("lanes: 16 ", "lanes: 16\nlanse: 16 ", "unknown entries 'lanse'"),
        ("[16, 275]", "[16]", r"must be \[lowest, highest\], not \[16\]"),
        ("0x20000", "0x1000000", "'flash.network_offset' must be below 0x1000000"),
        ("  alarm: led_r", "  alarms: led_r", "'flash.alarm' is missing"),
        ("name: icebreaker", "name: icestick", "must be 'icebreaker' like the file"),
        ("name: icebreaker", "name: [", "not a YAML file"),
    ],
)
def test_wrong_board_file_says_which_entry(tmp_path, old, new, message):
    write(tmp_path, lambda text: text.replace(old, new))
    with pytest.raises(BoardError, match=message):
        load_board("icebreaker", tmp_path)


def test_file_that_is_no_mapping(tmp_path):
    write(tmp_path, lambda text: "- 1\n")
    with pytest.raises(BoardError, match="must be a mapping"):
        load_board("icebreaker", tmp_path)


def test_wrong_platform_path_is_named(tmp_path):
    write(tmp_path, lambda text: text.replace("ICEBreakerPlatform", "NoSuchPlatform"))
    with pytest.raises(BoardError, match="NoSuchPlatform"):
        load_board("icebreaker", tmp_path).platform()


def test_frequencies_are_read_as_decimals(tmp_path):
    write(tmp_path, lambda text: text.replace("target_mhz: 48 ", "target_mhz: 40.1 "))
    assert load_board("icebreaker", tmp_path).clock.target_mhz == Fraction("40.1")
