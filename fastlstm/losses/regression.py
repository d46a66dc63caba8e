"""Losses of differences between numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastlstm.config import epsilon
from fastlstm.losses.differentiable import Pullback, at_one_rank, differentiable, mean_of
from fastlstm.losses.elementary import log, softplus, tanh
from fastlstm.losses.loss import FunctionLoss


@differentiable
@at_one_rank
def mean_squared_error(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`mean((y_true - y_pred)**2)` over the last axis."""
    error = y_pred - y_true
    return mean_of(error * error, lambda: error + error)


@differentiable
@at_one_rank
def mean_absolute_error(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`mean(|y_true - y_pred|)` over the last axis; the gradient of 0 is 0."""
    error = y_pred - y_true
    return mean_of(np.abs(error), lambda: np.sign(error))


@differentiable
@at_one_rank
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`100 * mean(|y_true - y_pred| / max(|y_true|, epsilon()))` over the last axis."""
    scale = np.maximum(np.abs(y_true), y_true.dtype.type(epsilon()))
    error = (y_pred - y_true) / scale
    hundred = y_pred.dtype.type(100)
    values, pullback = mean_of(np.abs(error), lambda: np.sign(error) / scale)
    return hundred * values, lambda d_values: pullback(hundred * d_values)


@differentiable
@at_one_rank
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`mean((log(1 + y_true) - log(1 + y_pred))**2)` over the last axis, of numbers of at least `epsilon()`."""
    smallest, one = y_pred.dtype.type(epsilon()), y_pred.dtype.type(1)
    shifted = np.maximum(y_pred, smallest) + one
    error = log(shifted) - log(np.maximum(y_true, smallest) + one)
    return mean_of(error * error, lambda: np.where(y_pred >= smallest, (error + error) / shifted, 0))


@differentiable
@at_one_rank
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> tuple[np.ndarray, Pullback]:
    """The mean over the last axis of `error**2 / 2`, or of `delta * |error| - delta**2 / 2` where `|error| > delta`
    (Huber, 1964)."""
    delta, half = y_pred.dtype.type(delta), y_pred.dtype.type(0.5)
    error = y_pred - y_true
    size = np.abs(error)
    terms = np.where(size <= delta, half * (error * error), delta * size - half * (delta * delta))
    return mean_of(terms, lambda: np.clip(error, -delta, delta))


@differentiable
@at_one_rank
def log_cosh(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis."""
    error = y_pred - y_true
    terms = error + softplus(error * error.dtype.type(-2)) - error.dtype.type(math.log(2))
    return mean_of(terms, lambda: tanh(error))


@differentiable
def poisson(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`mean(y_pred - y_true * log(y_pred + epsilon()))` over the last axis."""
    shifted = y_pred + y_pred.dtype.type(epsilon())
    return mean_of(y_pred - y_true * log(shifted), lambda: y_pred.dtype.type(1) - y_true / shifted)


@differentiable
@at_one_rank
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> tuple[np.ndarray, Pullback]:
    """`-sum(y_true * y_pred)` over an axis along which both have unit length: -1 for the same direction."""
    true, _ = _unit_length(y_true, axis)
    unit, inverse_norm = _unit_length(y_pred, axis)

    def pullback(d_values: np.ndarray) -> np.ndarray:
        d_unit = -true * np.expand_dims(d_values, axis)
        # A length so small that the epsilon is taken for it does not change.
        moving = inverse_norm < y_pred.dtype.type(1 / epsilon())
        return inverse_norm * (d_unit - np.where(moving, unit * np.sum(d_unit * unit, axis, keepdims=True), 0))

    return -np.sum(true * unit, axis=axis), pullback


def _unit_length(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(divide="ignore"):
        inverse_norm = 1 / np.sqrt(np.sum(x * x, axis=axis, keepdims=True))
    inverse_norm = np.minimum(inverse_norm, x.dtype.type(1 / epsilon()))
    return x * inverse_norm, inverse_norm


class MeanSquaredError(FunctionLoss):
    """`mean_squared_error` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(mean_squared_error)


class MeanAbsoluteError(FunctionLoss):
    """`mean_absolute_error` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(mean_absolute_error)


class MeanAbsolutePercentageError(FunctionLoss):
    """`mean_absolute_percentage_error` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(FunctionLoss):
    """`mean_squared_logarithmic_error` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(mean_squared_logarithmic_error)


class LogCosh(FunctionLoss):
    """`log_cosh` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(log_cosh)


class Poisson(FunctionLoss):
    """`poisson` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(poisson)


class Huber(FunctionLoss):
    """`huber` as a loss.

    Args:
        delta: Float, the error from which on the loss grows linearly.
        reduction, name, dtype: As for `Loss`.

    Differs from Keras: the config keeps `delta`, which Keras forgets.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(huber)

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        self.set_options({"delta": delta}, reduction, name, dtype)


class CosineSimilarity(FunctionLoss):
    """`cosine_similarity` as a loss.

    Args:
        axis: Integer, the axis of a vector.
        reduction, name, dtype: As for `Loss`.

    Differs from Keras: the config keeps `axis`, which Keras forgets.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(cosine_similarity)

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.set_options({"axis": axis}, reduction, name, dtype)
