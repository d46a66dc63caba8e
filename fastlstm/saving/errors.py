"""What a damaged file may raise: a ValueError that names it, an OSError for the disk itself, a MemoryError.

Whatever a file brings into such a text, terminals are safe from it, and it stays short.
"""

from __future__ import annotations

import errno
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from fastlstm.printable import printable

# What h5py, zipfile, json and our own walk over untrusted structures raise on bytes that make no sense.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    struct.error,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_LONGEST = 1000  # characters of a text that quotes a file


class SavedModelError(ValueError):
    """A saved model or weights file that cannot be honoured; its text already says why.

    Args:
        text: The reason; what it quotes of a file is escaped, and shortened where it is long.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text, _LONGEST, lines=True))


@contextmanager
def reading(path: str | PathLike[str], kind: str = "a Keras file") -> Iterator[None]:
    """Turn whatever damaged bytes make a parser raise into a ValueError that names the file.

    A `SavedModelError` only gains the name. An OSError of the disk itself (it carries an `errno`) passes unchanged, and
    so does a MemoryError, if it says what for.

    Args:
        path: The file that is being read.
        kind: What it should be.

    Raises:
        ValueError: The file is damaged.
        MemoryError: There is less memory than it needs.
    """
    try:
        yield
    except SavedModelError as error:
        if str(path) not in str(error):
            error.args = (f"{error} (file: {path})",)
        raise
    except MemoryError as error:
        if str(error):
            raise
        raise MemoryError(f"There is not enough memory to read {path}.") from error
    except _DAMAGE as error:
        # Seeking to a made-up address is EINVAL: the file's fault, not the disk's.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise SavedModelError(f"{path} is damaged or not {kind}: {type(error).__name__}: {error}") from error
