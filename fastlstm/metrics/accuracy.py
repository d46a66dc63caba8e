"""How often outputs are right, in Keras' four forms and among the best few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.arguments import explained
from fastlstm.losses.differentiable import squeeze_or_expand_to_same_rank
from fastlstm.metrics.reduction import NamedMean


@explained
def accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """1 where `y_true` is `y_pred`, 0 elsewhere."""
    y_pred = np.asarray(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(np.asarray(y_true, y_pred.dtype), y_pred)
    return np.asarray(y_true == y_pred, np.float32)


@explained
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> np.ndarray:
    """1 where `y_true` is 1 and `y_pred` above the threshold, or `y_true` is 0 and it is not; 0 elsewhere."""
    y_true, y_pred = squeeze_or_expand_to_same_rank(np.asarray(y_true), np.asarray(y_pred))
    return np.asarray(y_true == (y_pred > threshold), np.float32)


@explained
def categorical_accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """1 where the largest of `y_pred` is at the place of the largest of `y_true`, 0 elsewhere."""
    return np.asarray(np.argmax(np.asarray(y_true), axis=-1) == np.argmax(np.asarray(y_pred), axis=-1), np.float32)


@explained
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> np.ndarray:
    """1 where the largest of `y_pred` is at the place that `y_true` says, 0 elsewhere."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    matches = np.asarray(y_true == np.argmax(y_pred, axis=-1), np.float32)
    return matches[..., 0] if matches.ndim > 1 and matches.shape[-1] == 1 else matches


@explained
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> np.ndarray:
    """1 where fewer than `k` of `y_pred` are larger than the one at the place of the largest of `y_true`."""
    return sparse_top_k_categorical_accuracy(np.argmax(np.asarray(y_true), axis=-1), y_pred, k)


@explained
def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> np.ndarray:
    """1 where fewer than `k` of `y_pred` are larger than the one at the place that `y_true` says.

    Args:
        y_true: Numbers of the classes.
        y_pred: `(…, classes)`; or the numbers of the best classes, the best one first.
        k: Integer.
        from_sorted_ids: Boolean, whether `y_pred` are numbers of classes.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    shape = y_true.shape
    rows = y_pred.reshape(-1, y_pred.shape[-1])
    targets = y_true.reshape(-1, 1)
    if from_sorted_ids:
        matches = np.any(targets == rows[:, :k], axis=1)
    else:
        targets = targets.astype(np.int64)
        inside = (targets >= 0) & (targets < rows.shape[1])
        chosen = np.take_along_axis(rows, np.where(inside, targets, 0), axis=1)
        # What is not finite is not among the best.
        matches = (np.sum(rows > chosen, axis=1) < k) & inside[:, 0] & np.isfinite(chosen[:, 0])
    return np.float32(matches).reshape(shape)


class Accuracy(NamedMean):
    """The mean of `accuracy`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(accuracy)
    _direction = "up"


class BinaryAccuracy(NamedMean):
    """The mean of `binary_accuracy`.

    Args:
        name, dtype: As for `Metric`.
        threshold: Float, above which an output counts as 1.
    """

    function: Callable[..., Any] = staticmethod(binary_accuracy)
    _direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        self.set_options({"threshold": threshold}, name, dtype)


class CategoricalAccuracy(NamedMean):
    """The mean of `categorical_accuracy`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(categorical_accuracy)
    _direction = "up"


class SparseCategoricalAccuracy(NamedMean):
    """The mean of `sparse_categorical_accuracy`; the arguments are those of `Mean`."""

    function: Callable[..., Any] = staticmethod(sparse_categorical_accuracy)
    _direction = "up"


class TopKCategoricalAccuracy(NamedMean):
    """The mean of `top_k_categorical_accuracy`.

    Args:
        k: Integer.
        name, dtype: As for `Metric`.
    """

    function: Callable[..., Any] = staticmethod(top_k_categorical_accuracy)
    _direction = "up"

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None) -> None:
        self.set_options({"k": k}, name, dtype)


class SparseTopKCategoricalAccuracy(NamedMean):
    """The mean of `sparse_top_k_categorical_accuracy`.

    Args:
        k: Integer.
        name, dtype: As for `Metric`.
        from_sorted_ids: Boolean, whether outputs are the numbers of the best classes.
    """

    function: Callable[..., Any] = staticmethod(sparse_top_k_categorical_accuracy)
    from_sorted_ids: bool
    _direction = "up"

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None, from_sorted_ids: bool = False) -> None:
        self.set_options({"k": k, "from_sorted_ids": from_sorted_ids}, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Keras writes it only where it is set.
        return config if self.from_sorted_ids else {key: config[key] for key in ("name", "dtype", "k")}
