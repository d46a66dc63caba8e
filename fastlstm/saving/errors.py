"""What a damaged file may raise: a ValueError that names it, an OSError for the disk itself, nothing else."""

from __future__ import annotations

import errno
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

# What h5py, zipfile, json and our own walk over untrusted structures raise on bytes that make no sense.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


class SavedModelError(ValueError):
    """A saved model or weights file that cannot be honoured; its text already says why."""


@contextmanager
def reading(path: str | PathLike[str], kind: str = "a Keras file") -> Iterator[None]:
    """Turn whatever damaged bytes make a parser raise into a ValueError that names the file.

    A `SavedModelError` only gains the name, and an OSError of the disk itself (it carries an `errno`) passes unchanged.

    Args:
        path: The file that is being read.
        kind: What it should be.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        yield
    except SavedModelError as error:
        if str(path) not in str(error):
            error.args = (f"{error} (file: {path})",)
        raise
    except _DAMAGE as error:
        # Seeking to a made-up address is EINVAL: the file's fault, not the disk's.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise SavedModelError(f"{path} is damaged or not {kind}: {type(error).__name__}: {error}") from error
