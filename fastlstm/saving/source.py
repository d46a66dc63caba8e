"""What a caller may name a file by: a path, an open file, or the bytes themselves."""

from __future__ import annotations

import io
import os
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from fastlstm.printable import shown
from fastlstm.records import Record

Source = str | PathLike[str] | BinaryIO | bytes | bytearray | memoryview


class Given(Record):
    """What was given: a path, or content in memory.

    Args:
        name: For errors.
        path: The path, or None.
        stream: The content where there is no path, else None.
    """

    name: str
    path: Path | None = None
    stream: BinaryIO | None = None


def given(source: Any) -> Given:
    """Tell a path from content.

    Args:
        source: A path; a file that is open for reading in binary mode, which is read from where it stands to its end;
            or bytes.

    Raises:
        TypeError: None of these.
    """
    if isinstance(source, (str, PathLike)):
        name = os.fspath(source)
        if isinstance(name, str):
            return Given(name, Path(name))
    elif isinstance(source, (bytes, bytearray, memoryview)):
        return Given("the given bytes", stream=io.BytesIO(source))
    elif callable(getattr(source, "read", None)):
        name = str(getattr(source, "name", None) or "the given file object")
        content = source.read()
        if isinstance(content, (bytes, bytearray, memoryview)):
            return Given(name, stream=io.BytesIO(content))
        raise TypeError(f"{name} gives {type(content).__name__}, not bytes: open it in binary mode, 'rb'.")
    raise TypeError(
        "Expected a path, a file object that is open for reading in binary mode, or bytes. "
        f"Received: {shown(source)} (of type {type(source).__name__})"
    )
