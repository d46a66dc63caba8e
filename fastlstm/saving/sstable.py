"""Sorted tables of keys and values, LevelDB's file format, in which TensorFlow keeps the index of a checkpoint.

    block    entries, the offsets of some of them (u32 each), their count (u32)
    trailer  of every block: compression (u8), masked CRC-32C of the block and that byte (u32)
    footer   the last 48 bytes: the handles of the meta and of the index block, padded to 40 bytes; magic (8 bytes)

A handle is an offset and a size. An entry is three numbers, how many bytes of its key it shares with the key before,
how many it adds, and how many its value has; then those bytes. The index block's values are handles of data blocks.
Numbers but for the fixed ones are of variable length. Format: table_format.md of LevelDB.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from fastlstm.crc32c import crc32c, masked
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.protobuf import read_varint

_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_TRAILER = struct.Struct("<BI")
_COMPRESSIONS = {0: "none", 1: "Snappy", 2: "zstd"}


def is_table(stream: BinaryIO) -> bool:
    """Return whether a file ends as a table does."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - len(_MAGIC)))
    return stream.read() == _MAGIC


def read_table(content: bytes, budget: Budget) -> dict[bytes, memoryview]:
    """Return all entries of a table.

    Args:
        content: The whole file.
        budget: What the load may take.

    Raises:
        ValueError: No table, a damaged one, one with compressed blocks, or more entries than a load may make.
    """
    if len(content) < _FOOTER or not content.endswith(_MAGIC):
        raise SavedModelError("The file does not end as an index of TensorFlow does.")
    data = memoryview(content)
    footer = data[-_FOOTER:]
    _, position = _handle(footer, 0)
    index, _ = _handle(footer, position)
    entries: dict[bytes, memoryview] = {}
    read = 0
    for _, value in _entries(_block(data, *index), budget):
        handle, _ = _handle(value, 0)
        block = _block(data, *handle)
        read += len(block)
        if read > len(data):
            raise SavedModelError("The index has blocks that overlap.")
        entries.update(_entries(block, budget))
    return entries


def _handle(data: memoryview, position: int) -> tuple[tuple[int, int], int]:
    """`(offset, size)`, and where the next handle begins."""
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (offset, size), position


def _block(data: memoryview, offset: int, size: int) -> memoryview:
    """The entries of a block, after a check of its trailer."""
    end = offset + size
    if end + _TRAILER.size + _FOOTER > len(data):
        raise SavedModelError("The index has a block that lies outside the file.")
    compression, checksum = _TRAILER.unpack_from(data, end)
    if compression:
        name = _COMPRESSIONS.get(compression, f"the method {compression}")
        raise SavedModelError(f"The index is compressed with {name}, which is not read: TensorFlow writes it plain.")
    if masked(crc32c(data[offset : end + 1])) != checksum:
        raise SavedModelError("The index is damaged: a checksum is not that of its block.")
    count = struct.unpack_from("<I", data, end - 4)[0] if size >= 4 else 0
    if 4 * count + 4 > size:
        raise SavedModelError("The index has a block that is all offsets.")
    return data[offset : end - 4 - 4 * count]


def _entries(block: memoryview, budget: Budget) -> Iterator[tuple[bytes, memoryview]]:
    key, position = b"", 0
    while position < len(block):
        shared, position = read_varint(block, position)
        added, position = read_varint(block, position)
        size, position = read_varint(block, position)
        value = position + added
        if shared > len(key) or value + size > len(block):
            raise SavedModelError("The index has an entry that lies outside its block.")
        budget.take("names", 1, "The index")
        # A key may repeat all of the one before with a byte or two.
        budget.take_bytes(shared + added, "A name in the index")
        key = key[:shared] + bytes(block[position:value])
        position = value + size
        yield key, block[value:position]
