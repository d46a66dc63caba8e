"""Losses of how far two sets overlap, and of the probability of a class that may be labelled wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from fastlstm.config import epsilon
from fastlstm.losses.differentiable import Pullback, differentiable
from fastlstm.losses.elementary import power
from fastlstm.losses.loss import FunctionLoss

Axis = int | Sequence[int] | None


@differentiable
def dice(y_true: Any, y_pred: Any, axis: Axis = None) -> tuple[np.ndarray, Pullback]:
    """`1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred) + epsilon())` (Sudre et al., 2017).

    Args:
        y_true, y_pred: Numbers from 0 to 1.
        axis: Axes of the sums, None for all.
    """
    axis = _as_axes(axis)
    both = 2 * _sum(y_true * y_pred, axis)
    total = _sum(y_true, axis) + _sum(y_pred, axis) + y_pred.dtype.type(epsilon())

    def pullback(d_values: np.ndarray) -> np.ndarray:
        return _like(d_values, both) * (both / total - 2 * y_true) / total

    return _dropped(1 - both / total, axis), pullback


@differentiable
def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None
) -> tuple[np.ndarray, Pullback]:
    """`1 - both / (both + alpha * only_true + beta * only_predicted + epsilon())` (Salehi et al., 2017).

    Args:
        y_true, y_pred: Numbers from 0 to 1.
        alpha: Float, the weight of what is not predicted but true.
        beta: Float, the weight of what is predicted but not true.
        axis: Axes of the sums, None for all.
    """
    axis = _as_axes(axis)
    both = _sum(y_true * y_pred, axis)
    only_true, only_predicted = _sum((1 - y_pred) * y_true, axis), _sum(y_pred * (1 - y_true), axis)
    total = both + only_true * alpha + only_predicted * beta + y_pred.dtype.type(epsilon())

    def pullback(d_values: np.ndarray) -> np.ndarray:
        d_total = y_true * (1 - alpha) + (1 - y_true) * beta
        return _like(d_values, both) * (both / total * d_total - y_true) / total

    return _dropped(1 - both / total, axis), pullback


@differentiable
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> tuple[np.ndarray, Pullback]:
    """`(1 - p**q) / q`, with `p` the probability of the class (Zhang and Sabuncu, 2018).

    Args:
        y_true: Numbers of the classes.
        y_pred: Probabilities of the classes.
        q: Float between 0 and 1.
    """
    classes = y_true.astype(np.int64)
    # A class that is not there has no probability, as in Keras.
    chosen = np.expand_dims(classes, -1) == np.arange(y_pred.shape[-1])
    p = np.sum(np.where(chosen, y_pred, 0), axis=-1)
    q = y_pred.dtype.type(q)

    def pullback(d_values: np.ndarray) -> np.ndarray:
        return np.where(chosen, np.expand_dims(-power(p, q) / p * d_values, -1), 0)

    return (1 - power(p, q)) / q, pullback


def _as_axes(axis: Axis) -> Any:
    return tuple(axis) if isinstance(axis, Sequence) else axis


def _sum(x: np.ndarray, axis: Any) -> np.ndarray:
    return np.sum(x, axis=axis, keepdims=True)


def _dropped(x: np.ndarray, axis: Any) -> np.ndarray:
    return x.squeeze() if axis is None else x.squeeze(axis)


def _like(d_values: np.ndarray, sums: np.ndarray) -> np.ndarray:
    return d_values.reshape(sums.shape)


class Dice(FunctionLoss):
    """`dice` as a loss.

    Args:
        reduction, name, dtype: As for `Loss`.
        axis: Axes of the sums, None for all.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(dice)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        self.set_options({"axis": axis}, reduction, name, dtype)


class Tversky(FunctionLoss):
    """`tversky` as a loss.

    Args:
        alpha, beta: Floats, the weights of what is only true and only predicted.
        reduction, name, dtype: As for `Loss`.
        axis: Axes of the sums, None for all.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(tversky)

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        self.set_options({"alpha": alpha, "beta": beta, "axis": axis}, reduction, name, dtype)


class CategoricalGeneralizedCrossEntropy(FunctionLoss):
    """`categorical_generalized_cross_entropy` as a loss.

    Args:
        q: Float between 0 and 1.
        reduction, name, dtype: As for `Loss`.

    Raises:
        ValueError: When `q` is out of range.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_generalized_cross_entropy)

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError("q must be in the interval (0, 1)")
        self.set_options({"q": q}, reduction, name, dtype)
