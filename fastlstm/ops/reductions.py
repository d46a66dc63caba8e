"""Operations that take values together along axes: sums, means, extremes, and what runs along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.arguments import place, places, whole
from fastlstm.ops import dtypes, shapes
from fastlstm.ops.definition import LINALG, MATH, NN, operation
from fastlstm.ops.shapes import axes


def _reduction(name: str, function: Any, rule: Any) -> None:
    def applied(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
        return function(x, axis=axes(axis), keepdims=keepdims)

    applied.__doc__ = f"Return NumPy's `{function.__name__}` along the axes."
    operation(name, shape=shapes.reduced, dtype=rule)(applied)


_reduction("mean", np.mean, dtypes.averaged)
_reduction("std", np.std, dtypes.averaged)
_reduction("var", np.var, dtypes.averaged)
_reduction("sum", np.sum, dtypes.summed)
_reduction("all", np.all, dtypes.boolean)
_reduction("any", np.any, dtypes.boolean)
_reduction("median", np.median, dtypes.floating)
_reduction("ptp", lambda x, axis, keepdims: x.max(axis=axis, keepdims=keepdims) - x.min(axis=axis, keepdims=keepdims),
           dtypes.kept)  # fmt: skip
_reduction("amax", np.max, dtypes.kept)
_reduction("amin", np.min, dtypes.kept)


@operation("max", shape=shapes.reduced, dtype=dtypes.kept)
def _max(x: np.ndarray, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the greatest values along the axes, at least `initial`."""
    return np.max(x, axis=axes(axis), keepdims=keepdims, **({} if initial is None else {"initial": initial}))


@operation("min", shape=shapes.reduced, dtype=dtypes.kept)
def _min(x: np.ndarray, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the least values along the axes, at most `initial`."""
    return np.min(x, axis=axes(axis), keepdims=keepdims, **({} if initial is None else {"initial": initial}))


@operation("prod", shape=shapes.reduced, dtype=dtypes.summed)
def _prod(x: np.ndarray, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Return the product along the axes."""
    return np.prod(x, axis=axes(axis), keepdims=keepdims, dtype=x.dtype)


@operation("count_nonzero", shape=shapes.reduced, dtype=dtypes.counted)
def _count_nonzero(x: np.ndarray, axis: Any = None) -> Any:
    """Return how many values along the axes are other than 0."""
    return np.count_nonzero(x, axis=axes(axis))


@operation("average", "x weights", shape=shapes.reduced, dtype=dtypes.floating)
def _average(x: np.ndarray, axis: Any = None, weights: Any = None) -> Any:
    """Return the mean along the axes, weighted if there are weights."""
    return np.average(x, axis=axes(axis), weights=weights)


@operation("logsumexp", shape=shapes.reduced, dtype=dtypes.floating, module=MATH)
def _logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    """Return `log(sum(exp(x)))` along the axes."""
    axis = axes(axis)
    greatest = np.max(x, axis=axis, keepdims=True)
    greatest = np.where(np.isfinite(greatest), greatest, x.dtype.type(0))
    total = np.log(np.sum(np.exp(x - greatest), axis=axis, keepdims=True)) + greatest
    return total if keepdims else np.squeeze(total, axis=axis)


@operation("norm", shape=shapes.reduced, dtype=dtypes.floating, module=LINALG)
def _norm(x: np.ndarray, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm along one or two axes: of vectors, or of matrices."""
    if axis is None and ord is None:
        return np.sqrt(np.sum(np.square(x), keepdims=keepdims))
    axis = tuple(places(axis, x.ndim))
    return np.linalg.norm(x, ord=ord, axis=axis if len(axis) > 1 else axis[0], keepdims=keepdims)


def _moments_shape(shape: Any, axes: Any, keepdims: bool = False, **parameters: Any) -> Any:
    return (shapes.reduced(shape, axis=axes, keepdims=keepdims),) * 2


@operation("moments", shape=_moments_shape, dtype=dtypes.floating, module=NN)
def _moments(x: np.ndarray, axes: Any, keepdims: bool = False, synchronized: Any = False) -> Any:
    """Return the means and variances along the axes."""
    if synchronized:
        raise NotImplementedError("Argument synchronized=True is not supported: there is one process.")
    axis = shapes.axes(axes)
    return np.mean(x, axis=axis, keepdims=keepdims), np.var(x, axis=axis, keepdims=keepdims)


# --- places ---------------------------------------------------------------------------------------------------------


def _index_of(name: str, function: Any) -> None:
    def applied(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
        if axis is not None:
            return np.expand_dims(function(x, axis), axis) if keepdims else function(x, axis)
        return np.reshape(function(x), (1,) * x.ndim if keepdims else ())

    applied.__doc__ = f"Return NumPy's `{function.__name__}` along an axis, or in all for None."
    operation(name, shape=shapes.reduced, dtype=dtypes.counted)(applied)


_index_of("argmax", np.argmax)
_index_of("argmin", np.argmin)


@operation("argsort", shape=shapes.along, dtype=dtypes.counted)
def _argsort(x: np.ndarray, axis: Any = -1) -> Any:
    """Return the order of the values along an axis, equal ones in theirs."""
    return np.argsort(x, axis=axis, kind="stable")


@operation("sort", shape=shapes.along, dtype=dtypes.kept)
def _sort(x: np.ndarray, axis: Any = -1) -> Any:
    """Return the values in order along an axis."""
    return np.sort(x, axis=axis)


def _top_k_shape(shape: Any, k: Any, sorted: bool = True) -> Any:
    k = whole(k, "k", 1)
    return (shapes.with_size(shape, -1, k),) * 2


@operation("top_k", shape=_top_k_shape, module=MATH,
           dtype=lambda *named, **_: (None, (dtypes.kept(*named)[1], "int32")))  # fmt: skip
def _top_k(x: np.ndarray, k: Any, sorted: bool = True) -> Any:
    """Return the `k` greatest values along the last axis, from the greatest on, and their places."""
    if k > x.shape[-1]:
        raise ValueError(f"input must have at least k columns. Had {x.shape[-1]}, needed {k}")
    order = np.argsort(-x.astype(np.float64), axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, axis=-1), order


# --- along an axis --------------------------------------------------------------------------------------------------


@operation("cumsum", shape=shapes.along, dtype=dtypes.accumulated)
def _cumsum(x: np.ndarray, axis: Any = None, dtype: Any = None) -> Any:
    """Return the sums so far along an axis."""
    return np.cumsum(x, axis=axis, dtype=x.dtype)


@operation("cumprod", shape=shapes.along, dtype=dtypes.accumulated)
def _cumprod(x: np.ndarray, axis: Any = None, dtype: Any = None) -> Any:
    """Return the products so far along an axis."""
    return np.cumprod(x, axis=axis, dtype=x.dtype)


def _diff_shape(shape: Any, n: Any = 1, axis: Any = -1) -> Any:
    size = shape[place(axis, len(shape))]
    return shapes.with_size(shape, axis, None if size is None else max(0, size - n))


@operation("diff", "a", shape=_diff_shape, dtype=dtypes.kept)
def _diff(a: Any, n: Any = 1, axis: Any = -1) -> Any:
    """Return the differences of neighbours along an axis, `n` times."""
    return np.diff(a, min(whole(n, "n"), a.shape[place(axis, a.ndim)]), axis)
