"""Text out of files and errors, on its way to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with its control characters and the like written out, so that no name in a file steers the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
