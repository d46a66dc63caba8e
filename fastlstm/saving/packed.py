"""Packed model files: a header and arrays, laid out so that a process maps the file and uses it as it is.

    0    magic (8 bytes), format version, layout version (u32 each), bytes of the header, bytes of the file (u64 each)
    64   the header: a JSON object, padded with zeros to a multiple of 64
    …    the arrays, little-endian float32, int16 or int8 in C order, each padded with zeros to a multiple of 64
    -4   CRC-32 (u32) of all bytes before

Numbers are little-endian. The header is `{"model": …, "arrays": [{"name", "dtype", "shape", "offset"}, …]}`, offsets in
bytes from the first array. What the arrays are is the business of whoever writes and reads them; the layout version is
theirs too, the format version is this module's.

The checksum is zlib's CRC-32: the only one of the standard library that keeps up with memory (3.7 GiB/s where BLAKE2b
does 0.9 and SHA-256 1.6), and damage is what it is for. It is no signature: nothing in a file is trusted, checksum or
not.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
import sys
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from fastlstm.printable import shown
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError, reading
from fastlstm.saving.json_data import parse_json
from fastlstm.saving.regular import open_regular
from fastlstm.saving.replace import replaced_file

MAGIC = b"\x93FLSTM\r\n"  # neither text nor through a transfer that takes it for text
FORMAT_VERSION = 1
ALIGNMENT = 64  # bytes: a cache line, and the widest vector
KIND = "a packed fastlstm model"

_PREAMBLE = struct.Struct("<8sIIQQ")
_CHECKSUM = struct.Struct("<I")
_DTYPES = ("<f4", "<i2", "|i1")
_MAX_DIMENSIONS = 32
_MAX_DIMENSION = 2**31 - 1  # the engine counts in C ints
_WRITE_AGAIN = "Write it again with `save_packed`."


class NamedArray(NamedTuple):
    """An array in a file.

    Args:
        name: Tells it from the others.
        array: float32, int16 or int8.
    """

    name: str
    array: np.ndarray


class PackedFile(NamedTuple):
    """What a file holds.

    Args:
        model: What `write_packed` was given.
        arrays: Read-only, in the file's memory, which stays mapped as long as one of them is there.
        budget: What is left to the load.
    """

    model: dict[str, Any]
    arrays: list[NamedArray]
    budget: Budget


def write_packed(
    path: str | PathLike[str], layout_version: int, model: dict[str, Any], arrays: Sequence[NamedArray]
) -> None:
    """Write a file; an old one is replaced once the new one is complete, and stays for those who have mapped it.

    Args:
        path: The file.
        layout_version: Of what the arrays are.
        model: JSON data.
        arrays: float32, int16 or int8, of any memory order.

    Raises:
        ValueError: The model is too large to be read again.
        OSError: The disk refused; the old file is untouched.
    """
    entries, size = [], 0
    for name, array in arrays:
        entries.append(
            {"name": name, "dtype": array.dtype.newbyteorder("<").str, "shape": list(array.shape), "offset": size}
        )
        size += _padded(array.nbytes)
    header = json.dumps({"model": model, "arrays": entries}).encode()
    Budget(0).check("bytes of JSON", len(header), "The model's config")
    total = ALIGNMENT + _padded(len(header)) + size + _CHECKSUM.size
    preamble = _PREAMBLE.pack(MAGIC, FORMAT_VERSION, layout_version, len(header), total)
    with replaced_file(path) as stream:
        checksum = _write(stream, preamble, 0)
        checksum = _write(stream, header, checksum)
        for _, array in arrays:
            checksum = _write(
                stream,
                np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data,
                checksum,
            )
        stream.write(_CHECKSUM.pack(checksum))


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _write(stream: BinaryIO, content: bytes | memoryview, checksum: int) -> int:
    """Write bytes and their padding; return the checksum that goes on from `checksum`."""
    for piece in (content, bytes(_padded(len(content)) - len(content))):
        stream.write(piece)
        checksum = zlib.crc32(piece, checksum)
    return checksum


def open_packed(path: str | PathLike[str], layout_version: int) -> PackedFile:
    """Map a file and check all of it.

    Args:
        path: The file. It must not be written to while it is mapped; `write_packed` replaces it instead.
        layout_version: The one that the reader knows.

    Raises:
        ValueError: Not such a file, one of another format or layout, or a damaged one.
        OSError: There is no such file, or the disk refused.
    """
    if sys.byteorder != "little":
        raise ValueError("Packed models are little-endian, and this machine is not: they cannot be mapped here.")
    with reading(path, KIND):
        mapped = _mapped(Path(path))
        budget = Budget(len(mapped))
        header_size = _check_preamble(mapped, layout_version)
        budget.check("bytes of JSON", header_size, "The header")
        if zlib.crc32(memoryview(mapped)[: -_CHECKSUM.size]) != _CHECKSUM.unpack(mapped[-_CHECKSUM.size :])[0]:
            raise SavedModelError("The file is damaged: its checksum is not that of its content.")
        header = parse_json(mapped[ALIGNMENT : ALIGNMENT + header_size], "The header", budget)
        model, entries = header.get("model"), header.get("arrays")
        if not isinstance(model, dict) or not isinstance(entries, list):
            raise SavedModelError("The header has no `model` or no `arrays`.")
        start = ALIGNMENT + _padded(header_size)
        return PackedFile(model, [_array(mapped, start, entry) for entry in entries], budget)


def _mapped(path: Path) -> mmap.mmap:
    with open_regular(path) as stream:
        if len(stream.read(ALIGNMENT)) < ALIGNMENT:
            raise SavedModelError(f"The file is too short to be {KIND}.")
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _check_preamble(mapped: mmap.mmap, layout_version: int) -> int:
    """Return the size of the header, which ends before the checksum."""
    magic, found_format, found_layout, header_size, size = _PREAMBLE.unpack_from(mapped)
    if magic != MAGIC:
        raise SavedModelError(f"The file is not {KIND}: it begins with {magic!r}.")
    if found_format != FORMAT_VERSION:
        raise SavedModelError(
            f"The file has format {found_format}; this version of fastlstm reads {FORMAT_VERSION}. {_WRITE_AGAIN}"
        )
    if found_layout != layout_version:
        raise SavedModelError(
            f"The file's weights are packed in layout {found_layout}; this version of fastlstm has {layout_version}. "
            f"{_WRITE_AGAIN}"
        )
    if size != len(mapped):
        raise SavedModelError(f"The file is damaged: it has {len(mapped)} bytes, and says that it has {size}.")
    if ALIGNMENT + _padded(header_size) + _CHECKSUM.size > size:
        raise SavedModelError(f"The file is damaged: its header would have {header_size} of its {size} bytes.")
    return header_size


def _array(mapped: mmap.mmap, start: int, entry: Any) -> NamedArray:
    """The array of an entry in the header, nothing of which is taken on trust."""
    name, dtype, shape, offset = (
        map(entry.get, ("name", "dtype", "shape", "offset")) if isinstance(entry, dict) else (None,) * 4
    )
    if not isinstance(name, str) or not isinstance(shape, list) or not isinstance(offset, int) or not _is_size(offset):
        raise SavedModelError(f"The header describes an array as {shown(entry)}.")
    if dtype not in _DTYPES:
        raise SavedModelError(f"Array {shown(name)} has the dtype {shown(dtype)}; expected one of {_DTYPES}.")
    if len(shape) > _MAX_DIMENSIONS or not all(
        _is_size(dimension) and dimension <= _MAX_DIMENSION for dimension in shape
    ):
        raise SavedModelError(f"Array {shown(name)} has the shape {shown(shape)}.")
    nbytes = math.prod(shape) * np.dtype(dtype).itemsize
    if offset % ALIGNMENT or start + offset + nbytes > len(mapped) - _CHECKSUM.size:
        raise SavedModelError(
            f"Array {shown(name)} should lie at {shown(offset)} and have {nbytes} bytes, which is not in the "
            f"file or not a multiple of {ALIGNMENT}."
        )
    return NamedArray(name, np.ndarray(tuple(shape), np.dtype(dtype), mapped, start + offset))


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
