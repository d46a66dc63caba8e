"""How indices of categories are encoded, and what layers that give them share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.base.layer import Layer
from fastlstm.printable import quoted, shown

Shape = tuple[int | None, ...]


def check_output_mode(layer: Layer, mode: Any, allowed: Sequence[str]) -> str:
    """Return the name of an output mode as it is today.

    Raises:
        ValueError: When it is none of those that are allowed.
    """
    mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode) if isinstance(mode, str) else mode
    if mode not in allowed:
        name = mode if isinstance(mode, str) else shown(mode)
        raise ValueError(
            f"Unknown arg for output_mode: {name}. Invalid value for argument "
            f"`output_mode`. Expected one of {tuple(allowed)}."
        )
    return mode


def refuse(layer: Layer, **arguments: Any) -> None:
    """Raise ValueError, naming it, if an argument is set."""
    for name, value in arguments.items():
        if value:
            raise ValueError(f"{type(layer).__name__} '{layer.name}': the argument `{name}` is not supported.")


def encoded(indices: np.ndarray, mode: str, depth: int, dtype: Any, weights: Any = None) -> np.ndarray:
    """Return indices as Keras encodes categories; those outside of `range(depth)` count nowhere.

    Args:
        indices: Integers of any shape.
        mode: `"one_hot"`, `"multi_hot"` or `"count"`. The two latter reduce axis 1, or the only one.
        depth: Number of categories.
        dtype: Of the result.
        weights: What each index counts, of their shape; None for 1.
    """
    indices = indices.reshape(-1) if indices.ndim == 0 else indices
    if mode == "one_hot":
        indices = indices[..., 0] if indices.ndim > 1 and indices.shape[-1] == 1 else indices
        return (indices[..., np.newaxis] == np.arange(depth)).astype(dtype)
    axis = 1 if indices.ndim > 1 else 0
    rows = np.moveaxis(indices, axis, -1)
    counts = np.zeros((*rows.shape[:-1], depth), dtype if weights is None else np.float32)
    valid = np.nonzero((rows >= 0) & (rows < depth))
    amounts = 1 if weights is None else np.moveaxis(weights, axis, -1)[valid]
    np.add.at(counts, (*valid[:-1], rows[valid]), amounts)
    return (counts > 0).astype(dtype) if mode == "multi_hot" else counts


def encoded_shape(shape: Sequence[int | None], mode: str, depth: int | None) -> Shape:
    """Return the shape of what `encoded` gives for indices of `shape`."""
    shape = tuple(shape)
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape or (1,)), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)


class Categories(Layer):
    """A layer that gives categories, of inputs that it takes as they are: strings, or integers of any size."""

    takes_raw = True
    raw_dtype = "int64"
    takes_structures = False

    def standardized_input(self, x: Any) -> Any:
        return np.asarray(x)


def checked_salt(layer: Layer, salt: Any) -> list[int] | None:
    """Return a salt as two integers, None for none.

    Raises:
        ValueError: With Keras' text, when it is something else.
    """
    if salt is None:
        return None
    pair = [salt, salt] if isinstance(salt, int) else list(salt) if isinstance(salt, (tuple, list)) else []
    if len(pair) != 2 or not all(isinstance(part, int) for part in pair):
        raise ValueError(
            f"The `salt` argument for `{type(layer).__name__}` can only be a tuple of size 2 integers, or a single "
            f"integer. Received: salt={quoted(salt)}."
        )
    return pair


def batches_of(data: Any, steps: int | None = None) -> Iterable[Any]:
    """Return the batches of data that a layer adapts to: an array, list or tuple is one."""
    if isinstance(data, (list, tuple, str, bytes)) or hasattr(data, "__array__"):
        return (data,)
    found = (batch[0] if isinstance(batch, tuple) else batch for batch in data)
    return found if steps is None else (batch for batch, _ in zip(found, range(steps), strict=False))


def as_integers(x: Any) -> np.ndarray:
    """Return numbers as int64, cut to integers.

    Raises:
        ValueError: When they are no numbers.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"The layer takes integers. Received an array of dtype {array.dtype.name}.")
    return array.astype(np.int64)
