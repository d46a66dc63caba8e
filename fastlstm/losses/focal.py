"""Crossentropies in which what is predicted well already counts less (Lin et al., 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.losses.crossentropy import (
    binary_terms,
    check_classes,
    clipped,
    smoothed_binary,
    smoothed_classes,
    through_sum,
)
from fastlstm.losses.differentiable import Pullback, differentiable, mean_of
from fastlstm.losses.elementary import log, power, sigmoid, softmax


@differentiable
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> tuple[np.ndarray, Pullback]:
    """`mean(weight * (1 - p)**gamma * crossentropy)` over an axis; `p` is the probability of the label.

    Args:
        y_true: Probabilities.
        y_pred: Probabilities, or logits.
        apply_class_balancing: Boolean, whether `weight` is `alpha` for the label 1 and `1 - alpha` for 0; 1 elsewise.
        alpha: Float.
        gamma: Float.
        from_logits, label_smoothing, axis: As for `binary_crossentropy`.
    """
    y_true = smoothed_binary(y_true, label_smoothing)
    logits_or_p, p = y_pred, sigmoid(y_pred) if from_logits else y_pred
    entropy, d_entropy = binary_terms(y_true, logits_or_p, from_logits)
    rest = 1 - (y_true * p + (1 - y_true) * (1 - p))
    factor = power(rest, gamma)
    weight = y_true * alpha + (1 - y_true) * (1 - alpha) if apply_class_balancing else y_pred.dtype.type(1)

    def derivative() -> np.ndarray:
        d_rest = (1 - 2 * y_true) * (p * (1 - p) if from_logits else 1)
        d_factor = y_pred.dtype.type(gamma) * power(rest, gamma - 1) * d_rest if gamma else 0
        return np.moveaxis(weight * (factor * d_entropy() + entropy * d_factor), axis, -1)

    values, pullback = mean_of(np.moveaxis(weight * factor * entropy, axis, -1), derivative)
    return values, lambda d_values: np.moveaxis(pullback(d_values), -1, axis)


@differentiable
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> tuple[np.ndarray, Pullback]:
    """`-sum(alpha * (1 - p)**gamma * y_true * log(p))` over an axis, with `p = y_pred / sum(y_pred)`.

    Args:
        y_true: Probabilities of the classes.
        y_pred: Probabilities, or logits.
        alpha: Float, or one for each class.
        gamma: Float.
        from_logits, label_smoothing, axis: As for `categorical_crossentropy`.

    Raises:
        ValueError: When the axis is a boolean.
    """
    check_classes("categorical_focal_crossentropy", y_pred, axis)
    y_true = smoothed_classes(y_true, label_smoothing)
    alphas = np.asarray(alpha, y_pred.dtype)
    given = softmax(y_pred, axis) if from_logits else y_pred
    q = given / np.sum(given, axis=axis, keepdims=True)
    p, inside = clipped(q)
    log_p = log(p)
    factor = alphas * power(1 - p, gamma)

    def pullback(d_values: np.ndarray) -> np.ndarray:
        d_factor = alphas * y_pred.dtype.type(-gamma) * power(1 - p, gamma - 1) if gamma else 0
        d_q = np.where(inside, -y_true * (d_factor * log_p + factor / p), 0) * np.expand_dims(d_values, axis)
        d_given = through_sum(given, q, d_q, axis)
        if not from_logits:
            return d_given
        return given * (d_given - np.sum(d_given * given, axis=axis, keepdims=True))

    return np.sum(factor * (-y_true * log_p), axis=axis), pullback


vars(binary_focal_crossentropy)["logits_of"] = "sigmoid"
