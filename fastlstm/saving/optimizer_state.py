"""The state of an optimizer in a file: arrays in the optimizer's own order, beside those of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastlstm.records import Record
from fastlstm.saving.array_tree import Store
from fastlstm.saving.conversion import Recipe, Stored, read_all
from fastlstm.saving.hdf5 import Group
from fastlstm.saving.layout import numbered

if TYPE_CHECKING:
    import h5py


class OptimizerState(Record):
    """What is written of an optimizer.

    Args:
        name: Its name.
        paths: The names of the arrays, with the optimizer's before them: `adam/iteration` …
        arrays: The arrays.
    """

    name: str
    paths: Sequence[str]
    arrays: Sequence[np.ndarray]


def stored_in_store(root: Store) -> list[Stored]:
    """Return the arrays in a weight store, none where there is no optimizer in it."""
    group = root.group("optimizer/vars")
    if group is None:
        return []
    keys = sorted((name for name in group.names() if name.isdecimal()), key=int)
    return [array for key in keys if (array := group.array(key)) is not None]


def stored_in_legacy(root: Group) -> list[Stored]:
    """Return the arrays in a legacy `.h5`, none where there is no optimizer in it."""
    group = root.group("optimizer_weights")
    if group is None:
        return []
    return [array for name in group.texts("weight_names") if (array := group.array(name)) is not None]


def read_state(stored: Sequence[Stored]) -> list[np.ndarray]:
    """Read what a file has of an optimizer: float32 arrays, none where there is no optimizer in it.

    Raises:
        ValueError: Storage that is not accepted, or more than a load may take.
    """
    values = read_all(Recipe((item,), (item.shape,)) for item in stored)
    return [value for value in values if value is not None]


def write_in_store(root: h5py.Group, state: OptimizerState | None) -> None:
    """Write the state into a weight store.

    Args:
        root: The root group.
        state: The state, None for none.
    """
    if state is None:
        return
    group = root.create_group("optimizer/vars")
    group.attrs["name"] = state.name
    for index, array in enumerate(state.arrays):
        group.create_dataset(str(index), data=array)


def write_in_legacy(root: h5py.Group, state: OptimizerState) -> list[str]:
    """Write the arrays of the state into a legacy `.h5`, and return what they are called there.

    Args:
        root: The root group.
        state: The state.
    """
    group = root.create_group("optimizer_weights")
    names = numbered(state.paths)
    for name, array in zip(names, state.arrays, strict=True):
        group.create_dataset(name, data=array)
    return names
