"""A bench's part of a document: only it is replaced, and a document without one is refused."""

import pytest

from bench.document import prose, refresh, replace_part

DOCUMENT = "before\n\n<!-- bench.growth -->\nold\n<!-- end of bench.growth -->\n\nafter\n"


def test_only_the_part_between_the_marks_is_replaced():
    new = replace_part(DOCUMENT, "growth", "| a |\n")
    assert new == (
        "before\n\n<!-- bench.growth -->\n\n| a |\n\n<!-- end of bench.growth -->\n\nafter\n"
    )
    assert replace_part(new, "growth", "| a |\n") == new


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "found 0 and 0"),
        ("<!-- bench.growth -->", "found 1 and 0"),
        (DOCUMENT + DOCUMENT, "found 2 and 2"),
        ("<!-- end of bench.growth --><!-- bench.growth -->", "found 1 and 1, the end first"),
    ],
)
def test_a_document_without_its_marks_is_refused(tmp_path, text, found):
    path = tmp_path / "performance.md"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"performance.md: expected '<!-- bench.growth.*{found}"):
        refresh(tmp_path, "growth", "new", {"a.png": b"png"})
    assert path.read_text() == text and not (tmp_path / "a.png").exists()


def test_tables_and_pictures_are_refreshed(tmp_path):
    (tmp_path / "performance.md").write_text(DOCUMENT)
    refresh(tmp_path, "growth", "new", {"a.png": b"png"})
    assert "\nnew\n" in (tmp_path / "performance.md").read_text()
    assert (tmp_path / "a.png").read_bytes() == b"png"


def test_another_document_is_refreshed_by_name(tmp_path):
    (tmp_path / "accuracy.md").write_text(DOCUMENT)
    refresh(tmp_path, "growth", "new", {}, "accuracy.md")
    assert "\nnew\n" in (tmp_path / "accuracy.md").read_text()


def test_prose_has_the_lines_of_the_documents():
    lines = prose("word " * 100).splitlines()
    assert len(lines) > 1 and max(map(len, lines)) <= 110
