"""Losses of probabilities, or of the logits that a sigmoid or softmax turns into probabilities."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fastlstm.backend import Tensor
from fastlstm.config import epsilon
from fastlstm.losses.differentiable import Pullback, differentiable, mean_of
from fastlstm.losses.elementary import log, sigmoid, softmax, softplus
from fastlstm.printable import quoted


@differentiable
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> tuple[np.ndarray, Pullback]:
    """`-mean(y_true * log(y_pred) + (1 - y_true) * log(1 - y_pred))` over an axis.

    Args:
        y_true: Probabilities.
        y_pred: Probabilities, kept at `epsilon()` from 0 and 1; or logits.
        from_logits: Boolean, whether `y_pred` are logits.
        label_smoothing: Float from 0 to 1, how far labels are moved towards 0.5.
        axis: Integer.
    """
    y_true = smoothed_binary(y_true, label_smoothing)
    terms, derivative = binary_terms(y_true, y_pred, from_logits)
    values, pullback = mean_of(np.moveaxis(terms, axis, -1), lambda: np.moveaxis(derivative(), axis, -1))
    return values, lambda d_values: np.moveaxis(pullback(d_values), -1, axis)


def smoothed_binary(y_true: np.ndarray, label_smoothing: float) -> np.ndarray:
    """Return labels moved towards 0.5."""
    return y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y_true


def binary_terms(y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool) -> tuple[np.ndarray, Any]:
    """Return the crossentropy of each number, and a function that returns its derivative.

    Raises:
        ValueError: With Keras' text, when the shapes differ.
    """
    check_same_shape(y_true, y_pred)
    if from_logits:
        # log(1 + exp(y_pred)) - y_true * y_pred
        terms = np.maximum(y_pred, 0) - y_pred * y_true + softplus(-np.abs(y_pred))
        return terms, lambda: sigmoid(y_pred) - y_true
    p, inside = clipped(y_pred)
    terms = -(y_true * log(p) + (1 - y_true) * log(1 - p))
    return terms, lambda: np.where(inside, (1 - y_true) / (1 - p) - y_true / p, 0)


@differentiable
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> tuple[np.ndarray, Pullback]:
    """`-sum(y_true * log(y_pred / sum(y_pred)))` over an axis.

    Args:
        y_true: Probabilities of the classes.
        y_pred: Probabilities, kept at `epsilon()` from 0 and 1 after the division; or logits, of which the softmax is
            taken.
        from_logits: Boolean, whether `y_pred` are logits.
        label_smoothing: Float from 0 to 1, how far labels are moved towards equal probabilities.
        axis: Integer, the axis of the classes.

    Raises:
        ValueError: When the shapes differ, or the axis is a boolean.
    """
    check_classes("categorical_crossentropy", y_pred, axis)
    check_same_shape(y_true, y_pred)
    y_true = smoothed_classes(y_true, label_smoothing)
    if from_logits:
        p = softmax(y_pred, axis)
        values = np.sum(y_true * (_log_sum_exp(y_pred, p, axis) - y_pred), axis=axis)
        # As in Keras, also where the labels do not sum to 1.
        return values, lambda d_values: np.expand_dims(d_values, axis) * (p - y_true)
    q = y_pred / np.sum(y_pred, axis=axis, keepdims=True)
    p, inside = clipped(q)

    def pullback(d_values: np.ndarray) -> np.ndarray:
        return through_sum(y_pred, q, np.where(inside, -y_true / p, 0) * np.expand_dims(d_values, axis), axis)

    return -np.sum(y_true * log(p), axis=axis), pullback


def smoothed_classes(y_true: np.ndarray, label_smoothing: float) -> np.ndarray:
    """Return labels moved towards equal probabilities of the classes."""
    return y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[-1] if label_smoothing else y_true


def through_sum(y_pred: np.ndarray, q: np.ndarray, d_q: np.ndarray, axis: int) -> np.ndarray:
    """Return the gradient with respect to `y_pred` from that with respect to `q = y_pred / sum(y_pred)`."""
    return (d_q - np.sum(d_q * q, axis=axis, keepdims=True)) / np.sum(y_pred, axis=axis, keepdims=True)


def _log_sum_exp(x: np.ndarray, p: np.ndarray, axis: int) -> np.ndarray:
    """Return `log(sum(exp(x)))` from the softmax: the largest probability is that of the largest number."""
    return np.max(x, axis=axis, keepdims=True) - log(np.max(p, axis=axis, keepdims=True))


@differentiable
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> tuple[np.ndarray, Pullback]:
    """The categorical crossentropy of classes that are given by their numbers.

    Args:
        y_true: Numbers of the classes; a last axis of size 1 is dropped.
        y_pred: Probabilities, kept at `epsilon()` from 0 and 1 and divided by their sum; or logits, of which the
            softmax is taken.
        from_logits: Boolean, whether `y_pred` are logits.
        ignore_class: Number of a class for which the value is 0 and does not count in a mean, or None.
        axis: Integer, the axis of the classes: only the last one.

    Raises:
        ValueError: When the shapes do not fit, a class is out of range, or the axis is another one.
    """
    if axis not in (-1, y_pred.ndim - 1):
        raise ValueError(f"Only axis=-1 is currently supported. Received: axis={quoted(axis)}")
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    valid = None if ignore_class is None else y_true != ignore_class
    classes = (y_true if valid is None else np.where(valid, y_true, 0)).astype(np.int64)
    _check_class_numbers(classes, y_pred)
    picked = np.expand_dims(classes, -1)
    if from_logits:
        p = softmax(y_pred)
        values = (_log_sum_exp(y_pred, p, -1) - np.take_along_axis(y_pred, picked, -1))[..., 0]
    else:
        p, inside = clipped(y_pred)
        total = np.sum(p, axis=-1, keepdims=True)
        values = (log(total) - log(np.take_along_axis(p, picked, -1)))[..., 0]
    if valid is not None:
        masked = np.where(valid, values, 0).astype(y_pred.dtype).view(Tensor)
        masked._keras_mask = valid
        values = masked

    def pullback(d_values: np.ndarray) -> np.ndarray:
        d = np.expand_dims(d_values if valid is None else np.where(valid, d_values, 0), -1)
        gradient = p * d if from_logits else np.where(inside, d / total, 0)
        own = np.take_along_axis(gradient, picked, -1)
        if from_logits:
            own -= d
        else:
            own -= np.where(np.take_along_axis(inside, picked, -1), d / np.take_along_axis(p, picked, -1), 0)
        np.put_along_axis(gradient, picked, own, -1)
        return gradient

    return values, pullback


@differentiable
def kl_divergence(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """`sum(y_true * log(y_true / y_pred))` over the last axis, of numbers from `epsilon()` to 1."""
    low = y_pred.dtype.type(epsilon())
    true, predicted = np.clip(y_true, low, 1), np.clip(y_pred, low, 1)
    inside = (y_pred >= low) & (y_pred <= 1)

    def pullback(d_values: np.ndarray) -> np.ndarray:
        return np.where(inside, -true / predicted, 0) * np.expand_dims(d_values, -1)

    return np.sum(true * log(true / predicted), axis=-1), pullback


def clipped(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities at least `epsilon()` away from 0 and 1, and which of them were so."""
    low, high = p.dtype.type(epsilon()), p.dtype.type(1 - epsilon())
    return np.clip(p, low, high), (p >= low) & (p <= high)


def check_classes(name: str, y_pred: np.ndarray, axis: Any) -> None:
    """Raise for an axis that is a boolean, and warn of a single class, with Keras' texts."""
    if isinstance(axis, bool):
        raise ValueError(f"`axis` must be of type `int`. Received: axis={quoted(axis)} of type {type(axis)}")
    if y_pred.shape[-1] == 1:
        warnings.warn(
            f"In loss {name}, expected y_pred.shape to be (batch_size, num_classes) with num_classes > 1. Received: "
            f"y_pred.shape={y_pred.shape}. Consider using 'binary_crossentropy' if you only have 2 classes.",
            SyntaxWarning,
            stacklevel=4,
        )


def check_same_shape(y_true: np.ndarray, y_pred: np.ndarray) -> None:
    """Raise Keras' ValueError where the shapes differ."""
    if y_true.shape != y_pred.shape:
        what = "shape" if y_true.ndim == y_pred.ndim else "rank (ndim)"
        raise ValueError(
            f"Arguments `target` and `output` must have the same {what}. "
            f"Received: target.shape={y_true.shape}, output.shape={y_pred.shape}"
        )


def _check_class_numbers(classes: np.ndarray, y_pred: np.ndarray) -> None:
    if classes.shape != y_pred.shape[:-1]:
        same_rank = classes.ndim == y_pred.ndim - 1
        what = "the same shape up until the last dimension" if same_rank else "rank (ndim) `target.ndim - 1`"
        subject = "Arguments `target` and `output` must have" if same_rank else "Argument `output` must have"
        shapes = f"target.shape={classes.shape}, output.shape={y_pred.shape}"
        raise ValueError(f"{subject} {what}: {shapes}" if same_rank else f"{subject} {what}. Received: {shapes}")
    if classes.size and not 0 <= classes.min() <= classes.max() < y_pred.shape[-1]:
        wrong = classes[(classes < 0) | (classes >= y_pred.shape[-1])][0]
        raise ValueError(
            f"Received a label value of {wrong} which is outside the valid range of [0, {y_pred.shape[-1]})."
        )


# Which activation's input Keras takes in place of its output: see `Loss.on_logits`.
vars(binary_crossentropy)["logits_of"] = "sigmoid"
vars(categorical_crossentropy)["logits_of"] = vars(sparse_categorical_crossentropy)["logits_of"] = "softmax"
