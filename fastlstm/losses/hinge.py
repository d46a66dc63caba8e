"""Losses of the side of a margin on which numbers are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastlstm.losses.differentiable import Pullback, differentiable, mean_of
from fastlstm.losses.loss import FunctionLoss


@differentiable
def hinge(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`mean(max(1 - y_true * y_pred, 0))` over the last axis; labels that are all 0 or 1 count as -1 or 1."""
    sign = _signs(y_true)
    margin = 1 - sign * y_pred
    return mean_of(np.maximum(margin, 0), lambda: np.where(margin >= 0, -sign, 0) + np.zeros_like(y_pred))


@differentiable
def squared_hinge(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`mean(max(1 - y_true * y_pred, 0)**2)` over the last axis; labels that are all 0 or 1 count as -1 or 1."""
    sign = _signs(y_true)
    margin = np.maximum(1 - sign * y_pred, 0)
    return mean_of(margin * margin, lambda: -2 * sign * margin)


@differentiable
def categorical_hinge(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)`, over the last axis, for one-hot labels."""
    others = (1 - y_true) * y_pred
    largest = np.max(others, axis=-1, keepdims=True)
    margin = largest[..., 0] - np.sum(y_true * y_pred, axis=-1) + 1

    def pullback(d_values: np.ndarray) -> np.ndarray:
        first = others == largest
        share = first / np.sum(first, axis=-1, keepdims=True, dtype=y_pred.dtype)
        return np.expand_dims(np.where(margin >= 0, d_values, 0), -1) * (share * (1 - y_true) - y_true)

    return np.maximum(margin, 0), pullback


def _signs(y_true: np.ndarray) -> np.ndarray:
    return 2 * y_true - 1 if np.all((y_true == 0) | (y_true == 1)) else y_true


class Hinge(FunctionLoss):
    """`hinge` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(hinge)


class SquaredHinge(FunctionLoss):
    """`squared_hinge` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(squared_hinge)


class CategoricalHinge(FunctionLoss):
    """`categorical_hinge` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_hinge)
