"""Opening files for reading: only regular ones, which end, and which nobody has to write first."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError

# A FIFO without a writer would hold the call for ever; for regular files the flag means nothing.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading.

    Args:
        path: The file; a link is followed.

    Raises:
        ValueError: A FIFO, a device or whatever else is no file.
        OSError: There is no such file, or the disk refused.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SavedModelError(f"{path} is no regular file, and nothing else is read.")
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_part(path: Path, budget: Budget) -> BinaryIO:
    """Open one of the files of a load.

    Args:
        path: The file; a link is followed.
        budget: What the load may take, which grows with the file.

    Raises:
        ValueError: It is no regular file, or one that the load has under another name already.
        OSError: There is no such file, or the disk refused.
    """
    stream = open_regular(path)
    try:
        status = os.fstat(stream.fileno())
        budget.add_file((status.st_dev, status.st_ino), status.st_size, str(path))
    except BaseException:
        stream.close()
        raise
    return stream


def read_part(path: Path, budget: Budget) -> bytes:
    """Return the content of one of the files of a load; arguments and errors are those of `open_part`."""
    with open_part(path, budget) as stream:
        size = size_of(stream)
        budget.take_bytes(size, str(path))
        return stream.read(size)


def size_of(stream: BinaryIO) -> int:
    """Return the size of an open file."""
    place = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(place)
    return size
