r"""Weight stores that Keras 2 wrote on Windows: `layers\lstm\cell` is the name of one group in the root."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fastlstm.printable import shown
from fastlstm.records import replaced
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.hdf5 import Group, StoredArray

_MAX_DEPTH = 64


def unfolded(root: Group) -> Group:
    """The root with a group for every part of a name that has backslashes; a root without such names as it is.

    Args:
        root: The root of a weight store.

    Raises:
        ValueError: A name of more parts than a network has levels.
    """
    names = [name for name in root.names() if "\\" in name]
    if not names:
        return root
    members: dict[str, dict[str, None]] = {}
    for name in names:
        parts = name.split("\\")
        if len(parts) > _MAX_DEPTH:
            raise SavedModelError(f"A group's name has {len(parts)} parts: {shown(name)}")
        for depth, part in enumerate(parts):
            members.setdefault("\\".join(parts[:depth]), {})[part] = None
    return _Folded(root.parts, root=root, members=members)


class _Folded(Group):
    """A group some of whose members are spelt out in the root.

    Args:
        root: The file's root.
        members: Path, parts joined by backslashes → the members that the root's names spell out.
        path: This group's path.
    """

    root: Group = Group(())
    members: Mapping[str, dict[str, None]] = MappingProxyType({})
    path: str = ""

    def names(self) -> list[str]:
        own = [name for name in super().names() if "\\" not in name]
        return list({**self.members.get(self.path, {}), **dict.fromkeys(own)})

    def group(self, path: str) -> Group | None:
        first, _, rest = path.partition("/")
        if first not in self.members.get(self.path, {}):
            return super().group(path)
        below = f"{self.path}\\{first}" if self.path else first
        real = self.root.group(below)
        found = replaced(self, parts=real.parts if real else (), where=f"{self.where}/{first}", path=below)
        return found.group(rest) if rest else found

    def array(self, path: str) -> StoredArray | None:
        above, _, name = path.rpartition("/")
        group = self.group(above) if above else None
        return group.array(name) if group else super().array(path)
