"""The means of the losses' functions, and of correlations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm import losses
from fastlstm.arguments import explained
from fastlstm.config import epsilon
from fastlstm.losses.differentiable import of_one_dtype, squeeze_or_expand_to_same_rank
from fastlstm.metrics.reduction import Mean, NamedMean


class MeanSquaredError(NamedMean):
    """The mean of `mean_squared_error`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.mean_squared_error)


class RootMeanSquaredError(Mean):
    """The root of the mean of squared errors; the arguments are those of `Mean`."""

    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]  # of targets and outputs, as in Keras
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_true, y_pred = squeeze_or_expand_to_same_rank(np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32))
        error = y_pred - y_true
        super().update_state(error * error, sample_weight)

    def result(self) -> np.float32:
        return np.sqrt(super().result())


class MeanAbsoluteError(NamedMean):
    """The mean of `mean_absolute_error`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.mean_absolute_error)


class MeanAbsolutePercentageError(NamedMean):
    """The mean of `mean_absolute_percentage_error`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(NamedMean):
    """The mean of `mean_squared_logarithmic_error`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.mean_squared_logarithmic_error)


class LogCoshError(NamedMean):
    """The mean of `log_cosh`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.log_cosh)

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(name, dtype)


class Hinge(NamedMean):
    """The mean of `hinge`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.hinge)


class SquaredHinge(NamedMean):
    """The mean of `squared_hinge`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.squared_hinge)


class CategoricalHinge(NamedMean):
    """The mean of `categorical_hinge`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.categorical_hinge)


class KLDivergence(NamedMean):
    """The mean of `kl_divergence`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.kl_divergence)


class Poisson(NamedMean):
    """The mean of `poisson`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(losses.poisson)


class BinaryCrossentropy(NamedMean):
    """The mean of `binary_crossentropy`.

    Args:
        name, dtype: As for `Metric`.
        from_logits, label_smoothing: As for the function.
    """

    function: Callable[..., Any] = staticmethod(losses.binary_crossentropy)

    def __init__(
        self, name: str | None = None, dtype: Any = None, from_logits: bool = False, label_smoothing: float = 0
    ) -> None:
        self.set_options({"from_logits": from_logits, "label_smoothing": label_smoothing}, name, dtype)


class CategoricalCrossentropy(NamedMean):
    """The mean of `categorical_crossentropy`.

    Args:
        name, dtype: As for `Metric`.
        from_logits, label_smoothing, axis: As for the function.
    """

    function: Callable[..., Any] = staticmethod(losses.categorical_crossentropy)

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        self.set_options({"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}, name, dtype)


class SparseCategoricalCrossentropy(NamedMean):
    """The mean of `sparse_categorical_crossentropy`.

    Args:
        name, dtype: As for `Metric`.
        from_logits, ignore_class, axis: As for the function.
    """

    function: Callable[..., Any] = staticmethod(losses.sparse_categorical_crossentropy)

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        self.set_options({"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}, name, dtype)


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> np.ndarray:
    """The cosine of the angle: 1 for the same direction, where the loss is -1."""
    return -losses.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(NamedMean):
    """The mean cosine of the angle between targets and outputs.

    Args:
        name, dtype: As for `Metric`.
        axis: Integer, the axis of a vector.

    Differs from Keras: the config keeps `axis`, which Keras forgets.
    """

    function: Callable[..., Any] = staticmethod(_cosine)
    _direction = "up"

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        self.set_options({"axis": axis}, name, dtype)


@explained
def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> np.ndarray:
    """Pearson's correlation of targets and outputs along an axis."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(*of_one_dtype(y_true, y_pred))
    true, predicted = (x - np.mean(x, axis=axis, keepdims=True) for x in (y_true, y_pred))
    with np.errstate(divide="ignore", invalid="ignore"):
        true, predicted = (x / np.std(x, axis=axis, keepdims=True) for x in (true, predicted))
        return np.mean(true * predicted, axis=axis)


@explained
def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> np.ndarray:
    """Lin's concordance of targets and outputs along an axis."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(*of_one_dtype(y_true, y_pred))
    true_mean, predicted_mean = (np.mean(x, axis=axis, keepdims=True) for x in (y_true, y_pred))
    true_variance = np.var(y_true - true_mean, axis=axis, keepdims=True)
    predicted_variance = np.var(y_pred - predicted_mean, axis=axis, keepdims=True)
    covariance = (y_true - predicted_mean) * (y_pred - predicted_mean)
    norm = true_variance + predicted_variance + np.square(true_mean - predicted_mean)
    return np.mean(2 * covariance / (norm + y_pred.dtype.type(epsilon())), axis=axis)


class PearsonCorrelation(NamedMean):
    """The mean of `pearson_correlation`.

    Args:
        name, dtype: As for `Metric`.
        axis: Integer.
    """

    function: Callable[..., Any] = staticmethod(pearson_correlation)
    _direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        self.set_options({"axis": axis}, name, dtype)


class ConcordanceCorrelation(NamedMean):
    """The mean of `concordance_correlation`.

    Args:
        name, dtype: As for `Metric`.
        axis: Integer.
    """

    function: Callable[..., Any] = staticmethod(concordance_correlation)
    _direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        self.set_options({"axis": axis}, name, dtype)
