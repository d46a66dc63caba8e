"""Functions of two arrays that say their values and carry a gradient back to the second one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.arguments import array, explained

# From the gradient with respect to the values to the one with respect to y_pred.
Pullback = Callable[[np.ndarray], np.ndarray]


class _Recording:
    """What records losses of symbolic tensors: set by the floor of models."""

    # Whether two arguments are such tensors.
    takes: Callable[[Any, Any], bool] = staticmethod(lambda y_true, y_pred: False)
    # Gives the tensor of the values of a function that gives them with their pullback, and of its two arguments.
    call: Callable[[Callable[..., tuple[np.ndarray, Pullback]], Any, Any], Any]


RECORDING = _Recording()


def differentiable(function: Callable[..., tuple[np.ndarray, Pullback]]) -> Callable[..., np.ndarray]:
    """Return a loss function, called as `f(y_true, y_pred, **options)`, that returns the values alone.

    Args:
        function: Takes two arrays of one float dtype and the options; returns the values and their pullback, both of
            that dtype. What the values need anyway, the pullback keeps.

    Returns:
        The function of arrays of any dtype. Its `gradient` takes the same arguments and returns the gradient of the
        sum of the values; its `values_and_pullback` is `function`.
    """

    @explained
    @functools.wraps(function)
    def values(y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDING.takes(y_true, y_pred):
            return RECORDING.call(functools.partial(function, *args, **kwargs), y_true, y_pred)
        return function(*of_one_dtype(y_true, y_pred), *args, **kwargs)[0]

    @explained
    @functools.wraps(function)
    def gradient(y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        values, pullback = function(*of_one_dtype(y_true, y_pred), *args, **kwargs)
        return pullback(np.ones_like(values))

    values.gradient = gradient  # type: ignore[attr-defined]
    values.values_and_pullback = explained(function)  # type: ignore[attr-defined]
    return values


def at_one_rank(
    function: Callable[..., tuple[np.ndarray, Pullback]],
) -> Callable[..., tuple[np.ndarray, Pullback]]:
    """Return `function` of arrays of which one may have a last axis of size 1 more than the other, or be repeated along
    an axis of size 1; its pullback still gives the shape of `y_pred`."""

    @functools.wraps(function)
    def values_and_pullback(
        y_true: np.ndarray, y_pred: np.ndarray, *args: Any, **kwargs: Any
    ) -> tuple[np.ndarray, Pullback]:
        true, predicted = squeeze_or_expand_to_same_rank(y_true, y_pred)
        values, pullback = function(true, predicted, *args, **kwargs)
        if true.shape == predicted.shape == y_pred.shape:
            return values, pullback
        return values, lambda d_values: summed_to(pullback(d_values), predicted.shape).reshape(y_pred.shape)

    return values_and_pullback


def of_one_dtype(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays of the dtype of `y_pred`, float32 if that is no float."""
    y_pred = array(y_pred, what="`y_pred`")
    if y_pred.dtype.kind != "f":
        y_pred = array(y_pred, np.float32, "`y_pred`")
    return array(array(y_true, what="`y_true`"), y_pred.dtype, "`y_true`"), y_pred


def squeeze_or_expand_to_same_rank(
    x1: np.ndarray, x2: np.ndarray, expand_rank_1: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays with a last axis of size 1 dropped from the one of the higher rank.

    Args:
        x1, x2: Arrays; where the ranks differ by more, or that axis is longer, they come back as they are.
        expand_rank_1: Boolean, whether to add an axis to an array of rank 1 instead.
    """
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        return (x1, x2[..., np.newaxis]) if x2.ndim == 1 and expand_rank_1 else (x1[..., 0], x2)
    if x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        return (x1[..., np.newaxis], x2) if x1.ndim == 1 and expand_rank_1 else (x1, x2[..., 0])
    return x1, x2


def summed_to(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a gradient summed over the axes along which an array of `shape` was repeated."""
    if gradient.shape == shape:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 < gradient.shape[axis])
    return gradient.sum(axis=repeated, keepdims=True) if repeated else gradient


def mean_of(terms: np.ndarray, d_terms: Callable[[], np.ndarray]) -> tuple[np.ndarray, Pullback]:
    """Return the means of terms over the last axis, and their pullback.

    Args:
        terms: Array.
        d_terms: Returns the derivative of each term with respect to `y_pred`, as a new array.
    """

    def pullback(d_values: np.ndarray) -> np.ndarray:
        derivative = d_terms()
        derivative *= np.expand_dims(d_values / derivative.dtype.type(terms.shape[-1]), -1)
        return derivative

    return np.mean(terms, axis=-1), pullback
