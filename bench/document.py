"""Figures in documents: the part between two marks is a bench's, and is written by it.

<!-- bench.NAME -->
what the bench prints
<!-- end of bench.NAME -->
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from models.writing import replace_between, write_whole

__all__ = ["ACCURACY", "PERFORMANCE", "add_docs_option", "prose", "refresh", "replace_part"]

_DOCS = Path(__file__).resolve().parent.parent / "docs"
PERFORMANCE, ACCURACY = "performance.md", "accuracy.md"
_LINE = 110


def add_docs_option(parser: argparse.ArgumentParser, document: str = PERFORMANCE) -> None:
    """Add ``--docs [DIR]``: a folder whose document and pictures are to be refreshed."""
    parser.add_argument(
        "--docs",
        type=Path,
        nargs="?",
        const=_DOCS,
        metavar="DIR",
        help=f"also refresh tables and pictures of DIR/{document} (without DIR: docs/)",
    )


def prose(text: str) -> str:
    """Return a paragraph in lines as long as the documents'."""
    return textwrap.fill(text, _LINE, break_long_words=False, break_on_hyphens=False)


def replace_part(text: str, name: str, part: str) -> str:
    """Return a document with a bench's part replaced.

    Parameters
    ----------
    text : str
        The document.
    name : str
        The bench, such as "roofline".
    part : str
        Markdown.

    Raises
    ------
    ValueError
        If the document does not hold the bench's two marks once each, in that order.
    """
    return replace_between(text, f"<!-- bench.{name} -->", f"<!-- end of bench.{name} -->", part)


def refresh(
    docs: Path,
    name: str,
    part: str,
    pictures: dict[str, bytes],
    document: str = PERFORMANCE,
) -> None:
    """Put a bench's tables into a document and its pictures beside it.

    Parameters
    ----------
    docs : Path
        The folder.
    name : str
        The bench.
    part : str
        Markdown.
    pictures : dict
        PNGs by file name.
    document : str
        File name in the folder.

    Raises
    ------
    ValueError
        Naming the document, if it has no place for them. OSError if it cannot be read or written.
    """
    path = docs / document
    try:
        text = replace_part(path.read_text(encoding="utf-8"), name, part)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for file, picture in pictures.items():
        write_whole(docs / file, picture)
    write_whole(path, text)
