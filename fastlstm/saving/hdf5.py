"""HDF5 as data only: hard links, plain storage, known dtypes. The only module that reads through h5py.

Soft and external links, external and virtual storage, filter plugins and declared sizes that nothing stored backs up
are refused, because each of them has been used to read other files or to exhaust memory through a weight file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.hdf5_text import TextReader

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = {1, 2, 3}  # gzip, shuffle, fletcher32
_MAX_EXPANSION = 1100  # gzip reaches 1032
_MAX_STRINGS = 2**20


def find_signature(stream: BinaryIO) -> int | None:
    """Where the HDF5 data begin: at 0, or after a user block of 512·2ⁿ bytes; None in other files."""
    size = stream.seek(0, os.SEEK_END)
    offset = 0
    while offset < size:
        stream.seek(offset)
        if stream.read(len(_SIGNATURE)) == _SIGNATURE:
            return offset
        offset = offset * 2 or 512
    return None


def open_root(stream: BinaryIO, stack: ExitStack) -> Group:
    """Open an HDF5 file for reading through a Python stream: no locks, no second file can be reached.

    Args:
        stream: The whole file; it must stay open.
        stack: Closes the HDF5 file.

    Raises:
        ValueError: Not an HDF5 file.
    """
    import h5py

    base = find_signature(stream)
    if base is None:
        raise SavedModelError("The weights are not an HDF5 file.")
    stream.seek(0)
    file = stack.enter_context(h5py.File(stream, "r"))
    return Group((_Item(file, TextReader(stream, base)),))


@dataclass(frozen=True)
class _Item:
    """A group or dataset, and the reader of its file's text attributes."""

    node: h5py.Group | h5py.Dataset
    texts: TextReader

    def strings(self, name: str, where: str) -> list[str] | None:
        """A text attribute as a list; [] for an empty one, None where it is missing."""
        import h5py

        if name not in self.node.attrs:
            return None
        attribute = self.node.attrs.get_id(name)
        if attribute.shape is None or 0 in attribute.shape:
            return []
        length = math.prod(attribute.shape)
        kind = h5py.check_string_dtype(attribute.dtype)
        if kind is None or len(attribute.shape) > 1 or length > _MAX_STRINGS:
            raise SavedModelError(
                f"The attribute {name} of '{where}' holds {attribute.dtype} of shape {attribute.shape}, not text."
            )
        if kind.length is None:
            return self.texts.attribute(h5py.h5o.get_info(self.node.id).addr, name, length)
        return [bytes(item).decode("utf-8", "replace") for item in np.atleast_1d(self.node.attrs[name])]


@dataclass(frozen=True)
class StoredArray:
    """One dataset; nothing is read before `read`.

    Args:
        item: The open dataset.
        where: Its path inside the file, for errors.
    """

    item: _Item
    where: str

    @property
    def dataset(self) -> h5py.Dataset:
        """The open dataset."""
        return self.item.node

    @property
    def shape(self) -> tuple[int, ...]:
        """The declared shape."""
        return tuple(int(size) for size in self.dataset.shape)

    def read(self) -> np.ndarray:
        """The values as a float32, C-contiguous array of the declared shape.

        Raises:
            ValueError: Storage or dtype that is not accepted.
        """
        self._check_storage()
        if self._is_bfloat16():
            bits = np.frombuffer(self.dataset[()].tobytes(), "<u2").astype(np.uint32) << 16
            return bits.view(np.float32).reshape(self.shape)
        values = np.empty(self.shape, np.float32)
        if values.ndim == 0:
            values[()] = self.dataset[()]
        elif values.size:
            self.dataset.read_direct(values)
        return values

    def _is_bfloat16(self) -> bool:
        return self.dataset.dtype.str == "|V2" and self.item.strings("dtype", self.where) == ["bfloat16"]

    def _check_storage(self) -> None:
        dataset = self.dataset
        if dataset.external or dataset.is_virtual:
            raise SavedModelError(f"'{self.where}' keeps its data in another file; such storage is not read.")
        creation = dataset.id.get_create_plist()
        filters = {creation.get_filter(number)[0] for number in range(creation.get_nfilters())}
        if filters - _FILTERS:
            raise SavedModelError(f"'{self.where}' uses the HDF5 filters {sorted(filters - _FILTERS)}; not accepted.")
        if not self._is_bfloat16() and not (dataset.dtype.kind in "iuf" and dataset.dtype.itemsize <= 8):
            raise SavedModelError(f"'{self.where}' has the dtype {dataset.dtype}, which is no weight.")
        if dataset.nbytes > _MAX_EXPANSION * dataset.id.get_storage_size():
            raise SavedModelError(
                f"'{self.where}' declares {dataset.nbytes} bytes, but only {dataset.id.get_storage_size()} are stored."
            )


@dataclass(frozen=True)
class Group:
    """One group of a file, or the union of the same group over several files (shards).

    Args:
        parts: The open groups.
        where: The group's path, for errors.
    """

    parts: tuple[_Item, ...]
    where: str = ""

    def names(self) -> list[str]:
        """The members' names, each once."""
        return list(dict.fromkeys(name for part in self.parts for name in part.node))

    def group(self, path: str) -> Group | None:
        """The group below, or None where nothing or a dataset has this path."""
        import h5py

        found = tuple(item for item in self._lookup(path) if isinstance(item.node, h5py.Group))
        return Group(found, f"{self.where}/{path}") if found else None

    def array(self, path: str) -> StoredArray | None:
        """The dataset below, or None where nothing or a group has this path."""
        import h5py

        for item in self._lookup(path):
            if isinstance(item.node, h5py.Dataset) and item.node.shape is not None:
                return StoredArray(item, f"{self.where}/{path}")
        return None

    def has_attribute(self, name: str) -> bool:
        """Whether the attribute exists, whole or split into numbered pieces."""
        return any(name in part.node.attrs or f"{name}0" in part.node.attrs for part in self.parts)

    def text(self, name: str) -> str | None:
        """A string attribute, or None where it is missing or empty."""
        strings = self.parts[0].strings(name, self.where)
        return strings[0] if strings else None

    def texts(self, name: str) -> list[str]:
        """A list of strings, which writers split into `name0`, `name1` … when it is long.

        Raises:
            ValueError: The attribute is missing or holds something else.
        """
        part = self.parts[0]
        whole = part.strings(name, self.where)
        if whole is not None:
            return whole
        numbered = (part.strings(f"{name}{number}", self.where) for number in count())
        pieces = list(takewhile(lambda piece: piece is not None, numbered))
        if not pieces:
            raise SavedModelError(f"'{self.where}' has no attribute {name}.")
        return [text for piece in pieces for text in piece]

    def _lookup(self, path: str) -> list[_Item]:
        import h5py

        found = []
        for part in self.parts:
            node = part.node
            for name in filter(None, path.split("/")):
                link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
                if link is None:
                    break
                if not isinstance(link, h5py.HardLink):
                    raise SavedModelError(
                        f"'{self.where}/{path}' goes through a {type(link).__name__}; only plain links are followed."
                    )
                node = node[name]
            else:
                found.append(_Item(node, part.texts))
        return found


def join(groups: Sequence[Group]) -> Group:
    """One group out of the same group of several files."""
    return Group(tuple(part for group in groups for part in group.parts))
