"""Tensors made of numbers alone: they are constants where a graph uses them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastlstm.arguments import explained
from fastlstm.backend import Tensor
from fastlstm.ops import dtypes


def _tensor(array: Any, dtype: str | None = None) -> Tensor:
    return np.asarray(array, dtype).view(Tensor)


@explained
def zeros(shape: Any, dtype: Any = None) -> Tensor:
    """Return zeros of a shape, float32 by default."""
    return _tensor(np.zeros(shape, dtypes.standardize(dtype)))


@explained
def ones(shape: Any, dtype: Any = None) -> Tensor:
    """Return ones of a shape, float32 by default."""
    return _tensor(np.ones(shape, dtypes.standardize(dtype)))


def empty(shape: Any, dtype: Any = None) -> Tensor:
    """Return zeros of a shape, as Keras with TensorFlow does."""
    return zeros(shape, dtype)


@explained
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """Return one value in a shape, float32 by default."""
    return _tensor(np.full(shape, fill_value, dtypes.standardize(dtype)))


@explained
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Return ones on a diagonal of `N` rows and `M` columns, and zeros elsewhere."""
    return _tensor(np.eye(N, M, k, dtypes.standardize(dtype)))


def identity(n: int, dtype: Any = None) -> Tensor:
    """Return ones on the diagonal of a square matrix, and zeros elsewhere."""
    return eye(n, dtype=dtype)


@explained
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Return ones on and below a diagonal, and zeros elsewhere."""
    return _tensor(np.tri(N, M, k, dtypes.standardize(dtype)))


@explained
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """Return the numbers from `start` up to `stop`, or from 0 up to `start` if that is all."""
    if dtype is None:
        dtype = dtypes.result_type(*(dtypes.of(each) for each in (start, stop, step) if each is not None))
    start, stop = (0, start) if stop is None else (start, stop)
    return _tensor(np.arange(start, stop, 1 if step is None else step), dtypes.standardize(dtype))


@explained
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return `num` numbers at equal distances; with `retstep` the distance too."""
    if dtype is None:
        dtype = dtypes.result_type(dtypes.of(start), dtypes.of(stop), "float")
    made, step = np.linspace(start, stop, num, endpoint, retstep=True, axis=axis)
    tensor = _tensor(made, dtypes.standardize(dtype))
    return (tensor, _tensor(step)) if retstep else tensor


# --- what is known of a tensor --------------------------------------------------------------------------------------


@explained
def shape(x: Any) -> tuple[int | None, ...]:
    """Return the shape of a tensor, None where a size is not known."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def ndim(x: Any) -> int:
    """Return the number of axes."""
    return len(shape(x))


@explained
def size(x: Any) -> int | None:
    """Return the number of values, None where it is not known."""
    sizes = shape(x)
    return None if None in sizes else math.prod(sizes)  # type: ignore[arg-type]


@explained
def dtype(x: Any) -> str:
    """Return the dtype of a tensor."""
    named = dtypes.of(x)
    return {"int": "int64", "float": "float32"}.get(named, named)


def is_tensor(x: Any) -> bool:
    """Return whether this is a tensor with values."""
    return isinstance(x, Tensor)


@explained
def convert_to_numpy(x: Any) -> np.ndarray:
    """Return the values as a plain array."""
    return np.array(x)
