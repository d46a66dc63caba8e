"""Text from files and callers as it may reach a terminal: without control characters, and of a bounded length."""

from __future__ import annotations

import re
import reprlib

# Controls, marks that turn the direction of writing, ends of lines and paragraphs, and halves of characters. Terminals
# obey the first, readers are fooled by the second, and the last cannot even be printed.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120
_short.maxlist = _short.maxtuple = _short.maxdict = 12
_short.maxlong = 60


def escaped(text: str) -> str:
    """Return the text with escapes such as `\\x1b` in place of control characters."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def printable(text: str, length: int = 200, lines: bool = False) -> str:
    """Return the text without control characters, its middle left out if it is too long.

    Args:
        text: Anything.
        length: The most characters to return.
        lines: Whether it may have several lines.
    """
    if len(text) > length:
        text = f"{text[: length * 3 // 4]}…{text[len(text) - length // 4 + 1 :]}"
    return "\n".join(map(escaped, text.split("\n"))) if lines else escaped(text)


def shown(value: object) -> str:
    """Return a value as an error shows it; however large it is, little of it is looked at."""
    try:
        return printable(_short.repr(value), 300)
    except RecursionError:  # of a `__repr__` that is not ours
        return f"<{type(value).__name__}>"


def quoted(value: object) -> str:
    """Return a value as the errors of Keras show it, by `str`; of a long text, the beginning and the end."""
    try:
        return printable(str(value), 1000, lines=True)
    except RecursionError:
        return shown(value)
