"""Arrays that are stored in chunks, unpacked here and never by libhdf5, whose filters unpack as much as a chunk holds,
however little of it the array declares.

A chunk is a block of the array; those at its ends are as large as the others. Each of them went through filters, one
after the other: deflate (gzip), shuffle (the first bytes of all values, then the second ones …), Fletcher's checksum.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.records import Record
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError

if TYPE_CHECKING:
    import h5py

_DEFLATE, _SHUFFLE, _FLETCHER32 = _FILTERS = (1, 2, 3)
_CHECKSUM = 4  # bytes
_WORDS = 2**15  # that are summed at once, so that the sums stay below 2⁶³


class Chunks(Record):
    """An array that is stored in chunks.

    Args:
        dataset: The open dataset.
        dtype: That of its values, as they are stored.
        where: Its path, for errors.
    """

    dataset: h5py.h5d.DatasetID
    dtype: np.dtype[Any]
    where: str

    def reserve(self, budget: Budget) -> None:
        """Take what reading takes, but for the array itself.

        Raises:
            ValueError: More than the load may take.
        """
        number = math.prod(map(len, self._starts()))
        budget.take("chunks", number, f"'{self.where}'")
        budget.take_bytes(number * self._size(), f"The chunks of '{self.where}'")

    def read(self) -> np.ndarray:
        """Return the values as float32, C-contiguous.

        Raises:
            ValueError: Filters that are not accepted, or chunks that are missing or damaged.
        """
        filters, chunk, size = self._filters(), self._chunk(), self._size()
        shape = self.dataset.shape
        values = np.empty(shape, np.float32)
        stored = np.empty(size + size // 1024 + 64, np.uint8)  # deflate adds five bytes to 16 KiB at most
        for start in itertools.product(*self._starts()):
            skipped, content = self.dataset.read_direct_chunk(start, out=stored)
            applied = [kind for place, kind in enumerate(filters) if not skipped >> place & 1]
            content = _unfiltered(content, applied, self.dtype.itemsize, size)
            block = as_float32(np.frombuffer(content, self.dtype).reshape(chunk))
            ends = [min(step, whole - first) for first, step, whole in zip(start, chunk, shape, strict=True)]
            place = tuple(slice(first, first + end) for first, end in zip(start, ends, strict=True))
            values[place] = block[tuple(map(slice, ends))]
        return values

    def _filters(self) -> list[int]:
        creation = self.dataset.get_create_plist()
        filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
        if not set(filters) <= set(_FILTERS) or len(set(filters)) < len(filters):
            raise SavedModelError(
                f"'{self.where}' uses the HDF5 filters {filters}; only gzip, shuffle and fletcher32 are read."
            )
        return filters

    def _chunk(self) -> tuple[int, ...]:
        return tuple(self.dataset.get_create_plist().get_chunk())

    def _size(self) -> int:
        """Bytes of a chunk."""
        return math.prod(self._chunk()) * self.dtype.itemsize

    def _starts(self) -> list[range]:
        """Where chunks begin, by axis."""
        return [range(0, size, step) for size, step in zip(self.dataset.shape, self._chunk(), strict=True)]


def as_float32(values: np.ndarray) -> np.ndarray:
    """Return stored values as float32; two bytes of no other kind are bfloat16."""
    if values.dtype.kind == "V":
        return (values.view("<u2").astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, copy=False)


def _unfiltered(content: memoryview, applied: Sequence[int], width: int, size: int) -> bytes | memoryview:
    """A chunk's values, from what is left of them after the filters.

    Args:
        content: The stored bytes.
        applied: The filters, in the order in which they were applied.
        width: Bytes of a value.
        size: Bytes of the values.
    """
    result: bytes | memoryview = content
    for kind in reversed(applied):
        if kind == _DEFLATE:
            result = _inflated(result, size + _CHECKSUM)
        elif kind == _SHUFFLE:
            result = _unshuffled(result, width)
        else:
            result = _checked(result)
    if len(result) != size:
        raise SavedModelError(f"A chunk of {size} bytes has {len(result)}.")
    return result


def _inflated(content: bytes | memoryview, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    result = unpacker.decompress(content, most)
    if not unpacker.eof and unpacker.decompress(unpacker.unconsumed_tail, 1):
        raise SavedModelError(f"A chunk unpacks to more than its {most} bytes.")
    return result


def _unshuffled(content: bytes | memoryview, width: int) -> bytes:
    rows = len(content) // width
    shuffled = np.frombuffer(content, np.uint8)
    # What does not fill a value stays where it was.
    return shuffled[: rows * width].reshape(width, rows).T.tobytes() + shuffled[rows * width :].tobytes()


def _checked(content: bytes | memoryview) -> memoryview:
    """The content without the checksum behind it."""
    if len(content) < _CHECKSUM:
        raise SavedModelError("A chunk is shorter than its checksum.")
    values, checksum = memoryview(content)[:-_CHECKSUM], bytes(content[-_CHECKSUM:])
    if int.from_bytes(checksum, "little") != _fletcher32(values):
        raise SavedModelError("A chunk is damaged: its checksum is not that of its content.")
    return values


def _fletcher32(content: memoryview) -> int:
    """Fletcher's checksum of big-endian words of 16 bits, as HDF5 folds it: 0xffff in place of 0."""
    padded = bytes(content) + bytes(len(content) % 2)
    words = np.frombuffer(padded, ">u2").astype(np.int64)
    low = high = 0
    for first in range(0, len(words), _WORDS):
        part = words[first : first + _WORDS]
        high += len(part) * low + int(part @ np.arange(len(part), 0, -1))
        low += int(part.sum())
    return _folded(high) << 16 | _folded(low)


def _folded(total: int) -> int:
    return (total - 1) % 0xFFFF + 1 if total else 0
