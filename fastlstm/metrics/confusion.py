"""How many outputs are above thresholds, by what they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers, explained
from fastlstm.backend import Variable
from fastlstm.config import epsilon
from fastlstm.losses.differentiable import squeeze_or_expand_to_same_rank
from fastlstm.printable import quoted

# What stands in for outputs that are not among the best few: below every threshold.
NEGATIVE_INFINITY = -1e10


@explained
def parsed_thresholds(thresholds: Any, default: float) -> list[float]:
    """Return thresholds, given as one, several or None, as a list.

    Raises:
        ValueError: With Keras' text, when one is not from 0 to 1.
    """
    if thresholds is None:
        return [default]
    check_numbers(thresholds=thresholds)
    listed = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    refused = [threshold for threshold in listed if threshold is None or threshold < 0 or threshold > 1]
    if refused:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {quoted(refused)}")
    return listed


def are_even(thresholds: Sequence[float]) -> bool:
    """Return whether thresholds go from 0 to 1 in steps of one size."""
    count = len(thresholds)
    if count < 3:
        return False
    return np.allclose(thresholds, np.arange(count, dtype=np.float32) / (count - 1), atol=epsilon())


@explained
def update_confusion(
    variables: Mapping[str, Variable],
    y_true: Any,
    y_pred: Any,
    thresholds: Any,
    *,
    even: bool = False,
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
    multi_label: bool = False,
    label_weights: Any = None,
) -> None:
    """Add a batch to counts of true and false, positive and negative outputs.

    Args:
        variables: The counts by name, any of `true_positives`, `false_positives`, `true_negatives`,
            `false_negatives`; each `(thresholds,)`, or `(thresholds, labels)` with `multi_label`.
        y_true: Labels, 0 or not.
        y_pred: Outputs; those above a threshold are positive.
        thresholds: Numbers.
        even: Boolean, whether they go from 0 to 1 in steps of one size (but for the first and the last): outputs, kept
            within 0 and 1, are then counted by the step in which they are, as in Keras.
        top_k: Integer, how many outputs of a sample may be positive; None for all.
        class_id: Integer, which output of a sample counts alone; None for all.
        sample_weight: Array that broadcasts to the outputs, or None.
        multi_label: Boolean, whether to count each output of a sample, which is one of several labels, by itself.
        label_weights: Array of the weights of the outputs of a sample, or None.

    Raises:
        ValueError: With Keras' text, when `class_id` comes with outputs of one axis.
    """
    y_pred, y_true = squeeze_or_expand_to_same_rank(np.asarray(y_pred, np.float32), np.asarray(y_true, np.float32))
    weight = np.ones((), np.float32)
    if sample_weight is not None:
        _, weight = squeeze_or_expand_to_same_rank(
            y_true, np.asarray(sample_weight, np.float32)[..., np.newaxis], expand_rank_1=False
        )
    if top_k is not None:
        y_pred = _only_best(y_pred, top_k)
    if class_id is not None:
        if y_pred.ndim == 1:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, num_classes), found "
                f"shape: {y_pred.shape}"
            )
        y_true, y_pred = y_true[..., class_id, np.newaxis], y_pred[..., class_id, np.newaxis]
    if label_weights is not None:
        weight = weight * np.asarray(label_weights, np.float32)
    weight = np.broadcast_to(weight, y_pred.shape)
    thresholds = np.asarray(thresholds, np.float32)
    order = np.argsort(thresholds, kind="stable")
    passed = _passed_if_even(y_pred, thresholds) if even else _passed(y_pred, thresholds[order])
    labels = y_pred.shape[-1] if multi_label else 1
    positives = _counts(passed, np.where(y_true != 0, weight, 0), len(thresholds), labels)
    negatives = _counts(passed, np.where(y_true != 0, 0, weight), len(thresholds), labels)
    by_name = {
        "true_positives": positives[1:],
        "false_positives": negatives[1:],
        "true_negatives": negatives[0] - negatives[1:],
        "false_negatives": positives[0] - positives[1:],
    }
    for name, variable in variables.items():
        variable.value[order] += by_name[name].reshape(variable.shape).astype(np.float32)


def _only_best(y_pred: np.ndarray, k: int) -> np.ndarray:
    """Put all but the `k` largest outputs of each sample out of reach; of equal ones the first are larger."""
    best = np.argsort(-y_pred, axis=-1, kind="stable")[..., :k]
    kept = np.full_like(y_pred, NEGATIVE_INFINITY)
    np.put_along_axis(kept, best, np.take_along_axis(y_pred, best, -1), -1)
    return kept


def _passed(y_pred: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Return how many thresholds each output is above; NaN is above none."""
    passed = np.searchsorted(ascending, y_pred, side="left")
    return np.where(np.isnan(y_pred), 0, passed)


def _passed_if_even(y_pred: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """As `_passed`, for thresholds 0, 1/n, …, 1, of which the first and the last may be a little outside."""
    steps = np.ceil(np.clip(y_pred, 0, 1) * np.float32(len(thresholds) - 1))
    widened = thresholds[0] < 0 or thresholds[-1] > 1
    lowest = 1 if widened else 0
    return np.where(np.isnan(y_pred), 0, np.maximum(np.nan_to_num(steps), lowest)).astype(np.int64)


def _counts(passed: np.ndarray, weights: np.ndarray, thresholds: int, labels: int) -> np.ndarray:
    """Return the weights of the outputs that are above at least 0, 1, … thresholds, for each label."""
    places = passed.reshape(-1, labels) * labels + np.arange(labels)
    sums = np.bincount(places.ravel(), weights.ravel(), (thresholds + 1) * labels)
    return np.cumsum(sums.reshape(thresholds + 1, labels)[::-1], axis=0)[::-1]
