"""Text attributes of variable length, read straight from the bytes of an HDF5 file.

libhdf5 trusts the lengths and offsets of such strings: one flipped bit in them makes it read beyond its buffers or
never return (seen with 2.0 in about one of 500 damaged files). Everything here is bounds-checked by Python instead.
Layout: HDF5 File Format Specification, sections III.E (global heap), IV.A.1 (headers), IV.A.2.m (attributes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_SHARED = 0x02
_MAX_MESSAGES = 100_000
_REFERENCE = struct.Struct("<IQI")  # length, address of the heap, index in it


class TextReader:
    """Reads the text attributes of one open file.

    Args:
        stream: The whole file.
        base: Where its superblock is; every address counts from there.
        budget: What the load may take.
    """

    def __init__(self, stream: BinaryIO, base: int, budget: Budget) -> None:
        self._stream, self._base, self._budget = stream, base, budget
        self._heaps: dict[int, dict[int, bytes]] = {}

    def attribute(self, header: int, name: str, count: int) -> list[str]:
        """The strings of one attribute.

        Args:
            header: The address of the object that has the attribute.
            name: The attribute's name.
            count: How many strings its dataspace declares.

        Raises:
            ValueError: Damaged, or kept outside the object's header.
        """
        for kind, flags, data in self._messages(header):
            if kind == _ATTRIBUTE and not flags & _SHARED:
                found, value = _attribute(data)
                if found == name.encode():
                    return [self._string(*_REFERENCE.unpack_from(value, 16 * number)) for number in range(count)]
        raise SavedModelError(f"The attribute {name} is stored in a form that is not supported.")

    def _block(self, address: int, size: int) -> bytes:
        self._budget.take_bytes(size, "A block of text in an HDF5 file")
        self._stream.seek(self._base + address)
        block = self._stream.read(size)
        if len(block) != size:
            raise SavedModelError("The file ends within a block.")
        return block

    def _messages(self, header: int) -> Iterator[tuple[int, int, bytes]]:
        """`(type, flags, data)` of every message in an object header, continuations included."""
        start = self._block(header, 16)
        if start[:4] == b"OHDR":
            blocks, entry = [self._first_block_v2(header, start[5])], "<BHBH" if start[5] & 0x04 else "<BHB"
        else:
            blocks, entry = [(header + 16, struct.unpack_from("<I", start, 8)[0])], "<HHB3x"
        seen = 0
        for address, size in blocks:  # grows while continuations are found
            block, position = self._block(address, size), 0
            self._budget.take("groups and arrays", 1, "A header in an HDF5 file")
            while position + struct.calcsize(entry) <= len(block):
                kind, length, flags, *_ = struct.unpack_from(entry, block, position)
                position += struct.calcsize(entry)
                data = block[position : position + length]
                position += length
                seen += 1
                if seen > _MAX_MESSAGES:
                    raise SavedModelError("An object header does not end.")
                if kind == _CONTINUATION:
                    further, room = struct.unpack_from("<QQ", data)
                    # Version 2 wraps a continuation in a signature and a checksum.
                    blocks.append((further + 4, room - 8) if start[:4] == b"OHDR" else (further, room))
                yield kind, flags, data

    def _first_block_v2(self, header: int, flags: int) -> tuple[int, int]:
        position = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 0x03)
        size = int.from_bytes(self._block(header + position, width), "little")
        return header + position + width, size

    def _string(self, length: int, heap: int, index: int) -> str:
        if length == 0:
            return ""
        objects = self._heap(heap)
        if length > len(objects.get(index, b"")):
            raise SavedModelError("A string is longer than its place in the file.")
        self._budget.take_bytes(length, "A string in an HDF5 file")
        return objects[index][:length].split(b"\0")[0].decode("utf-8", "replace")

    def _heap(self, address: int) -> dict[int, bytes]:
        """The objects of a global heap collection, by index."""
        if address not in self._heaps:
            signature, _, size = struct.unpack("<4sB3xQ", self._block(address, 16))
            if signature != b"GCOL":
                raise SavedModelError("A string points to something that is no heap.")
            block, position, objects = self._block(address, size), 16, {}
            while position + 16 <= len(block):
                index, length = struct.unpack_from("<H6xQ", block, position)
                if index == 0:  # the free space at the end
                    break
                position += 16
                objects[index] = block[position : position + length]
                position += -(-length // 8) * 8
            self._heaps[address] = objects
        return self._heaps[address]


def _attribute(data: bytes) -> tuple[bytes, bytes]:
    """`(name, value)` of an attribute message."""
    version, _, *sizes = struct.unpack_from("<BBHHH", data)
    position = 9 if version == 3 else 8
    name = data[position : position + sizes[0]].split(b"\0")[0]
    for size in sizes:  # name, datatype, dataspace: version 1 pads each to eight bytes
        position += -(-size // 8) * 8 if version == 1 else size
    return name, data[position:]
