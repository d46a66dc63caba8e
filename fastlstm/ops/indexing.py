"""Operations with places: slices, values taken from places, numbers of classes as zeros and ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.arguments import place, whole, wholes
from fastlstm.ops import dtypes, shapes
from fastlstm.ops.definition import CORE, NN, operation
from fastlstm.ops.shapes import Shape
from fastlstm.printable import quoted, shown

# --- slices ---------------------------------------------------------------------------------------------------------


def key_items(key: Any) -> tuple[Any, ...]:
    """The key as a tuple.

    Raises:
        ValueError: When there is something else in it than integers, slices, None and one ellipsis.
    """
    items = tuple(key) if isinstance(key, (list, tuple)) else (key,)
    for item in items:
        parts = (item.start, item.stop, item.step) if isinstance(item, slice) else (item,)
        if not all(part is None or part is Ellipsis or type(part) is int for part in parts):
            raise ValueError(f"Only integers, slices, None and `...` can index a KerasTensor. Received: {quoted(key)}")
        if any(type(part) is int and not -sys.maxsize <= part <= sys.maxsize for part in parts):
            raise ValueError(f"No array has a place {shown(key)}.")
    if items.count(Ellipsis) > 1:
        raise ValueError(f"An index can only have one `...`. Received: {quoted(key)}")
    return items


def _item_shape(shape: Shape, key: Any) -> Shape:
    remaining: list[Any] = list(shape)
    made: list[Any] = []
    items = key_items(key)
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(remaining):
        raise ValueError(f"Too many indices for a tensor of shape {shape}: {items}")
    for item in items:
        if item is None:
            made.append(1)
        elif item is Ellipsis:
            kept = len(remaining) - used
            made += remaining[:kept]
            del remaining[:kept]
        else:
            used -= 1
            made += _indexed(remaining.pop(0), item, shape)
    return (*made, *remaining)


def _indexed(size: int | None, item: Any, shape: Shape) -> list[int | None]:
    """The sizes that an index or a slice leaves of one."""
    if isinstance(item, slice):
        return [None] if size is None else [len(range(*item.indices(size)))]
    if size is not None and not -size <= item < size:
        raise ValueError(f"Index {item} is out of range for a tensor of shape {shape}.")
    return []


@operation("get_item", "x key", raw="key", shape=_item_shape, dtype=dtypes.kept)
def _get_item(x: np.ndarray, key: Any) -> Any:
    """Return `x[key]`, with integers, slices, None and an ellipsis in the key."""
    return x[key_items(key)]


def _slice_shape(inputs: Shape, start_indices: Any, shape: Any) -> Shape:
    starts, sizes = wholes(start_indices, "start_indices"), wholes(shape, "shape", -1)
    if not len(starts) == len(sizes) == len(inputs):
        raise ValueError(f"A slice of a tensor of shape {inputs} cannot start at {starts} and have the shape {sizes}.")
    made: list[int | None] = []
    for size, start, length in zip(inputs, starts, sizes, strict=True):
        if size is not None and start + max(length, 0) > size:
            raise ValueError(f"A slice of {length} from {start} on does not fit in a tensor of shape {inputs}.")
        made.append(length if length >= 0 else None if size is None else size - start)
    return tuple(made)


@operation("slice", "inputs start_indices", raw="start_indices", shape=_slice_shape, dtype=dtypes.kept, module=CORE)
def _slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """Return the part of a shape that begins at a place; -1 in the shape is all the rest."""
    pairs = zip(wholes(start_indices, "start_indices"), wholes(shape, "shape", -1), strict=True)
    return inputs[tuple(slice(start, None if size < 0 else start + size) for start, size in pairs)]


@operation("slice_update", "inputs start_indices updates", raw="start_indices", module=CORE,
           shape=lambda inputs, *_: inputs, dtype=dtypes.kept)  # fmt: skip
def _slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """Return the tensor with other values from a place on."""
    made, starts = inputs.copy(), wholes(start_indices, "start_indices")
    made[tuple(slice(start, start + size) for start, size in zip(starts, updates.shape, strict=True))] = updates
    return made


# --- values from places ---------------------------------------------------------------------------------------------


def _in_range(function: Callable[..., np.ndarray], *args: Any) -> np.ndarray:
    try:
        return function(*args)
    except IndexError as error:
        raise ValueError(f"An index is out of range: {error}") from None


def _taken(x: Shape, indices: Shape, axis: int | None = None) -> Shape:
    if axis is None:
        return indices
    at = place(axis, len(x))
    return (*x[:at], *indices, *x[at + 1 :])


@operation("take", "x indices", shape=_taken, dtype=dtypes.kept)
def _take(x: np.ndarray, indices: Any, axis: Any = None) -> Any:
    """Return the values at these places along an axis; negative ones count from the end."""
    return _in_range(np.take, x, indices.astype(np.int64, copy=False), axis)


def _taken_along(x: Shape, indices: Shape, axis: int | None = None) -> Shape:
    if axis is None:
        return (shapes.size_of(indices),)
    at = place(axis, len(x))
    if len(x) != len(indices):
        raise ValueError(f"`x` and `indices` should have as many axes. Received: {quoted(x)} and {indices}")
    rest = shapes.broadcast((*x[:at], 1, *x[at + 1 :]), (*indices[:at], 1, *indices[at + 1 :]))
    return (*rest[:at], indices[at], *rest[at + 1 :])


@operation("take_along_axis", "x indices", shape=_taken_along, dtype=dtypes.kept)
def _take_along_axis(x: np.ndarray, indices: Any, axis: Any = None) -> Any:
    """Return the values at places along an axis that differ from row to row."""
    indices = indices.astype(np.int64, copy=False)
    if axis is None:
        x, indices, axis = x.ravel(), indices.ravel(), 0
    at = axis % x.ndim
    rest: tuple[Any, ...] = shapes.broadcast(
        (*x.shape[:at], 1, *x.shape[at + 1 :]), (*indices.shape[:at], 1, *indices.shape[at + 1 :])
    )
    x = np.broadcast_to(x, (*rest[:at], x.shape[at], *rest[at + 1 :]))
    indices = np.broadcast_to(indices, (*rest[:at], indices.shape[at], *rest[at + 1 :]))
    return _in_range(np.take_along_axis, x, indices, axis)


@operation("searchsorted", "sorted_sequence values", class_name="SearchSorted", dtype=dtypes.counted,
           shape=lambda sequence, values, side="left": values)  # fmt: skip
def _searchsorted(sorted_sequence: Any, values: Any, side: Any = "left") -> Any:
    """Return where values would go into a sorted row."""
    return np.searchsorted(sorted_sequence, values, side)


@operation("digitize", "x bins", shape=shapes.same, dtype=dtypes.counted)
def _digitize(x: np.ndarray, bins: Any) -> Any:
    """Return the number of the bin of every value."""
    return np.digitize(x, bins)


@operation("isin", "x1 x2", class_name="IsIn", dtype=dtypes.compared,
           shape=lambda x1, x2, **_: x1)  # fmt: skip
def _isin(x1: Any, x2: Any, assume_unique: bool = False, invert: Any = False) -> Any:
    """Return which values of the first tensor are in the second."""
    return np.isin(x1, x2, assume_unique=assume_unique, invert=invert)


# --- classes --------------------------------------------------------------------------------------------------------


def _one_hot_shape(
    shape: Shape, num_classes: int | None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Shape:
    sizes = list(shape)
    sizes.insert(place(axis, len(shape) + 1), whole(num_classes, "num_classes"))
    return tuple(sizes)


def _hot(x: np.ndarray, num_classes: int, axis: int, sparse: bool) -> np.ndarray:
    if sparse:
        raise ValueError("Only dense tensors are supported.")
    classes = np.arange(num_classes)
    return np.moveaxis(x.astype(np.int64, copy=False)[..., np.newaxis] == classes, -1, axis)


@operation("one_hot", shape=_one_hot_shape, dtype=dtypes.requested_float, module=NN)
def _one_hot(x: np.ndarray, num_classes: Any, axis: Any = -1, dtype: Any = None, sparse: Any = False) -> Any:
    """Return 1 at the class of every value, and 0 elsewhere; a new axis has the classes."""
    return _hot(x, num_classes, axis, sparse)


def _multi_hot_shape(shape: Shape, num_classes: int | None = None, axis: int = -1, **parameters: Any) -> Shape:
    hot = list(_one_hot_shape(shape, num_classes, axis))
    del hot[1 if len(shape) > 1 else 0]
    return tuple(hot)


@operation("multi_hot", "inputs", shape=_multi_hot_shape, dtype=dtypes.requested_float, module=NN)
def _multi_hot(inputs: Any, num_classes: Any = None, axis: Any = -1, dtype: Any = None, sparse: Any = False) -> Any:
    """Return 1 at the classes of every row, and 0 elsewhere."""
    return _hot(inputs, num_classes, axis, sparse).any(axis=1 if inputs.ndim > 1 else 0)


# --- constants of a tensor's shape ----------------------------------------------------------------------------------


@operation("zeros_like", shape=shapes.same, dtype=dtypes.requested)
def _zeros_like(x: np.ndarray, dtype: Any = None) -> Any:
    """Return zeros."""
    return np.zeros_like(x)


@operation("ones_like", shape=shapes.same, dtype=dtypes.requested)
def _ones_like(x: np.ndarray, dtype: Any = None) -> Any:
    """Return ones."""
    return np.ones_like(x)


@operation("empty_like", shape=shapes.same, dtype=dtypes.requested)
def _empty_like(x: np.ndarray, dtype: Any = None) -> Any:
    """Return zeros, as Keras with TensorFlow does."""
    return np.zeros_like(x)


@operation("full_like", "x fill_value", shape=shapes.same, dtype=dtypes.requested)
def _full_like(x: np.ndarray, fill_value: Any, dtype: Any = None) -> Any:
    """Return one value everywhere."""
    return np.broadcast_to(fill_value, x.shape)
