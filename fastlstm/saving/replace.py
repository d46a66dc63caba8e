"""Writing a file or a folder so that either the old one or the complete new one is there, never a part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a new file beside `path` for writing and move it there when the block ends without an error.

    Args:
        path: The file to write. A link is followed, so that the link itself stays.

    Raises:
        OSError: The disk refused; the old file is untouched and nothing is left behind.
    """
    target = Path(os.path.realpath(path))
    temporary = _beside(target)
    try:
        with open(temporary, "x+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: str | os.PathLike[str], marker: str) -> Iterator[Path]:
    """Make a new folder beside `path` and move it there when the block ends without an error.

    Args:
        path: The folder to write.
        marker: An existing folder is replaced only if it is empty or holds a file of this name.

    Raises:
        ValueError: `path` is something else than such a folder.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not (target.is_dir() and ((target / marker).exists() or not any(target.iterdir()))):
        raise ValueError(f"{path} exists and is not a saved model folder (no {marker}); it is not replaced.")
    temporary, old = _beside(target), _beside(target)
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(temporary, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
