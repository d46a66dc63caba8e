"""A weight store: groups within groups and arrays in them, in an HDF5 file or under names with slashes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from fastlstm.saving.conversion import Stored


class Store(Protocol):
    """A group of a weight store."""

    def names(self) -> list[str]:
        """The members' names."""

    def group(self, path: str) -> Store | None:
        """The group below, or None."""

    def array(self, path: str) -> Stored | None:
        """The array below, or None."""

    def has_arrays(self, leave_out: Collection[str] = ()) -> bool:
        """Whether there is an array at any depth, but for the groups whose names are left out."""


class ArrayTree:
    """A store whose arrays have their whole paths as names.

    Args:
        arrays: Path → array.
    """

    def __init__(self, arrays: Mapping[str, Stored]) -> None:
        self._arrays = {path: array for path, array in arrays.items() if "/" not in path}
        below: dict[str, dict[str, Stored]] = {}
        for path, array in arrays.items():
            first, slash, rest = path.partition("/")
            if slash:
                below.setdefault(first, {})[rest] = array
        self._groups = {name: ArrayTree(members) for name, members in below.items()}

    def names(self) -> list[str]:
        """The members' names."""
        return [*self._arrays, *self._groups]

    def group(self, path: str) -> ArrayTree | None:
        """The group below, or None."""
        first, slash, rest = path.partition("/")
        found = self._groups.get(first)
        return found.group(rest) if slash and found else found

    def array(self, path: str) -> Stored | None:
        """The array below, or None."""
        above, slash, name = path.rpartition("/")
        group = self.group(above) if slash else self
        return group._arrays.get(name) if group else None

    def has_arrays(self, leave_out: Collection[str] = ()) -> bool:
        """Whether there is an array at any depth, but for the groups whose names are left out."""
        below = (group for name, group in self._groups.items() if name not in leave_out)
        return bool(self._arrays) or any(group.has_arrays(leave_out) for group in below)
