"""TensorFlow's checkpoints: `x.index`, a sorted table of what there is, and `x.data-00000-of-00001` … with the bytes.

The table's values are protocol buffers of tensor_bundle.proto: under the empty key the header, under every other one
where the tensor of that name lies, its dtype and shape, and the checksum of its bytes. A tensor of texts is the length
of each, the checksum of the lengths, and the texts.
"""

from __future__ import annotations

import math
import os
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fastlstm.crc32c import crc32c, masked
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.protobuf import Message, read_varint
from fastlstm.saving.regular import open_part, read_part
from fastlstm.saving.sstable import read_table

INDEX = ".index"
_TEXT = 7
_BFLOAT16 = 14
# types.proto: number → NumPy's name; a bfloat16 is read as the upper half of a float32
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 6: "i1", 9: "<i8", 10: "?", _BFLOAT16: "<u2", 17: "<u2", 19: "<f2"}
_MAX_DIMENSIONS = 32


@dataclass(frozen=True)
class BundledArray:
    """One tensor of a checkpoint; nothing is read before `read`.

    Args:
        where: Its key, for errors.
        shape: The declared shape.
        dtype: Its number in types.proto.
        size: How many bytes it has.
        offset: Where they begin in the shard.
        checksum: Their masked CRC-32C.
        shard: The open file.
        budget: What the load may take.
    """

    where: str
    shape: tuple[int, ...]
    dtype: int
    size: int
    offset: int
    checksum: int
    shard: BinaryIO
    budget: Budget

    def reserve(self) -> None:
        """Take what reading takes, before anything is read.

        Raises:
            ValueError: A dtype that is no weight's, a size that is not that of the shape, or more than the load may
                take.
        """
        if self.dtype not in _DTYPES:
            raise SavedModelError(f"'{self.where}' has the dtype {self.dtype} of TensorFlow, which is no weight.")
        dtype = np.dtype(_DTYPES[self.dtype])
        if math.prod(self.shape) * dtype.itemsize != self.size:
            raise SavedModelError(f"'{self.where}' has {self.size} bytes for {self.shape} of {dtype}.")
        converted = 0 if dtype == np.float32 else 4 * math.prod(self.shape)
        self.budget.take_bytes(self.size + converted, f"'{self.where}'")

    def read(self) -> np.ndarray:
        """The values as a float32, C-contiguous array of the declared shape; to be reserved before.

        Raises:
            ValueError: Damage, or a file that ends too early.
        """
        values = np.empty(self.shape, _DTYPES[self.dtype])
        self._read_into(values.reshape(-1).view(np.uint8).data)
        if masked(crc32c(values.reshape(-1).view(np.uint8).data)) != self.checksum:
            raise SavedModelError(f"'{self.where}' is damaged: its checksum is not that of its bytes.")
        if self.dtype == _BFLOAT16:
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32, copy=False)

    def texts(self) -> list[bytes]:
        """The texts of a tensor of texts.

        Raises:
            ValueError: It is none, or damaged.
        """
        if self.dtype != _TEXT or math.prod(self.shape) > self.size:
            raise SavedModelError(f"'{self.where}' holds no texts.")
        self.budget.take("names", math.prod(self.shape), f"'{self.where}'")
        self.budget.take_bytes(2 * self.size, f"'{self.where}'")
        content, lengths, position = memoryview(bytearray(self.size)), [], 0
        self._read_into(content)
        for _ in range(math.prod(self.shape)):
            length, position = read_varint(content, position)
            lengths.append(length)
        if position + 4 + sum(lengths) != len(content):
            raise SavedModelError(f"'{self.where}' is damaged: its texts are longer than its place.")
        # The checksum is that of the lengths as fixed-size numbers, then of all that follows them.
        packed = b"".join(struct.pack("<I" if length < 2**32 else "<Q", length) for length in lengths)
        if masked(crc32c(content[position:], crc32c(packed))) != self.checksum:
            raise SavedModelError(f"'{self.where}' is damaged: its checksum is not that of its bytes.")
        position += 4
        texts = []
        for length in lengths:
            texts.append(bytes(content[position : position + length]))
            position += length
        return texts

    def _read_into(self, buffer: memoryview) -> None:
        self.shard.seek(self.offset)
        if self.shard.readinto(buffer) != self.size:  # type: ignore[attr-defined]
            raise SavedModelError(f"The file ends within '{self.where}'.")


class TensorBundle:
    """An open checkpoint.

    Args:
        prefix: The path that its files begin with.
        stack: Closes the files.
        budget: What the load may take.

    Raises:
        ValueError: A damaged index, one of a kind that is not read, a missing shard, or too many.
    """

    def __init__(self, prefix: Path, stack: ExitStack, budget: Budget) -> None:
        self._budget = budget
        self._entries = read_table(read_part(prefix.with_name(prefix.name + INDEX), budget), budget)
        header = Message(self._entries.pop(b"", b""), budget)
        count = header.integer(1)
        if count <= 0:
            raise SavedModelError(f"The index names {count} files of data.")
        budget.take("shards", count, "The index")
        if header.integer(2):
            raise SavedModelError("The checkpoint is big-endian, which is not read.")
        self._shards = [self._opened(prefix, shard, count, stack) for shard in range(count)]

    def names(self) -> list[str]:
        """The names of all tensors."""
        return [key.decode("utf-8", "replace") for key in self._entries]

    def array(self, key: str) -> BundledArray | None:
        """The tensor of a name, or None without one.

        Raises:
            ValueError: Its entry makes no sense, or it is in slices.
        """
        content = self._entries.get(key.encode())
        if content is None:
            return None
        entry = Message(content, self._budget)
        if entry.pieces(7):
            raise SavedModelError(f"'{key}' is stored in slices of a partitioned variable, which are not read.")
        sizes = [size.signed(1) for shape in entry.messages(2) for size in shape.messages(2)]
        offset, size, shard = entry.signed(4), entry.signed(5), entry.signed(3)
        if len(sizes) > _MAX_DIMENSIONS or min((*sizes, offset, size, shard)) < 0 or shard >= len(self._shards):
            raise SavedModelError(f"'{key}' should have the shape {tuple(sizes)} and {size} bytes at {offset}.")
        if offset + size > os.fstat(self._shards[shard].fileno()).st_size:
            raise SavedModelError(f"The file of data {shard} ends before the {size} bytes of '{key}' at {offset}.")
        checksum = entry.integer(6)
        return BundledArray(
            key, tuple(sizes), entry.integer(1), size, offset, checksum, self._shards[shard], self._budget
        )

    def _opened(self, prefix: Path, shard: int, count: int, stack: ExitStack) -> BinaryIO:
        path = prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{count:05}")
        if not path.exists():
            raise SavedModelError(f"There is no file {path.name} beside {prefix.name}{INDEX}.")
        return stack.enter_context(open_part(path, self._budget))
