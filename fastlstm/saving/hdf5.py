"""HDF5 as data only: hard links, plain storage, known dtypes. The only place that reads through h5py.

Soft and external links, external and virtual storage, filter plugins and declared sizes that nothing stored backs up
are refused, because each of them has been used to read other files or to exhaust memory through a weight file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fastlstm.records import Record, replaced
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.hdf5_chunks import Chunks, as_float32
from fastlstm.saving.hdf5_text import TextReader
from fastlstm.saving.regular import size_of

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


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


def open_root(stream: BinaryIO, stack: ExitStack, budget: Budget) -> Group:
    """Open an HDF5 file for reading through a Python stream: no locks, no second file can be reached.

    Args:
        stream: The whole file; it must stay open.
        stack: Closes the HDF5 file.
        budget: What the load may take.

    Raises:
        ValueError: Not an HDF5 file.
    """
    import h5py

    base = find_signature(stream)
    if base is None:
        raise SavedModelError("The weights are not an HDF5 file.")
    stream.seek(0)
    file = stack.enter_context(h5py.File(stream, "r"))
    texts = TextReader(stream, base, budget)
    return Group((_Item(h5py.h5o.open(file.id, b"/"), texts, budget, size_of(stream)),))


class _Item(Record):
    """A group or dataset.

    Args:
        node: The open object.
        texts: Reads the text attributes of its file.
        budget: What the load may take.
        file_size: Bytes of its file.
    """

    node: h5py.h5g.GroupID | h5py.h5d.DatasetID
    texts: TextReader
    budget: Budget
    file_size: int

    def strings(self, name: str, where: str) -> list[str] | None:
        """A text attribute as a list; [] for an empty one, None where it is missing."""
        import h5py

        if not self.has_attribute(name):
            return None
        attribute = h5py.h5a.open(self.node, name.encode())
        space, dtype, what = attribute.get_space(), attribute.dtype, f"The attribute {name} of '{where}'"
        if space.get_simple_extent_type() == h5py.h5s.NULL or 0 in space.shape:
            return []
        length = math.prod(space.shape)
        kind = h5py.check_string_dtype(dtype)
        if kind is None or len(space.shape) > 1:
            raise SavedModelError(f"{what} holds {dtype} of shape {space.shape}, not text.")
        self.budget.take("names", length, what)
        if kind.length is None:
            return self.texts.attribute(h5py.h5o.get_info(self.node).addr, name, length)
        self.budget.take_bytes(length * dtype.itemsize, what)
        values = np.empty(space.shape, dtype)
        attribute.read(values)
        return [bytes(item).decode("utf-8", "replace") for item in np.atleast_1d(values)]

    def has_attribute(self, name: str) -> bool:
        """Whether there is an attribute of this name."""
        import h5py

        return h5py.h5a.exists(self.node, name.encode())


class StoredArray(Record):
    """One dataset; nothing is read before `read`.

    Args:
        item: The open dataset.
        where: Its path inside the file, for errors.
        shape: The declared shape.
        layout: How libhdf5 says that it is stored.
    """

    item: _Item
    where: str
    shape: tuple[int, ...]
    layout: int

    def reserve(self) -> None:
        """Take what reading takes, before anything is read.

        Raises:
            ValueError: Storage or dtype that is not accepted, or more than the load may take.
        """
        budget, values = self.item.budget, math.prod(self.shape)
        if self._chunks is not None:
            self._chunks.reserve(budget)
        else:
            nbytes = values * self._dtype.itemsize
            stored = min(self.item.node.get_storage_size(), self.item.file_size)
            if nbytes > stored:
                raise SavedModelError(f"'{self.where}' declares {nbytes} bytes, but only {stored} are stored.")
            if self._dtype != np.float32:  # and read as it is, before it becomes float32
                budget.take_bytes(nbytes, f"'{self.where}'")
        budget.take_bytes(4 * values, f"'{self.where}'")

    def read(self) -> np.ndarray:
        """The values as a float32, C-contiguous array of the declared shape; to be reserved before.

        Raises:
            ValueError: Storage that is not accepted or damaged.
        """
        import h5py

        if self._chunks is not None:
            return self._chunks.read()
        values = np.empty(self.shape, self._dtype)
        if values.size:
            self.item.node.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        return as_float32(values)

    @cached_property
    def _chunks(self) -> Chunks | None:
        """The array's chunks, None where it is stored in one piece."""
        import h5py

        return Chunks(self.item.node, self._dtype, self.where) if self.layout == h5py.h5d.CHUNKED else None

    @cached_property
    def _dtype(self) -> np.dtype[Any]:
        """The dtype of the stored values; that of bfloat16 is two bytes of no kind."""
        import h5py

        stored = self.item.node.get_type()
        dtype: np.dtype[Any] = stored.dtype
        # The `.h5` of all versions, and Keras 2 everywhere, leave out to say what such bytes are.
        if dtype.str == "|V2" and self.item.strings("dtype", self.where) in (None, ["bfloat16"]):
            return dtype
        # The last condition tells the numbers of a machine from such as have their bits elsewhere.
        if dtype.kind in "iuf" and dtype.itemsize <= 8 and h5py.h5t.py_create(dtype).equal(stored):
            return dtype
        raise SavedModelError(f"'{self.where}' has the dtype {dtype}, which is no weight.")


class Group(Record):
    """One group of a file, or the union of the same group over several files (shards).

    Args:
        parts: The open groups.
        where: The group's path, for errors.
    """

    parts: tuple[_Item, ...]
    where: str = ""

    def names(self) -> list[str]:
        """The members' names, each once."""
        return list(dict.fromkeys(name for links in self._links for name in links))

    def group(self, path: str) -> Group | None:
        """The group below, or None where nothing or a dataset has this path.

        Raises:
            ValueError: The path goes through a link that is not followed.
        """
        import h5py

        found = tuple(item for item in self._lookup(path) if isinstance(item.node, h5py.h5g.GroupID))
        return Group(found, f"{self.where}/{path}") if found else None

    def array(self, path: str) -> StoredArray | None:
        """The dataset below, or None where nothing or a group has this path.

        Raises:
            ValueError: The path goes through a link that is not followed, or the data are in another file.
        """
        where = f"{self.where}/{path}"
        return next((found for item in self._lookup(path) if (found := _stored_array(item, where))), None)

    def has_attribute(self, name: str) -> bool:
        """Whether the attribute exists, whole or split into numbered pieces."""
        return any(part.has_attribute(name) or part.has_attribute(f"{name}0") for part in self.parts)

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
        return [text for piece in pieces for text in piece or ()]

    def has_arrays(self, leave_out: Collection[str] = ()) -> bool:
        """Whether there is a dataset at any depth.

        Args:
            leave_out: Names of groups that are not looked into.
        """
        pending, seen = [self], set()
        while pending:
            group = pending.pop()
            places = group._places()
            if places and places in seen:  # hard links may lead in circles
                continue
            seen.add(places)
            for name in group.names():
                if group.array(name) is not None:
                    return True
                below = None if name in leave_out else group.group(name)
                if below is not None:
                    pending.append(below)
        return False

    @cached_property
    def _children(self) -> dict[str, Group | None]:
        """The groups below that were looked up as parts of longer paths."""
        return {}

    @cached_property
    def _links(self) -> list[dict[str, int]]:
        """The members of every part: names and kinds of link."""
        return [self._listed(part) for part in self.parts]

    def _listed(self, part: _Item) -> dict[str, int]:
        found: dict[str, int] = {}
        failures: list[SavedModelError] = []

        def add(name: bytes, info: h5py.h5l.LinkInfo) -> bool | None:
            """Take one link; True ends the iteration, which an exception would not get out of whole."""
            try:
                part.budget.take("names", 1, f"The group '{self.where}'")
            except SavedModelError as failure:
                failures.append(failure)
                return True
            found[name.decode("utf-8", "surrogateescape")] = info.type
            return None

        part.node.links.iterate(add, info=True)
        if failures:
            raise failures[0]
        return found

    def _places(self) -> tuple[tuple[int, int], ...]:
        """Where the group is, part by part."""
        import h5py

        return tuple((id(part.texts), h5py.h5o.get_info(part.node).addr) for part in self.parts)

    def _lookup(self, path: str) -> list[_Item]:
        *above, name = [part for part in path.split("/") if part] or [""]
        group = self
        for part in above:
            if part not in group._children:
                group._children[part] = group.group(part)
            child = group._children[part]
            if child is None:
                return []
            group = child
        return group._members(name)

    def _members(self, name: str) -> list[_Item]:
        """The objects of one name."""
        import h5py

        found = []
        for part, links in zip(self.parts, self._links, strict=True):
            kind = links.get(name)
            if kind is None:
                continue
            where = f"'{self.where}/{name}'"
            if kind != h5py.h5l.TYPE_HARD:
                link = {h5py.h5l.TYPE_SOFT: "soft", h5py.h5l.TYPE_EXTERNAL: "external"}.get(kind, "strange")
                raise SavedModelError(f"{where} is a {link} link; only plain links are followed.")
            part.budget.take("groups and arrays", 1, where)
            node = h5py.h5o.open(part.node, name.encode("utf-8", "surrogateescape"))
            found.append(replaced(part, node=node))
        return found


def _stored_array(item: _Item, where: str) -> StoredArray | None:
    """The dataset, None of anything else and of one without a shape.

    Raises:
        ValueError: It keeps its data in another file, which libhdf5 opens for as little as the shape.
    """
    import h5py

    if not isinstance(item.node, h5py.h5d.DatasetID):
        return None
    creation = item.node.get_create_plist()
    layout = creation.get_layout()
    if layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED) or creation.get_external_count():
        raise SavedModelError(f"'{where}' keeps its data in another file; such storage is not read.")
    space = item.node.get_space()
    if space.get_simple_extent_type() == h5py.h5s.NULL:
        return None
    return StoredArray(item, where, tuple(map(int, space.shape)), layout)


def join(groups: Sequence[Group]) -> Group:
    """One group out of the same group of several files."""
    return Group(tuple(part for group in groups for part in group.parts))
