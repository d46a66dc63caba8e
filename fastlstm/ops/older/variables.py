"""Tensors, variables and their values, as an older `keras.backend` makes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import backend, ops
from fastlstm.config import floatx
from fastlstm.ops import creation
from fastlstm.ops.older.registry import FUNCTIONS, defined


@defined
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """Return a tensor of values, or of one value in a shape."""
    made = ops.convert_to_tensor(value, dtype or floatx())
    return made if shape is None else ops.broadcast_to(made, shape) if made.size == 1 else ops.reshape(made, shape)


@defined
def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> backend.Variable:
    """Return a variable that holds `value`."""
    made = backend.Variable(np.asarray(value), dtype=dtype or floatx(), name=name)
    made.constraint = constraint
    return made


@defined
def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> backend.Variable:
    """Return a variable that holds zeros."""
    return variable(np.zeros(shape), dtype, name)


@defined
def ones(shape: Any, dtype: Any = None, name: str | None = None) -> backend.Variable:
    """Return a variable that holds ones."""
    return variable(np.ones(shape), dtype, name)


@defined
def eye(size: int, dtype: Any = None, name: str | None = None) -> backend.Variable:
    """Return a variable that holds ones on the diagonal of a square matrix."""
    return variable(np.eye(size), dtype, name)


@defined
def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Return zeros of a tensor's shape."""
    return ops.zeros_like(x, dtype)


@defined
def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Return ones of a tensor's shape."""
    return ops.ones_like(x, dtype)


@defined
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    """Return the numbers from `start` up to `stop`, or from 0 up to `start`."""
    return creation.arange(max(start, 0) if stop is None else start, stop, step, dtype)


@defined
def get_value(x: Any) -> Any:
    """Return the values of a variable or a tensor as an array."""
    return x.numpy() if hasattr(x, "numpy") else x


FUNCTIONS["eval"] = get_value


@defined
def batch_get_value(tensors: Sequence[Any]) -> list[Any]:
    """Return the values of several variables as arrays."""
    return [get_value(tensor) for tensor in tensors]


@defined
def set_value(x: Any, value: Any) -> None:
    """Give a variable another value."""
    x.assign(np.asarray(value, x.dtype))


@defined
def batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    """Give several variables other values, from pairs of a variable and its value."""
    for x, value in tuples:
        set_value(x, value)


@defined
def update(x: Any, new_x: Any) -> Any:
    """Give a variable another value, and return it."""
    return x.assign(new_x)


@defined
def update_add(x: Any, increment: Any) -> Any:
    """Add to a variable."""
    return x.assign(x.value + increment)


@defined
def update_sub(x: Any, decrement: Any) -> Any:
    """Subtract from a variable."""
    return x.assign(x.value - decrement)


@defined
def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Move a variable towards a value: `x * momentum + value * (1 - momentum)`."""
    return x.assign(x.value - (x.value - value) * (1 - momentum))


@defined
def int_shape(x: Any) -> tuple[int | None, ...]:
    """Return the shape of a tensor, None where it is unknown."""
    return tuple(x.shape)


@defined
def count_params(x: Any) -> int:
    """Return how many values a tensor has."""
    return math.prod(x.shape)


@defined
def dtype(x: Any) -> str:
    """Return the name of a tensor's dtype."""
    return creation.dtype(x)


@defined
def cast_to_floatx(x: Any) -> Any:
    """Return a tensor or an array in the dtype `floatx()`."""
    return ops.cast(x, floatx())


@defined
def is_sparse(tensor: Any) -> bool:
    """Return False: no tensor is sparse here."""
    return False


@defined
def to_dense(tensor: Any) -> Any:
    """Return the tensor itself, which is dense."""
    return tensor
