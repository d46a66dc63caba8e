"""The reduction of a loss: from its values, with weights and a mask, to one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.arguments import array
from fastlstm.losses.differentiable import squeeze_or_expand_to_same_rank
from fastlstm.printable import quoted

_REDUCTIONS = ("sum_over_batch_size", "sum", None, "none", "mean", "mean_with_sample_weight")
_MEANS = ("sum_over_batch_size", "mean")


def standardize_reduction(reduction: Any) -> str | None:
    """Return the reduction if it is one.

    Raises:
        ValueError: With Keras' text, when it is not.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"Invalid value for argument `reduction`. Expected one of {_REDUCTIONS}. "
            f"Received: reduction={quoted(reduction)}"
        )
    return reduction


def reduce_weighted_values(
    values: Any, sample_weight: Any = None, mask: Any = None, reduction: str | None = "sum_over_batch_size"
) -> Any:
    """Return values as one number.

    Args:
        values: Array.
        sample_weight: Array that broadcasts to the values, or None.
        mask: Array that broadcasts to the values, nonzero where they count, or None.
        reduction: As for `Loss`.
    """
    return weights_and_loss(np.asarray(values, np.float32), sample_weight, mask, standardize_reduction(reduction))[1]


def apply_mask(sample_weight: Any, mask: Any, reduction: str | None) -> np.ndarray | None:
    """Return the weights that leave out what is masked; for a mean, larger by what was left out.

    Args:
        sample_weight: Array, or None.
        mask: Array, nonzero where a value counts, or None.
        reduction: As for `Loss`.
    """
    weight = None if sample_weight is None else array(sample_weight, np.float32, "`sample_weight`")
    if mask is None:
        return weight
    valid = np.asarray(mask).astype(bool)
    factor = np.float32(1)
    if reduction in _MEANS:
        count = np.float32(np.count_nonzero(valid))
        factor = np.float32(valid.size) / count if count else np.float32(0)
    mask_weight = np.where(valid, factor, np.float32(0))
    if weight is None:
        return mask_weight
    mask_weight, weight = squeeze_or_expand_to_same_rank(mask_weight, weight)
    return weight * mask_weight


def weights_and_loss(
    values: np.ndarray, sample_weight: Any, mask: Any, reduction: str | None
) -> tuple[np.ndarray, Any]:
    """Return the gradient of the reduced sum with respect to the values, and that sum."""
    weight = apply_mask(sample_weight, mask, reduction)
    if weight is not None:
        values, weight = squeeze_or_expand_to_same_rank(values, weight)
    try:
        weighted = values if weight is None else values * weight
    except ValueError:
        shape = np.asarray(weight).shape
        raise ValueError(
            f"Weights of samples, or a mask, of shape {shape} do not fit losses of shape {values.shape}."
        ) from None
    if reduction in (None, "none") or weighted.shape in ((), (0,)):
        return np.broadcast_to(np.float32(1) if weight is None else weight, weighted.shape), weighted
    total = np.sum(weighted)
    divisor = np.float32(1)
    if reduction == "mean_with_sample_weight" and weight is not None:
        divisor = np.sum(weight)
    elif reduction != "sum":
        divisor = np.float32(weighted.size)
    inverse = np.float32(1) / divisor if divisor else np.float32(0)
    loss = total / divisor if divisor else np.float32(0)
    if weight is None:
        return np.full(weighted.shape, inverse), loss
    return np.broadcast_to(weight * inverse, weighted.shape), loss
